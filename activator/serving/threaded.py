"""The shared service of plain handlers: one thread polls and accepts, others handle.

Back-pressure needs no code of its own: while every thread is busy, the listeners are not
polled, and connections wait in the kernel's queue.

    serving    listeners polled while the pool has room
    draining   after the first signal: listeners left alone, running handlers may end
    over       none runs any more, or their time has passed and they were shut down
"""

import select
import signal
from collections import deque
from contextlib import suppress
from socket import socket, socketpair
from time import monotonic

from activator.journal import ERROR
from activator.serving.accept import (
    PAUSE,
    BrokenListenerError,
    ScarceError,
    accept,
    anything_waits,
)
from activator.serving.handlers import CALLED
from activator.serving.life import NEVER, Life
from activator.serving.pool import Pool
from activator.serving.report import Rarely, line
from activator.serving.restored import forget_restored
from activator.serving.sources import Sources
from activator.serving.stop import StopSignals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from activator.serving.engine import Ending, Settings
    from activator.serving.files import File
    from activator.serving.handlers import Route
    from activator.serving.inbox import Inbox

# How long handlers may take to notice that their connection was shut down, in seconds.
GRACE = 1.0


def run(routes: "Sequence[Route]", settings: "Settings") -> "Ending":
    """Serve listening sockets until a signal; they stay open.

    The status is 1 if a listener could accept no more.
    """
    service = _Service(routes, settings)
    earlier = signal.set_wakeup_fd(service.wake_fd, warn_on_full_buffer=False)
    try:
        with StopSignals(service.stop, service.stop_now):
            service.serve()
            service.drain()
    finally:
        signal.set_wakeup_fd(earlier)
        service.close()
    return service.status, service.in_time


class _Service:
    def __init__(self, routes: "Sequence[Route]", settings: "Settings") -> None:
        self.status = 0
        self.in_time = True
        self._restored = forget_restored(routes)
        self._routes = {route.listener.fd: route for route in routes if route not in self._restored}
        self._settings = settings
        # Signals and ended handlers write to it, which ends a wait.
        self._wake_out, self._wake_in = socketpair()
        self._wake_out.setblocking(False)
        self._wake_in.setblocking(False)
        self.wake_fd = self._wake_in.fileno()
        threads = settings.threads
        self._pool = Pool(min(threads, settings.max_connections or threads), self._wake_up)
        self._life = Life(settings, lambda: self._pool.busy, lambda: None)
        self._sources = Sources(settings.max_per_source) if settings.max_per_source else None
        self._inboxes: dict[int, Inbox | File] = {}
        self._answered: deque[tuple[int, Inbox | File]] = deque()
        self._poll = select.poll()
        self._poll.register(self._wake_out, select.POLLIN)
        self._idle_fds = set(self._routes)  # whose messages no thread answers
        self._polled: set[int] = set()
        self._stopping = False
        self._now = False
        self._pause_until = 0.0
        self._scarcity = Rarely()

    # What signals and other threads call.

    def stop(self) -> None:
        self._stopping = True

    def stop_now(self) -> None:
        self._now = True

    def _wake_up(self) -> None:
        # It may be full, so awake already, or closed, after a straggler's time.
        with suppress(OSError):
            self._wake_in.send(b"\0")

    # The states.

    def serve(self) -> None:
        for fd, route in self._routes.items():
            if route.sort in CALLED:
                from activator.serving.inbox import inbox  # noqa: PLC0415 - rarely needed

                self._inboxes[fd] = inbox(route, self._settings.message_max)
            else:
                # The flag is shared with the service manager's copy, which wants it so too.
                route.listener.socket().setblocking(False)
        for route in self._restored:
            self._adopt(route, route.listener.socket())
        self._poll_listeners(True)
        self._life.ready()
        while not self._stopping:
            self._life.used(max([self._pool.ended, *(box.used for box in self._inboxes.values())]))
            left = self._life.tick()
            if self._life.is_idle():
                if not anything_waits(self._routes.values()):
                    break
                self._life.note()
                left = self._life.tick()
            pause = self._pause_until - monotonic() if self._pause_until else 0.0
            self._poll_listeners(pause <= 0 and not self._pool.full)
            for fd in self._wait(min(left, pause) if pause > 0 else left):
                self._serve(fd)
        self._poll_listeners(False)

    def drain(self) -> None:
        self._life.drain()
        self._pool.watch()
        deadline = monotonic() + self._settings.drain
        while self._pool.unfinished and not self._now and (left := deadline - monotonic()) > 0:
            self._wait(min(left, self._life.tick()))
        if self._pool.unfinished:
            self.in_time = False
            self._pool.abandon()
            deadline = monotonic() + GRACE
            while self._pool.unfinished and (left := deadline - monotonic()) > 0:
                self._wait(left)
        self._life.stop()

    def close(self) -> None:
        self._pool.unwatch()
        self._pool.close()
        self._wake_out.close()
        self._wake_in.close()

    # Their steps.

    def _serve(self, fd: int) -> None:
        if self._stopping or self._pool.full:
            return
        if fd in self._inboxes:
            self._idle_fds.discard(fd)
            self._inboxes[fd].submit(self._pool, lambda box: self._mark_answered(fd, box))
        else:
            self._accept(self._routes[fd])

    def _accept(self, route: "Route") -> None:
        try:
            accepted = accept(route.listener.socket(), route.listener, self._kind(route))
        except ScarceError as error:
            self._pause(str(error))
        except BrokenListenerError as error:
            self._break(str(error))
        else:
            self._pause_until = 0.0
            if accepted:
                self._adopt(route, accepted[0])

    def _kind(self, route: "Route") -> "type[socket]":
        meter = self._settings.meter
        return meter.tallies.kind(route.listener, socket) if meter else socket

    def _adopt(self, route: "Route", sock: "socket") -> None:
        self._life.note()
        sources = self._sources
        if sources is None:
            self._count(route)
            self._pool.submit(route, sock)
        elif source := sources.admit(sock):
            self._count(route)
            self._pool.submit(route, sock, lambda: sources.release(source))
        else:
            self._life.refused += 1
            sock.close()

    def _count(self, route: "Route") -> None:
        self._life.accepted += 1
        route.listener.accepted += 1

    def _mark_answered(self, fd: int, box: "Inbox | File") -> None:
        self._answered.append((fd, box))
        self._wake_up()

    def _take_answered(self) -> None:
        while self._answered:
            fd, box = self._answered.popleft()
            self._life.messages += box.count
            self._life.note()
            if box.over:
                del self._routes[fd]
                self._stopping = self._stopping or not self._routes
                continue
            self._idle_fds.add(fd)
            if box.scarce:
                self._pause(box.scarce)
            elif box.broken:
                self._break(box.broken)

    def _pause(self, reason: str) -> None:
        self._pause_until = monotonic() + PAUSE
        self._scarcity.line(reason)

    def _break(self, reason: str) -> None:
        line(reason, ERROR)
        self.status = 1
        self._stopping = True

    def _poll_listeners(self, wanted: bool) -> None:  # noqa: FBT001 - the state to be in
        fds = self._idle_fds if wanted else set()
        if fds == self._polled:
            return
        for fd in fds - self._polled:
            self._poll.register(fd, select.POLLIN)
        for fd in self._polled - fds:
            self._poll.unregister(fd)
        self._polled = set(fds)

    def _wait(self, seconds: float) -> list[int]:
        """Wait for listeners with connections; signals and ended handlers cut it short."""
        timeout = None if seconds == NEVER else max(seconds, 0) * 1000 + 1
        ready = [fd for fd, _ in self._poll.poll(timeout)]
        if self._wake_out.fileno() in ready:
            ready.remove(self._wake_out.fileno())
            self._wake_out.recv(65536)
            self._take_answered()
        return ready
