"""Signals that end an installation: it is taken back then, and that is brought to its end."""

import signal
from contextlib import suppress
from types import FrameType
from typing import Self

# Ctrl-C, a terminal or an ssh that goes, and whoever has lost patience.
_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """A signal came."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
        self.message = f"interrupted{by}"


class Interruption:
    """Has the first signal raise :class:`Interrupted` in the body, and ignores all others.

    Attributes:
        over: Whether nothing is raised any more; set this by assignment where an exception is
            caught, since no signal is looked at in between.
    """

    def __init__(self) -> None:
        self.over = False
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        # Elsewhere than in the main thread there is nothing to be caught.
        with suppress(ValueError):
            for number in _SIGNALS:
                # nohup(1) has it ignored.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._raise)
        return self

    def __exit__(self, *_: object) -> None:
        self.over = True
        for number, before in self._before.items():
            signal.signal(number, before)  # type: ignore[arg-type]

    def ignore(self) -> None:
        """Ignore signals from now on, in the programs that are run as well."""
        for number in self._before:
            signal.signal(number, signal.SIG_IGN)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        del frame
        if not self.over:
            self.over = True
            raise Interrupted(number)
