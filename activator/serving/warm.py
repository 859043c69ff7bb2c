"""The warm per-connection service: each connection has a process, but no start-up.

A single thread without an event loop accepts, starts a process for each connection, and reaps
them; SIGCHLD and the signals to stop end its wait. The processes share nothing with it but the
memory of the handler's module, which was loaded once, and copies of it when they write.

    serving    listeners polled while fewer processes run than may
    draining   after the first signal: listeners left alone, processes may end
    over       none runs any more, or they were told to end, and killed
"""

import errno
import os
import select
import signal
import sys
from operator import is_
from os import close
from socket import SOCK_STREAM, socket
from time import monotonic

from activator import notify
from activator.serving.accept import PAUSE, BrokenListenerError, ScarceError, sort_out
from activator.serving.children import GRACE, NEVER, Children
from activator.serving.life import Life
from activator.serving.report import Rarely, line
from activator.serving.sources import Sources
from activator.serving.starters import Handlers, TimeIsUpError
from activator.serving.stop import StopSignals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from activator.listen import Listener
    from activator.serving.cgroups import Groups
    from activator.serving.engine import Ending, Settings
    from activator.serving.handlers import Route
    from activator.serving.programs import Programs
    from activator.serving.sources import Source

# How many processes may run if no limit was set; the generator's MaxConnections= is the same.
PROCESSES = 256


def run(routes: "Sequence[Route]", settings: "Settings") -> "Ending":
    """Serve each connection to the listeners in a process that calls its handler.

    Until a signal; the listeners stay open. The status is 1 if one could accept no more.
    """
    threading = sys.modules.get("threading")
    if threading and threading.active_count() > 1:
        line(
            "the handler's module has started threads, which its processes will lack; "
            "start them in the handler"
        )
    return _run(
        [route.listener for route in routes],
        settings,
        lambda service: Handlers(
            routes, settings, (*service.wakeup, *notify.descriptors()), service.groups
        ),
    )


def run_program(
    argv: "Sequence[str]", listeners: "Sequence[Listener]", settings: "Settings"
) -> "Ending":
    """Serve each connection to the listeners with a program, as :func:`run` does otherwise."""
    from activator.serving.programs import Programs  # noqa: PLC0415 - only for this mode

    return _run(listeners, settings, lambda service: Programs(argv, settings, service.groups))


def _run(
    listeners: "Sequence[Listener]",
    settings: "Settings",
    starter: "Callable[[_Service], Handlers | Programs]",
) -> "Ending":
    service = _Service(listeners, settings)
    children = signal.getsignal(signal.SIGCHLD)
    earlier = signal.set_wakeup_fd(service.wakeup[1], warn_on_full_buffer=False)
    try:
        service.starter = starter(service)
        # The call itself does nothing, but with a handler the signal ends a wait. A builtin
        # of two arguments writes to fewer pages than a function.
        signal.signal(signal.SIGCHLD, is_)
        with StopSignals(service.stop, service.stop_now):
            service.serve()
            service.drain()
    finally:
        signal.set_wakeup_fd(earlier)
        signal.signal(signal.SIGCHLD, children)
        service.close()
    return service.status, True


class _Service:
    starter: "Handlers | Programs"

    def __init__(self, listeners: "Sequence[Listener]", settings: "Settings") -> None:
        self.status = 0
        self._ways: dict[int, tuple[Listener, Callable[[], Any], object]] = {
            listener.fd: (
                listener,
                listener.socket()._accept,  # type: ignore[attr-defined]  # noqa: SLF001
                _Described(self, listener),
            )
            for listener in listeners
        }
        self._drain = settings.drain
        self._time_limit = settings.time_limit
        self._counts_use = settings.idle_exit > 0
        self._limit = settings.max_connections or PROCESSES
        self.wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._sources = Sources(settings.max_per_source) if settings.max_per_source else None
        self.groups: Groups | None = None
        if settings.cgroup:
            from activator.serving import cgroups  # noqa: PLC0415 - rarely needed

            self.groups = cgroups.Groups(settings.cgroup)
        self._children = Children(settings.time_limit, self._release, self.groups)
        self._life = Life(settings, self._children.__len__, self._hurry)
        self._poll = select.poll()
        self._poll.register(self.wakeup[0], select.POLLIN)
        self._polled = False
        # A connection that was accepted when no process could be started.
        self._held: tuple[Listener, int, Any, Source | None] | None = None
        self._stopping = False
        self._now = False
        self._next = 0.0  # when something is to be done that goes by the clock
        self._pause_until = 0.0
        self._scarcity = Rarely()
        self._failures = Rarely(1.0)

    # What signals call.

    def stop(self) -> None:
        self._stopping = True
        self.starter.told = os.getpid()
        if self.starter.is_child:
            raise TimeIsUpError

    def stop_now(self) -> None:
        self._now = True

    # The states.

    def serve(self) -> None:
        for listener, *_ in self._ways.values():
            # The flag is shared with the service manager's copy, which wants it so too.
            listener.socket().setblocking(False)
        self._life.ready()
        running, told = self._children.running, self._children.told
        woken, poll = self.wakeup[0], self._poll.poll
        while not self._stopping:
            now = monotonic()
            if now >= self._next and not self._tick(now):
                break
            wanted = (
                len(running) + len(told) < self._limit and not self._held and not self._pause_until
            )
            if wanted != self._polled:
                self._poll_listeners(wanted)
            for fd, _ in poll(None if self._next == NEVER else (self._next - now) * 1000 + 1):
                if fd == woken:
                    self._reap()
                else:
                    self._accept(fd)
        self._poll_listeners(False)

    def drain(self) -> None:
        if self._held:
            close(self._held[1])
        self._life.drain()
        deadline = monotonic() + self._drain
        while self._children and not self._now and (left := deadline - monotonic()) > 0:
            due = self._children.tick(monotonic()) - monotonic()
            self._wait(min(left, self._life.tick(), due))
        self._children.terminate(monotonic())
        deadline = monotonic() + 2 * GRACE
        while self._children and (left := deadline - monotonic()) > 0:
            due = self._children.tick(monotonic()) - monotonic()
            self._wait(min(left, due))
        while self.groups and not self.groups.sweep() and monotonic() < deadline:
            self._wait(PAUSE)
        self._life.stop()

    def close(self) -> None:
        self._children.kill()
        for end in self.wakeup:
            close(end)

    # Their steps.

    def _tick(self, now: float) -> bool:
        """Do what is due by the clock; return whether to go on."""
        self._next = min(now + self._life.tick(), self._children.tick(now))
        if self.groups and not self.groups.sweep():
            self._next = min(self._next, now + PAUSE)
        if self._life.is_idle():
            if not self._anything_waits():
                return False
            self._hurry()
        if self._pause_until > now:
            self._next = min(self._next, self._pause_until)
        elif self._pause_until:
            self._pause_until = 0.0
            self._start_held()
        return True

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
            source = self._admit(listener, fd)
            if source is None:
                return
        try:
            pid = self.starter.start(listener, fd, address)
        except OSError as error:
            self._cannot_start(error, source, listener, fd, address)
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
        if self._held:
            listener, fd, address, source = self._held
            self._held = None
            try:
                pid = self.starter.start(listener, fd, address)
            except OSError as error:
                self._cannot_start(error, source, listener, fd, address)
                return
            close(fd)
            until = monotonic() + (self._time_limit or NEVER)
            self._next = min(self._next, until)
            self._children.running[pid] = self._ways[listener.fd][2], source, until
            self._life.accepted += 1

    def _admit(self, listener: "Listener", fd: int) -> "Source | None":
        sock = socket(listener.family or -1, SOCK_STREAM, 0, fd)
        source = self._sources.admit(sock) if self._sources else None
        sock.detach()
        if source is None:
            self._life.refused += 1
            close(fd)
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

    def _cannot_start(
        self,
        error: OSError,
        source: "Source | None",
        listener: "Listener",
        fd: int,
        address: "Any",
    ) -> None:
        if error.errno in (errno.EAGAIN, errno.ENOMEM):
            self._held = listener, fd, address, source
            self._pause(
                f"no process can be started for {listener} for now: {error.strerror}; "
                "a higher TasksMax=, LimitNPROC= or MemoryMax= would help"
            )
            return
        self._failures.line(f"cannot start {self.starter.describe(listener)}: {error.strerror}")
        close(fd)
        if source:
            self._release(source)

    def _release(self, source: "Source") -> None:
        if self._sources:
            self._sources.release(source)

    def _pause(self, reason: str) -> None:
        self._pause_until = monotonic() + PAUSE
        self._hurry()
        self._scarcity.line(reason)

    def _anything_waits(self) -> bool:
        waiting = select.poll()
        for fd in self._ways:
            waiting.register(fd, select.POLLIN)
        if waiting.poll(0):
            self._life.note()
            return True
        return False

    def _poll_listeners(self, wanted: bool) -> None:  # noqa: FBT001 - the state to be in
        if wanted == self._polled:
            return
        self._polled = wanted
        for fd in self._ways:
            if wanted:
                self._poll.register(fd, select.POLLIN)
            else:
                self._poll.unregister(fd)

    def _wait(self, seconds: float) -> None:
        """Wait for signals only, and reap."""
        timeout = None if seconds == NEVER else max(seconds, 0) * 1000 + 1
        if self._poll.poll(timeout):
            self._reap()

    def _reap(self) -> None:
        os.read(self.wakeup[0], 256)  # more would be a page or two more, each time
        if self._children.reap() and (self._life.quiet or self._counts_use):
            self._life.note()
        if self.groups:
            self._hurry()


class _Described:
    """What a process runs, put into words only when it is told."""

    __slots__ = ("_listener", "_service")

    def __init__(self, service: _Service, listener: "Listener") -> None:
        self._service = service
        self._listener = listener

    def __str__(self) -> str:
        return self._service.starter.describe(self._listener)
