"""The shared service of plain handlers: one thread polls and accepts, others handle.

Back-pressure needs no code of its own: while every thread is busy, the listeners are not
polled, and connections wait in the kernel's queue.

    serving    listeners polled while the pool has room
    draining   after the first signal: listeners left alone, running handlers may end
    over       none runs any more, or their time has passed and they were shut down
"""

import select
import signal
from contextlib import suppress
from socket import socketpair
from time import monotonic

from activator import notify
from activator.serving.accept import PAUSE, BrokenListenerError, ScarceError, accept
from activator.serving.pool import Pool
from activator.serving.report import Rarely, line
from activator.serving.stop import StopSignals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from activator.serving.engine import Ending, Settings
    from activator.serving.handlers import Route

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
        self._routes = {route.listener.fd: route for route in routes}
        self._settings = settings
        # Signals and ended handlers write to it, which ends a wait.
        self._wake_out, self._wake_in = socketpair()
        self._wake_out.setblocking(False)
        self._wake_in.setblocking(False)
        self.wake_fd = self._wake_in.fileno()
        self._pool = Pool(settings.threads, self._wake_up)
        self._poll = select.poll()
        self._poll.register(self._wake_out, select.POLLIN)
        self._polled = False
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
        for route in self._routes.values():
            # The flag is shared with the service manager's copy, which wants it so too.
            route.listener.socket().setblocking(False)
        self._poll_listeners(True)
        notify.ready()
        while not self._stopping:
            pause = self._pause_until - monotonic() if self._pause_until else 0.0
            self._poll_listeners(pause <= 0 and not self._pool.full)
            for fd in self._wait(pause if pause > 0 else None):
                self._accept(self._routes[fd])
        self._poll_listeners(False)

    def drain(self) -> None:
        notify.stopping()
        self._pool.watch()
        deadline = monotonic() + self._settings.drain
        while self._pool.busy and not self._now and (left := deadline - monotonic()) > 0:
            self._wait(left)
        if self._pool.busy:
            self.in_time = False
            self._pool.abandon()
            deadline = monotonic() + GRACE
            while self._pool.busy and (left := deadline - monotonic()) > 0:
                self._wait(left)

    def close(self) -> None:
        self._pool.unwatch()
        self._pool.close()
        self._wake_out.close()
        self._wake_in.close()

    # Their steps.

    def _accept(self, route: "Route") -> None:
        if self._stopping or self._pool.full:
            return
        try:
            sock = accept(route.listener.socket(), route.listener)
        except ScarceError as error:
            self._pause_until = monotonic() + PAUSE
            self._scarcity.line(str(error))
        except BrokenListenerError as error:
            line(str(error))
            self.status = 1
            self._stopping = True
        else:
            self._pause_until = 0.0
            if sock:
                self._pool.submit(route, sock)

    def _poll_listeners(self, wanted: bool) -> None:  # noqa: FBT001 - the state to be in
        if wanted == self._polled:
            return
        self._polled = wanted
        for fd in self._routes:
            if wanted:
                self._poll.register(fd, select.POLLIN)
            else:
                self._poll.unregister(fd)

    def _wait(self, seconds: float | None) -> list[int]:
        """Wait for listeners with connections; signals and ended handlers cut it short."""
        timeout = None if seconds is None else max(seconds, 0) * 1000 + 1
        ready = [fd for fd, _ in self._poll.poll(timeout)]
        if self._wake_out.fileno() in ready:
            ready.remove(self._wake_out.fileno())
            self._wake_out.recv(65536)
        return ready
