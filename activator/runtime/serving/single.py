"""The per-connection service of a plain handler: one call, in the main thread."""

import _signal as signal  # type: ignore[import-not-found] # as in stop.py

from activator import notify
from activator.runtime.serving.draining import draining
from activator.runtime.serving.nudge import Nudge
from activator.runtime.serving.plain import TimeIsUpError, converse
from activator.runtime.serving.stop import StopSignals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket

    from activator.runtime.serving.route import Route
    from activator.runtime.serving.settings import Ending, Settings

# A handler that swallows the end of its time is told again, in seconds.
AGAIN = 1.0


class _Limit:
    """The time that the handler has left after a signal, kept with SIGALRM."""

    def __init__(self, drain: float) -> None:
        self._drain = drain
        self._running = False
        self._over = False

    def start(self) -> None:
        """Begin to count, at the first signal."""
        if not self._over:
            self._earlier = signal.signal(signal.SIGALRM, self._up)
            self._running = True
            self._arm()
        draining.set()
        notify.stopping()

    def pass_now(self) -> None:
        """Leave no more time, at the second SIGINT, which may come while the first starts."""
        self._drain = 0.0
        if self._running:
            self._arm()

    def end(self) -> None:
        """Stop counting, and give SIGALRM back."""
        self._over = True
        if self._running:
            self._running = False
            signal.setitimer(signal.ITIMER_REAL, 0)
            if self._earlier is not None:
                signal.signal(signal.SIGALRM, self._earlier)

    def _arm(self) -> None:
        seconds = -1.0
        while seconds != self._drain:
            seconds = self._drain
            signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6), AGAIN)  # 0 would be off

    def _up(self, *_: object) -> None:
        if self._running:
            raise TimeIsUpError


def run(route: "Route", settings: "Settings") -> "Ending":
    """Handle the one connection; the exit status is the handler's.

    Signals leave the handler ``settings.drain`` seconds; then an exception that it should not
    catch ends it, and the status is 0. SIGALRM is used for that, after the signal only.
    """
    limit = _Limit(settings.drain)
    draining.clear()
    try:
        with StopSignals(limit.start, limit.pass_now) as signals, Nudge(signals):
            try:
                notify.ready()
                sock: socket | None = route.listener.socket()
                if sock and route.is_proxied:
                    sock = _introduced(sock, settings)
                return converse(route, sock) if sock else 0, True
            finally:
                limit.end()
    except TimeIsUpError:
        return 0, False


def _introduced(sock: "socket", settings: "Settings") -> "socket | None":
    """Return the connection when its proxy has told whose it is; None if it is closed."""
    from activator.runtime.serving.before import proxied  # noqa: PLC0415 - rarely needed

    known = proxied.converted(sock)
    if not proxied.Introductions(settings.trusted, int).wait(known):
        return None
    proxied.announce(known)
    return known  # type: ignore[no-any-return]  # its class is made at run time
