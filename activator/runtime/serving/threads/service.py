"""The shared service of plain handlers: one thread polls and accepts, others handle.

Back-pressure needs no code of its own: while every thread is busy, the listeners are not
polled, and connections wait in the kernel's queue.

    serving    listeners polled while the pool has room
    leaving    after the first signal, where that is wanted: as before
    draining   after that: listeners left alone, running handlers may end
    over       none runs any more, or their time has passed and they were shut down
"""

import select
import signal
from collections import deque
from contextlib import suppress
from socket import socket, socketpair
from time import monotonic

from activator.runtime.journal import ERROR
from activator.runtime.serving.accept import (
    PAUSE,
    BrokenListenerError,
    ScarceError,
    accept,
    anything_waits,
    no_memory,
)
from activator.runtime.serving.handlers import CALLED
from activator.runtime.serving.life import NEVER, Life
from activator.runtime.serving.plain import converse
from activator.runtime.serving.report import Rarely, line
from activator.runtime.serving.restored import forget_restored, keep_again
from activator.runtime.serving.sources import Sources
from activator.runtime.serving.stop import StopSignals
from activator.runtime.serving.threads.pool import Pool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from activator.runtime.serving.before.proxied import Introductions
    from activator.runtime.serving.route import Route
    from activator.runtime.serving.settings import Ending, Settings
    from activator.runtime.serving.threads.files import File
    from activator.runtime.serving.threads.messages import Messages

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
        self._introductions: Introductions | None = None
        if settings.trusted:
            from activator.runtime.serving.before import proxied  # noqa: PLC0415 - rarely needed

            self._introductions = proxied.Introductions(settings.trusted, self._life.refuse)
        self._messages: dict[int, Messages | File] = {}
        self._answered: deque[tuple[int, Messages | File]] = deque()
        self._poll = select.poll()
        self._poll.register(self._wake_out, select.POLLIN)
        self._idle_fds = set(self._routes)  # whose messages no thread answers
        self._polled: set[int] = set()
        self._told = False  # by a signal, to stop
        self._stopping = False
        self._now = False
        self._pause_until = 0.0
        self._scarcity = Rarely()

    # What signals and other threads call.

    def stop(self) -> None:
        self._told = self._stopping = True

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
                from activator.runtime.serving.threads.messages import messages_of  # noqa: PLC0415 - rarely needed

                self._messages[fd] = messages_of(route, self._settings.message_max)
            else:
                # The flag is shared with the service manager's copy, which wants it so too.
                route.listener.socket().setblocking(False)
        self._restore()
        self._poll_listeners(True)
        self._life.ready()
        self._serve_until(NEVER)
        if self._told and (delay := self._life.leave()):
            self._stopping = False
            self._serve_until(monotonic() + delay)
        self._poll_listeners(False)

    def _serve_until(self, end: float) -> None:
        while not (self._stopping or self._now) and (last := end - monotonic()) > 0:
            used = (messages.used for messages in self._messages.values())
            self._life.used(max([self._pool.ended, *used]))
            left = self._life.tick()
            if self._life.is_idle():
                if not anything_waits(self._routes):
                    break
                self._life.note()
                left = self._life.tick()
            if self._restored and self._pause_until <= monotonic():
                self._restore()
            pause = self._pause_until - monotonic() if self._pause_until else 0.0
            self._poll_listeners(pause <= 0 and not self._pool.full)
            for fd in self._wait(min(left, last, pause) if pause > 0 else min(left, last)):
                try:
                    self._serve(fd)
                except MemoryError:
                    self._pause(no_memory(self._routes[fd].listener))

    def drain(self) -> None:
        keep_again(self._restored)
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
        if fd not in self._messages:
            self._accept(self._routes[fd])
            return
        try:
            self._messages[fd].submit(
                self._pool, lambda messages: self._mark_answered(fd, messages)
            )
        except ScarceError as error:
            self._pause(str(error))
        else:
            self._idle_fds.discard(fd)

    def _restore(self) -> None:
        """Go on with connections from the fd store, once there are threads."""
        while self._restored:
            try:
                self._pool.reserve()
            except ScarceError as error:
                self._pause(str(error))
                return
            route = self._restored.pop()
            self._adopt(route, route.listener.socket())

    def _accept(self, route: "Route") -> None:
        try:
            # Before a client is taken who might have to wait here, where nobody else finds him.
            self._pool.reserve()
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
        found = meter.tallies.kind(route.listener, socket) if meter else socket
        if route.is_proxied:
            from activator.runtime.serving.before.proxied import kind  # noqa: PLC0415 - rarely needed

            return kind(found)  # type: ignore[no-any-return]  # it is made for any class
        return found

    def _adopt(self, route: "Route", sock: "socket") -> None:
        sources = self._sources
        if route.is_proxied:
            self._count(route)
            self._pool.run(sock, lambda: self._converse_proxied(route, sock), str(route))
        elif sources is None:
            self._count(route)
            self._pool.submit(route, sock)
        elif source := sources.admit(sock):
            self._count(route)
            self._pool.submit(route, sock, lambda: sources.release(source))
        else:
            self._life.refuse()
            sock.close()
        self._life.note()

    def _converse_proxied(self, route: "Route", sock: "socket") -> None:
        """Do, in a thread, what can only be done when it is known whose the connection is."""
        if not (self._introductions and self._introductions.wait(sock)):
            return
        sources, source = self._sources, None
        if sources:
            source = sources.admit(sock)
            if source is None:
                self._life.refuse()
                sock.close()
                return
        try:
            converse(route, sock)
        finally:
            if sources and source:
                sources.release(source)

    def _count(self, route: "Route") -> None:
        self._life.accepted += 1
        route.listener.accepted += 1

    def _mark_answered(self, fd: int, messages: "Messages | File") -> None:
        self._answered.append((fd, messages))
        self._wake_up()

    def _take_answered(self) -> None:
        while self._answered:
            fd, messages = self._answered.popleft()
            self._life.messages += messages.count
            self._life.note()
            if messages.over:
                del self._routes[fd]
                self._stopping = self._stopping or not self._routes
                continue
            self._idle_fds.add(fd)
            if messages.scarce:
                self._pause(messages.scarce)
            elif messages.broken:
                self._break(messages.broken)

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
