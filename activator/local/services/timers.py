"""A time limit that is set, extended and cleared again."""

import asyncio
import math
from collections.abc import Callable


class Deadline:
    """Call a function once a time is over, unless it is cleared before.

    Args:
        on_late: What is called.
    """

    def __init__(self, on_late: Callable[[], None]) -> None:
        self._on_late = on_late
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        """Begin to count anew; math.inf for no limit."""
        self.clear()
        if not math.isinf(seconds):
            self._handle = self._loop.call_later(seconds, self._over)

    def extend(self, seconds: float) -> None:
        """Let the time last at least so many seconds from now; no limit stays none."""
        if self._handle is not None and self._handle.when() < self._loop.time() + seconds:
            self.set(seconds)

    def clear(self) -> None:
        """Stop counting."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _over(self) -> None:
        """Tell that the time is over."""
        self._handle = None
        self._on_late()
