"""A command's options as a table: what its command line may be, and what its help tells.

Import-light, as :mod:`activator.runtime.variables`.
"""

from activator.common.integers import decimal
from activator.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any


POSITIVE_MAX = 999_999


def seconds(text: str) -> float:
    """Read a number of seconds, 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not _is_time(value):
        raise UsageError(f"not a number of seconds: {text!r}", "write 0, 2.5 or 30")
    return value


def _is_time(value: float) -> bool:
    return 0 <= value < float("inf")


def positive(text: str) -> int:
    """Read a whole number, 1 or more."""
    number = decimal(text) or 0
    if not 0 < number <= POSITIVE_MAX:
        raise UsageError(f"not a number from 1 to {POSITIVE_MAX}: {text!r}")
    return number


# What a value must be that comes from Python, by what reads it from text.
CHECKS: "dict[Callable[[str], Any], Callable[[Any], bool]]" = {
    seconds: _is_time,
    positive: lambda value: value >= 1,
}


class Option:
    """One option of a command.

    Attributes:
        name: As on the command line, without the dashes.
        attribute: As a name in Python.
        metavar: What stands for its value in the help; empty for a flag, which has none.
        default: Its value when it is not given.
        read: Turns its text into its value, or raises UsageError.
        help: One line of help, without the default.
        choices: All that it can be, if that is a short list.
        repeats: Whether it may be given several times; its value is then a tuple.
        takes_rest: Whether all words after it are its own; its value is then a tuple of them.
    """

    __slots__ = (
        "attribute",
        "choices",
        "default",
        "help",
        "metavar",
        "name",
        "read",
        "repeats",
        "takes_rest",
    )

    def __init__(
        self,
        name: str,
        metavar: str,
        default: "Any",
        read: "Callable[[str], Any]" = str,
        *,
        text: str,
        choices: tuple[str, ...] = (),
        repeats: bool = False,
        takes_rest: bool = False,
    ) -> None:
        self.name = name
        self.attribute = name.replace("-", "_")
        self.metavar = metavar
        self.default = default
        self.read = read
        self.help = text
        self.choices = choices
        self.repeats = repeats
        self.takes_rest = takes_rest

    def check(self, value: "Any") -> None:
        """Refuse a value that makes no sense; the default always does.

        Raises:
            UsageError: It makes none.
        """
        is_right = self.choices.__contains__ if self.choices else CHECKS.get(self.read)
        if is_right and value != self.default and not is_right(value):
            what = self.metavar.lower() if self.choices else f"number of {self.metavar.lower()}"
            raise UsageError(f"not a {what}: {value!r}", place=self.attribute)

    def value(self, text: str) -> "Any":
        """Return the value that a text stands for.

        Raises:
            UsageError: It stands for none.
        """
        place = f"--{self.name}"
        if not text:
            raise UsageError(f"needs a value: {self.metavar}", place=place)
        if self.choices and text not in self.choices:
            known = ", ".join(self.choices)
            raise UsageError(
                f"no such {self.metavar.lower()}: {text!r}", f"there are {known}", place=place
            )
        try:
            return self.read(text)
        except UsageError as error:
            raise error.at(place) from None


def parse(
    words: "Sequence[str]", options: "Sequence[Option]", *, up_to_program: bool = False
) -> "tuple[dict[str, Any], list[str]]":
    """Split a command line into the options' values and the other words.

    Takes ``--name value`` and ``--name=value``; ``--`` ends the options; an option that is
    repeated, and may not be, counts as given last.

    Args:
        words: The command line.
        options: What there is.
        up_to_program: Whether the first other word begins a program's own command line.

    Raises:
        UsageError: An option is unknown, lacks its value or has a wrong one.
    """
    by_name = {f"--{option.name}": option for option in options}
    values = {option.name: option.default for option in options}
    others: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            others.extend(rest)
        elif not word.startswith("-"):
            others.append(word)
            if up_to_program:
                others.extend(rest)
        else:
            flag, equals, text = word.partition("=")
            option = by_name.get(flag)
            if option is None:
                raise UsageError(f"no such option: {flag!r}", _meant(flag, by_name))
            if not option.metavar:
                values[option.name] = True
                continue
            value = option.value(text if equals else next(rest, ""))
            values[option.name] = (*values[option.name], value) if option.repeats else value
            if option.takes_rest:
                values[option.name] = (value, *rest)
    return values, others


def _meant(flag: str, known: "Iterable[str]") -> str:
    """Return a hint at the option that a mistyped one may stand for, or at all of them."""
    from activator.common.suggest import nearest  # noqa: PLC0415 - only a mistake needs it

    names = [*known, "--help"]
    if near := nearest(flag, names):
        return f"did you mean {near}?"
    *others, last = names
    return f"there are {', '.join(others)} and {last}" if others else f"there is {last}"
