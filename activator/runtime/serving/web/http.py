"""What web servers have in common here: how HTTP connections end when the service drains.

A client that keeps its connection open may send the next request at any time, also while the
server closes it, and has then lost the request. So nothing is closed at once: from the signal
on each answer says ``Connection: close``, which a client that is at work gets with its next
answer. Those that have nothing to ask within LINGER are closed then; nginx does it
alike (keepalive_min_timeout).
"""

import asyncio
from contextlib import suppress

from activator.errors import ActivatorError
from activator.runtime.serving.draining import LINGER, draining
from activator.runtime.serving.handlers import takes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# How long a connection without a request stays open otherwise, as uvicorn has it, in seconds.
KEEP_ALIVE = 5.0


def missing(error: ImportError, extra: str) -> ActivatorError:
    """Say that the server of an extra, which its option is named for, is not installed."""
    from activator.common.extras import installing  # noqa: PLC0415 - only a failure needs it

    return ActivatorError(f"cannot load the server: {error}", installing(extra), place=f"--{extra}")


class Ending:
    """Ends idle connections when the service drains, for as long as the body of its context.

    Args:
        begin: Called at the beginning of the drain.
        close: Called when connections without a request are to be closed.
    """

    def __init__(self, begin: "Callable[[], object]", close: "Callable[[], object]") -> None:
        self._begin = begin
        self._close = close
        self._timer: asyncio.TimerHandle | None = None

    def _drain(self) -> None:
        self._begin()
        self._timer = asyncio.get_running_loop().call_later(LINGER, self._close)

    def start(self) -> None:
        """Wait for the drain, whose first moment is the first at which answers say so."""
        draining.calls.append(self._drain)
        if draining.is_set():
            self._drain()

    def stop(self) -> None:
        """Wait no more."""
        with suppress(ValueError):
            draining.calls.remove(self._drain)
        if self._timer:
            self._timer.cancel()


def made(app: "Any", count: int) -> "Any":
    """Return the application, also if it is given as a function that makes it.

    Args:
        app: What was named.
        count: How many arguments an application is called with.
    """
    return app() if takes(app, 0) and not takes(app, count) else app
