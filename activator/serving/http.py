"""What web servers have in common here: how HTTP connections end when the service drains.

A client that keeps its connection open may send the next request at any time, also while the
server closes it, and has then lost the request. So nothing is closed at once: from the signal
on each answer says ``Connection: close``, which a client that is at work gets with its next
answer. Those that have nothing to ask within :data:`LINGER` are closed then; nginx does it
alike (keepalive_min_timeout).
"""

import asyncio

from activator.errors import ActivatorError
from activator.serving.draining import draining
from activator.serving.handlers import takes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# How long a connection without a request stays open when the service drains, in seconds.
LINGER = 0.3
# How long it may be so otherwise, as uvicorn has it, in seconds.
KEEP_ALIVE = 5.0
MAPPED = "::ffff:"


def missing(error: ImportError, extra: str, package: str, place: str) -> ActivatorError:
    """Say that a server is not installed."""
    return ActivatorError(
        f"cannot load the server: {error}",
        f"pip install 'activator[{extra}]', or apt install {package}",
        place=place,
    )


def plain(host: str) -> str:
    """Return a client's address as it wrote it itself: IPv4 also at a listener for both."""
    return host.removeprefix(MAPPED) if "." in host else host


class Ending:
    """Ends idle connections when the service drains, for as long as the body of its context.

    Args:
        begin: Called at the beginning of the drain.
        close: Called when connections without a request are to be closed.
    """

    def __init__(self, begin: "Callable[[], object]", close: "Callable[[], object]") -> None:
        self._begin = begin
        self._close = close
        self._task: asyncio.Task[None] | None = None

    async def _run(self) -> None:
        await draining
        self._begin()
        await asyncio.sleep(LINGER)
        self._close()

    def start(self) -> None:
        """Wait for the drain."""
        self._task = asyncio.create_task(self._run())

    def stop(self) -> None:
        """Wait no more."""
        if self._task:
            self._task.cancel()


def made(app: "Any", count: int) -> "Any":
    """Return the application, also if it is given as a function that makes it.

    Args:
        app: What was named.
        count: How many arguments an application is called with.
    """
    return app() if takes(app, 0) and not takes(app, count) else app
