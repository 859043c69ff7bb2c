"""The warm per-connection service: each connection has a process, but no start-up.

A single thread without an event loop accepts, starts a process for each connection, and reaps
them; SIGCHLD and the signals to stop end its wait. The processes share nothing with it but the
memory of the handler's module, which was loaded once, and copies of it when they write.

    serving    listeners polled while fewer processes run than may
    draining   after the first signal: listeners left alone, processes may end
    over       none runs any more, or they were told to end, and killed
"""

import errno
import select
import signal
import sys
from contextlib import suppress
from socket import socketpair
from time import monotonic

from activator.serving.accept import PAUSE, BrokenListenerError, ScarceError, accept
from activator.serving.children import GRACE, NEVER, Children
from activator.serving.life import Life
from activator.serving.report import Rarely, line
from activator.serving.sources import Sources
from activator.serving.starters import Handlers, Programs, TimeIsUpError
from activator.serving.stop import StopSignals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from socket import socket

    from activator.listen import Listener
    from activator.serving.engine import Ending, Settings
    from activator.serving.handlers import Route

# How many processes may run if no limit was set; the generator's MaxConnections= is the same.
PROCESSES = 256
# How many connections to accept from one listener before others have their turn.
BATCH = 16


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
        lambda service: Handlers(routes, settings, service.is_stopping, service.wakeup),
    )


def run_program(
    argv: "Sequence[str]", listeners: "Sequence[Listener]", settings: "Settings"
) -> "Ending":
    """Serve each connection to the listeners with a program, as :func:`run` does otherwise."""
    return _run(listeners, settings, lambda _: Programs(argv, settings))


def _run(
    listeners: "Sequence[Listener]",
    settings: "Settings",
    starter: "Callable[[_Service], Handlers | Programs]",
) -> "Ending":
    service = _Service(listeners, settings)
    children = signal.getsignal(signal.SIGCHLD)
    earlier = signal.set_wakeup_fd(service.wakeup[1].fileno(), warn_on_full_buffer=False)
    try:
        service.starter = starter(service)
        # The call itself does nothing, but with a handler the signal ends a wait.
        signal.signal(signal.SIGCHLD, lambda *_: None)
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
        self._listeners = {listener.fd: listener for listener in listeners}
        self._described = {listener: _Described(self, listener) for listener in listeners}
        self._drain = settings.drain
        self._limit = settings.max_connections or PROCESSES
        self.wakeup = socketpair()
        for end in self.wakeup:
            end.setblocking(False)
        self._children = Children(settings.time_limit)
        self._sources = Sources(settings.max_per_source) if settings.max_per_source else None
        self._life = Life(settings, self._children.__len__, lambda: None)
        self._poll = select.poll()
        self._poll.register(self.wakeup[0], select.POLLIN)
        self._polled = False
        # A connection that was accepted when no process could be started.
        self._held: tuple[Listener, socket] | None = None
        self._stopping = False
        self._now = False
        self._pause_until = 0.0
        self._scarcity = Rarely()
        self._failures = Rarely(1.0)

    # What signals call.

    def stop(self) -> None:
        self._stopping = True
        if self.starter.is_child:
            raise TimeIsUpError

    def stop_now(self) -> None:
        self._now = True

    def is_stopping(self) -> bool:
        return self._stopping

    # The states.

    def serve(self) -> None:
        for listener in self._listeners.values():
            # The flag is shared with the service manager's copy, which wants it so too.
            listener.socket().setblocking(False)
        self._life.ready()
        while not self._stopping:
            now = monotonic()
            left = min(self._life.tick(), self._children.tick(now))
            if self._life.is_idle() and not self._anything_waits():
                break
            pause = self._pause_until - now
            if pause > 0:
                left = min(left, pause)
            elif self._held:
                listener, sock = self._held
                self._held = None
                self._start(listener, sock)
            self._poll_listeners(
                pause <= 0 and not self._held and len(self._children) < self._limit
            )
            for fd in self._wait(left):
                self._accept(self._listeners[fd])
        self._poll_listeners(False)

    def drain(self) -> None:
        if self._held:
            self._held[1].close()
        self._life.drain()
        deadline = monotonic() + self._drain
        while self._children and not self._now and (left := deadline - monotonic()) > 0:
            left = min(left, self._life.tick(), self._children.tick(monotonic()))
            self._wait(left)
        self._children.terminate(monotonic())
        deadline = monotonic() + 2 * GRACE
        while self._children and (left := deadline - monotonic()) > 0:
            self._wait(min(left, self._children.tick(monotonic())))
        self._life.stop()

    def close(self) -> None:
        self._children.kill()
        for end in self.wakeup:
            end.close()

    # Their steps.

    def _accept(self, listener: "Listener") -> None:
        for _ in range(BATCH):
            if self._stopping or self._held or len(self._children) >= self._limit:
                return
            try:
                sock = accept(listener.socket(), listener)
            except ScarceError as error:
                self._pause(str(error))
                return
            except BrokenListenerError as error:
                line(str(error))
                self.status = 1
                self._stopping = True
                return
            if sock is None:
                return
            self._start(listener, sock)

    def _start(self, listener: "Listener", sock: "socket") -> None:
        source = None
        if self._sources:
            source = self._sources.admit(sock)
            if source is None:
                self._life.refused += 1
                self._life.note()
                sock.close()
                return
        try:
            pid = self.starter.start(listener, sock)
        except OSError as error:
            if self._sources and source:
                self._sources.release(source)
            if error.errno in (errno.EAGAIN, errno.ENOMEM):
                self._held = listener, sock
                self._pause(
                    f"no process can be started for {listener} for now: {error.strerror}; "
                    "a higher TasksMax=, LimitNPROC= or MemoryMax= would help"
                )
                return
            self._failures.line(f"cannot start {self.starter.describe(listener)}: {error.strerror}")
            sock.close()
            return
        sock.close()
        self._children.add(pid, self._described[listener], source, monotonic())
        self._life.accepted += 1
        self._life.note()

    def _pause(self, reason: str) -> None:
        self._pause_until = monotonic() + PAUSE
        self._scarcity.line(reason)

    def _anything_waits(self) -> bool:
        waiting = select.poll()
        for fd in self._listeners:
            waiting.register(fd, select.POLLIN)
        if waiting.poll(0):
            self._life.note()
            return True
        return False

    def _poll_listeners(self, wanted: bool) -> None:  # noqa: FBT001 - the state to be in
        if wanted == self._polled:
            return
        self._polled = wanted
        for fd in self._listeners:
            if wanted:
                self._poll.register(fd, select.POLLIN)
            else:
                self._poll.unregister(fd)

    def _wait(self, seconds: float) -> list[int]:
        """Wait for connections and signals, and reap; return the listeners that are ready."""
        timeout = None if seconds == NEVER else max(seconds, 0) * 1000 + 1
        ready = [fd for fd, _ in self._poll.poll(timeout)]
        woken = self.wakeup[0].fileno()
        if woken in ready:
            ready.remove(woken)
            with suppress(BlockingIOError):
                self.wakeup[0].recv(65536)
            for child in self._children.reap():
                if self._sources and child.source:
                    self._sources.release(child.source)
                self._life.note()
        return ready


class _Described:
    """What a process runs, put into words only when it is told."""

    __slots__ = ("_listener", "_service")

    def __init__(self, service: _Service, listener: "Listener") -> None:
        self._service = service
        self._listener = listener

    def __str__(self) -> str:
        return self._service.starter.describe(self._listener)
