"""Turn SIGTERM and SIGINT into a request to stop."""

# Not signal itself, which makes enumerations of all that it has, at half a millisecond.
import _signal as signal  # type: ignore[import-not-found]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable
    from types import FrameType
    from typing import Self

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Within its context, call ``stop`` at the first signal and ``now`` at a second SIGINT.

    A second SIGTERM changes nothing: wrappers like to send it both to the process and to its
    group. The earlier handlers are given back at the end.

    Args:
        stop: Called at the first SIGTERM or SIGINT.
        now: Called at each SIGINT from the second on, as from an impatient Ctrl-C.
        loop: An event loop that is to make the calls; else they interrupt the main thread.

    Attributes:
        stopped: Whether there has been a signal.
    """

    __slots__ = ("_earlier", "_interrupts", "_loop", "_now", "_stop", "stopped")

    def __init__(
        self,
        stop: "Callable[[], object]",
        now: "Callable[[], object]",
        loop: "AbstractEventLoop | None" = None,
    ) -> None:
        self._stop = stop
        self._now = now
        self._loop = loop
        self._interrupts = 0
        self.stopped = False
        self._earlier = [(number, signal.getsignal(number)) for number in SIGNALS]

    def __enter__(self) -> "Self":
        for number in SIGNALS:
            if self._loop:
                if type(self._loop).__module__.startswith("uvloop"):
                    # It forgets a signal that comes while an exception ends its run, where
                    # asyncio's finds it in the next; Python itself does not. So it only wakes up.
                    self._loop.add_signal_handler(number, _nothing)
                    signal.signal(number, self._schedule)
                else:
                    self._loop.add_signal_handler(number, self._arrived, number)
            else:
                signal.signal(number, self._arrived)
        return self

    def __exit__(self, *_: object) -> None:
        for number, earlier in self._earlier:
            if self._loop:
                self._loop.remove_signal_handler(number)
            if earlier is not None:  # None: set by C code, out of Python's reach
                signal.signal(number, earlier)

    def are_ours(self) -> bool:
        """Tell whether nobody has set another handler of SIGTERM since; without a loop."""
        return bool(signal.getsignal(signal.SIGTERM) == self._arrived)

    def _schedule(self, number: int, _frame: "FrameType | None") -> None:
        if self._loop:
            self._loop.call_soon_threadsafe(self._arrived, number)

    def _arrived(self, number: int, _frame: "FrameType | None" = None) -> None:
        self._interrupts += number == signal.SIGINT
        if self._interrupts > 1 and number == signal.SIGINT:
            self._now()
        elif not self.stopped:
            self.stopped = True
            self._stop()


def _nothing() -> None:
    pass
