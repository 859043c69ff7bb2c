"""The one error that users see: what is wrong, where, and what to do about it.

Import-light: the runtime raises it too.
"""

import sys


class ActivatorError(Exception):
    """Say what is wrong in one line, where it is, and what to do.

    Raised deep, shown once at the top (see :mod:`activator.cli`), which exits with
    :attr:`status`: 1 for findings or a failed run, 2 for wrong usage.

    Args:
        message: What is wrong, without a full stop.
        hint: What to do about it; may be empty.
        place: Where it is, as ``FILE:LINE``, ``FILE`` or ``--option``; may be empty.
    """

    status = 1

    def __init__(self, message: str, hint: str = "", *, place: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.place = place

    def at(self, place: str) -> "ActivatorError":
        """Give the error a place, unless it has one already, and return it."""
        self.place = self.place or place
        return self

    def __str__(self) -> str:
        text = f"{self.place}: {self.message}" if self.place else self.message
        return f"{text}; {self.hint}" if self.hint else text

    def lines(self) -> list[str]:
        """Return what to show, one line a problem."""
        return [str(self)]


class UsageError(ActivatorError):
    """The command was called in a wrong way."""

    status = 2


class Problems(ActivatorError):  # noqa: N818 - several errors in one
    """Several errors found in one go, shown one line each.

    Args:
        problems: At least one error, in the order to show them.
    """

    def __init__(self, problems: list[ActivatorError]) -> None:
        super().__init__(problems[0].message, problems[0].hint, place=problems[0].place)
        self.problems = problems

    def __reduce__(self) -> tuple[type["Problems"], tuple[list[ActivatorError]]]:
        return type(self), (self.problems,)

    def lines(self) -> list[str]:
        """Return every problem's line."""
        return [line for problem in self.problems for line in problem.lines()]


def combine(problems: list[ActivatorError]) -> ActivatorError:
    """Return one error that stands for at least one problem."""
    return problems[0] if len(problems) == 1 else Problems(problems)


def told(error: ActivatorError) -> int:
    """Show an error on stderr, if there is one, and return the exit status."""
    if sys.stderr:
        sys.stderr.write("".join(f"{line}\n" for line in error.lines()))
    return error.status
