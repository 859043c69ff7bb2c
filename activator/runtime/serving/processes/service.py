"""The states of the warm per-connection service: each connection has a process, but no start-up.

A single thread without an event loop accepts, starts a process for each connection, and reaps
them; SIGCHLD and the signals to stop end its wait. The processes share nothing with it but the
memory of the handler's module, which was loaded once, and copies of it when they write.

    serving    listeners polled while fewer processes run than may
    leaving    after the first signal, where that is wanted: as before
    draining   after that: listeners left alone, processes may end
    over       none runs any more, or they were told to end, and killed
"""

import errno
import os
import select
from os import close
from socket import SOCK_STREAM, socket
from time import monotonic

from activator.runtime.serving.accept import (
    PAUSE,
    BrokenListenerError,
    ScarceError,
    anything_waits,
    no_memory,
    sort_out,
)
from activator.runtime.serving.life import LEAVING, Life
from activator.runtime.serving.plain import TimeIsUpError
from activator.runtime.serving.processes.children import GRACE, NEVER, Children
from activator.runtime.serving.report import Rarely, line
from activator.runtime.serving.sources import Sources
from activator.runtime.serving.stop import StopSignals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from activator.runtime.listen import Listener
    from activator.runtime.serving.processes.cgroups import Groups
    from activator.runtime.serving.processes.forks import Handlers
    from activator.runtime.serving.processes.programs import Programs
    from activator.runtime.serving.processes.proxied import Proxied
    from activator.runtime.serving.settings import Settings
    from activator.runtime.serving.sources import Source

    # A connection: its listener, its descriptor, whose it is, its source if those are counted.
    Accepted = tuple[Listener, int, Any, Source | None]

# How many processes may run if no limit was set; the generator's MaxConnections= is the same.
PROCESSES = 256


class Service:
    """What is served, and how far it is: see above.

    Attributes:
        starter: Starts the processes.
        signals: What has been told to end.
        status: 1 if a listener could accept no more.
        wakeup: A pipe that ends a wait.
        groups: The processes' cgroups, if they are to have some.

    Args:
        listeners: What to accept from; they stay open.
        settings: What was set.
    """

    starter: "Handlers | Programs"
    signals: StopSignals

    def __init__(self, listeners: "Sequence[Listener]", settings: "Settings") -> None:
        self.status = 0
        self._listeners = listeners
        # By their descriptors: the listener, how to accept, and what is run, for messages.
        self._ways: dict[int, tuple[Listener, Callable[[], Any], object]] = {}
        self._drain = settings.drain
        self._time_limit = settings.time_limit
        self._counts_use = settings.idle_exit > 0 or settings.worker_max_connections > 0
        self._limit = settings.max_connections or PROCESSES
        self.wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._sources = Sources(settings.max_per_source) if settings.max_per_source else None
        self.groups: Groups | None = None
        if settings.cgroup:
            from activator.runtime.serving.processes import cgroups  # noqa: PLC0415 - rarely needed

            self.groups = cgroups.Groups(settings.cgroup)
        self._children = Children(settings.time_limit, self._release, self.groups)
        self._children.tls = settings.tls
        self._life = Life(settings, self._busy, self._hurry)
        self._poll = select.poll()
        self._poll.register(self.wakeup[0], select.POLLIN)
        self._polled = False
        # Connections that were accepted when no process could be started.
        self._held: list[Accepted] = []
        self._waiting: Proxied | None = None
        if settings.trusted:
            from activator.runtime.serving.processes import proxied  # noqa: PLC0415 - rarely needed

            self._waiting = proxied.Proxied(
                settings.trusted, listeners, self._poll, self._life.refuse, self._hurry
            )
        self._stopping = self._now = False
        # When something is to be done that goes by the clock, and something accepted again.
        self._next = self._pause_until = 0.0
        self._scarcity = Rarely()
        self._failures = Rarely(1.0)

    # What signals call.

    def stop(self) -> None:
        """Heed the first signal."""
        self.starter.told = os.getpid()
        if self.starter.is_child:
            raise TimeIsUpError
        # A second one does not cut it short, and processes are to heed their own.
        self._stopping = self.signals.stopped = self._life.state != LEAVING

    def stop_now(self) -> None:
        """Heed the second SIGINT."""
        self._now = self._stopping = True

    # The states.

    def serve(self) -> None:
        """Serve until a signal, or until it is idle."""
        for listener in self._listeners:
            sock: Any = listener.socket()
            # The flag is shared with the service manager's copy, which wants it so too.
            sock.setblocking(False)
            self._ways[listener.fd] = listener, sock._accept, self.starter.describe(listener)  # noqa: SLF001
        self._life.ready()
        self._serve_until(NEVER)
        if self.signals.stopped and (delay := self._life.leave()):
            self._stopping = self.signals.stopped = False
            self._serve_until(monotonic() + delay)
            self._stopping = self.signals.stopped = True
        self._poll_listeners(False)

    def _serve_until(self, end: float) -> None:
        running, told = self._children.running, self._children.told
        woken, poll, waiting = self.wakeup[0], self._poll.poll, self._waiting
        accept = self._accept_proxied if waiting is not None else self._accept
        while not self._stopping:
            now = monotonic()
            if now >= end or (now >= self._next and not self._tick(now)):
                break
            begun = len(running) + len(told) + (len(waiting) if waiting is not None else 0)
            wanted = begun < self._limit and not self._held and not self._pause_until
            if wanted != self._polled:
                self._poll_listeners(wanted)
            due = min(self._next, end)
            for fd, _ in poll(None if due == NEVER else (due - now) * 1000 + 1):
                if fd == woken:
                    self._reap()
                elif waiting is not None and fd in waiting:
                    waiting.ready(fd)
                else:
                    try:
                        accept(fd)
                    except MemoryError:
                        self._pause(no_memory(self._ways[fd][0]))

    def drain(self) -> None:
        """Let what runs end, and end what does not."""
        self._life.drain(slowly=bool(self._held))
        deadline = monotonic() + self._drain
        self._serve_held(deadline)
        while self._busy() and not self._now and (left := deadline - monotonic()) > 0:
            due = self._children.tick(monotonic())
            if self._waiting is not None:
                due = min(due, self._waiting.tick(monotonic()))
            self._wait(min(left, self._life.tick(), due - monotonic()))
            self._serve_held(deadline)
        if self._waiting is not None:
            self._waiting.close()
        self._children.terminate(monotonic())
        deadline = monotonic() + 2 * GRACE
        while self._children and (left := deadline - monotonic()) > 0:
            self._wait(min(left, self._children.tick(monotonic()) - monotonic()))
        while self.groups and not self.groups.sweep() and monotonic() < deadline:
            self._wait(PAUSE)
        self._life.stop()

    def _serve_held(self, deadline: float) -> None:
        """Serve connections that have no process yet: they are accepted, so nobody else can.

        There may be room for a process when others have ended. If none is left to end, this
        process has nothing else to do.
        """
        while self._held and not self._now and (left := deadline - monotonic()) > 0:
            # The process is to heed its own SIGTERM.
            self.signals.stopped = False
            self._start_held()
            self.signals.stopped = True
            if self._held and not self._children:
                listener, fd, address, _ = self._held.pop()
                self.starter.serve_here(listener, fd, address, left)
            elif self._held:
                due = self._children.tick(monotonic()) - monotonic()
                self._wait(min(left, self._life.tick(), due, PAUSE))
        for _, fd, *_ in self._held:
            close(fd)
        self._held.clear()

    def close(self) -> None:
        """Leave nothing behind."""
        self._children.kill()
        for end in self.wakeup:
            close(end)

    # Their steps.

    def _tick(self, now: float) -> bool:
        """Do what is due by the clock; return whether to go on."""
        self._next = min(now + self._life.tick(), self._children.tick(now))
        if self.groups and not self.groups.sweep():
            self._next = min(self._next, now + PAUSE)
        if self._waiting is not None:
            self._next = min(self._next, self._waiting.tick(now))
        if self._life.is_idle():
            if not anything_waits(self._ways):
                return False
            self._life.note()
            self._hurry()
        if self._pause_until > now:
            self._next = min(self._next, self._pause_until)
        elif self._pause_until:
            self._pause_until = 0.0
            self._start_held()
        return True

    def _busy(self) -> int:
        return len(self._children) + (len(self._waiting) if self._waiting is not None else 0)

    def _hurry(self) -> None:
        self._next = 0.0

    def _accept(self, fd: int) -> None:
        # What is done from one fork to the next has to be copied page by page. So all that is
        # not rare happens here, and only what is needed: another accept() might find nothing,
        # and the exception for that costs more than another poll().
        listener, accept, what = self._ways[fd]
        try:
            fd, address = accept()
        except OSError as error:
            self._cannot_accept(error, listener)
            return
        source = None
        if self._sources:
            try:
                sock = socket(listener.family or -1, SOCK_STREAM, 0, fd)
            except MemoryError:
                close(fd)  # nobody has it yet
                raise
            if (source := self._admit(sock)) is None:
                return
            sock.detach()
        try:
            pid = self.starter.start(listener, fd, address)
        except (OSError, MemoryError) as error:
            self._cannot_start(error, (listener, fd, address, source))
            return
        close(fd)
        until = NEVER
        if self._time_limit:
            until = monotonic() + self._time_limit
            self._next = min(self._next, until)
        self._children.running[pid] = what, source, until
        life = self._life
        life.accepted += 1
        if life.quiet or self._counts_use:
            life.note()

    def _start_held(self) -> None:
        held, self._held = self._held, []
        for each in held:
            self._start(each)

    def _start(self, accepted: "Accepted") -> None:
        """Do what :meth:`_accept` does with a connection, where that is rare."""
        listener, fd, address, source = accepted
        try:
            pid = self.starter.start(listener, fd, address)
        except (OSError, MemoryError) as error:
            self._cannot_start(error, accepted)
            return
        close(fd)
        until = monotonic() + (self._time_limit or NEVER)
        self._next = min(self._next, until)
        self._children.running[pid] = self._ways[listener.fd][2], source, until
        self._life.accepted += 1
        self._life.note()

    # From a proxy: when it has told whose they are.

    def _accept_proxied(self, fd: int) -> None:
        listener, accept, _ = self._ways[fd]
        if self._waiting is None or not self._waiting.concern(listener):
            self._accept(fd)
            return
        try:
            fd, _ = accept()
        except OSError as error:
            self._cannot_accept(error, listener)
            return
        self._waiting.accepted(listener, fd, self._introduced)

    def _introduced(self, listener: "Listener", known: socket, address: "Any") -> None:
        source = None
        if self._sources and (source := self._admit(known)) is None:
            return
        accepted = listener, known.detach(), address, source
        if self._stopping:
            self._held.append(accepted)
        else:
            self._start(accepted)

    def _admit(self, sock: socket) -> "Source | None":
        """Return where a connection comes from, or close it."""
        source = self._sources.admit_or_close(sock) if self._sources else None
        if source is None:
            self._life.refuse()
        return source

    def _cannot_accept(self, error: OSError, listener: "Listener") -> None:
        try:
            sort_out(error, listener)
        except ScarceError as scarce:
            self._pause(str(scarce))
        except BrokenListenerError as broken:
            line(str(broken))
            self.status = 1
            self._stopping = True

    def _cannot_start(self, error: OSError | MemoryError, accepted: "Accepted") -> None:
        listener, fd, _, source = accepted
        why = getattr(error, "strerror", "no memory")
        if getattr(error, "errno", errno.ENOMEM) in (errno.EAGAIN, errno.ENOMEM):
            self._held.append(accepted)
            self._pause(
                f"no process can be started for {listener} for now: {why}; "
                "a higher TasksMax=, LimitNPROC= or MemoryMax= would help"
            )
            return
        self._failures.line(f"cannot start {self.starter.describe(listener)}: {why}")
        close(fd)
        self._release(source)

    def _release(self, source: "Source | None") -> None:
        if self._sources and source:
            self._sources.release(source)

    def _pause(self, reason: str) -> None:
        self._pause_until = monotonic() + PAUSE
        self._hurry()
        self._scarcity.line(reason)

    def _poll_listeners(self, wanted: bool) -> None:  # noqa: FBT001 - the state to be in
        for fd in self._ways if wanted != self._polled else ():
            if wanted:
                self._poll.register(fd, select.POLLIN)
            else:
                self._poll.unregister(fd)
        self._polled = wanted

    def _wait(self, seconds: float) -> None:
        """Wait for signals only, and reap."""
        for fd, _ in self._poll.poll(None if seconds == NEVER else max(seconds, 0) * 1000 + 1):
            if fd == self.wakeup[0]:
                self._reap()
            elif self._waiting is not None:
                self._waiting.ready(fd)

    def _reap(self) -> None:
        os.read(self.wakeup[0], 256)  # more would be a page or two more, each time
        if self._children.reap() and (self._life.quiet or self._counts_use):
            self._life.note()
        if self.groups:
            self._hurry()
