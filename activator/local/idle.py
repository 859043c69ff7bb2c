"""End a run that has had no process for some time: ``--exit-idle``."""

import asyncio
from collections.abc import Callable


class IdleExit:
    """Counts the time without any process.

    Args:
        limit: How long it may be, in seconds; 0 for ever.
        is_idle: Tells whether there is no process now.
        end: Called when the time has passed.
    """

    def __init__(self, limit: float, is_idle: Callable[[], bool], end: Callable[[], None]) -> None:
        self._limit = limit
        self._is_idle = is_idle
        self._end = end
        self._timer: asyncio.TimerHandle | None = None

    def look_soon(self) -> None:
        """Look when what happens now is over."""
        if self._limit:
            asyncio.get_running_loop().call_soon(self.look)

    def look(self) -> None:
        """Begin, go on or cease to count."""
        if not self._limit:
            return
        if not self._is_idle():
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._limit, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self._is_idle():
            self._end()
        else:
            self.look()
