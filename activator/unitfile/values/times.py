"""Time spans, as systemd.time(7) has them."""

import re
from functools import cache
from typing import cast

from activator.common.integers import bounded
from activator.unitfile.values.verdict import Context, Rejected, Verdict

_SECOND = 1_000_000
# Unit → microseconds. A month is a twelfth of a year of 365.25 days.
UNITS = {
    **dict.fromkeys(("seconds", "second", "sec", "s"), _SECOND),
    **dict.fromkeys(("minutes", "minute", "min", "m"), 60 * _SECOND),
    **dict.fromkeys(("hours", "hour", "hr", "h"), 3600 * _SECOND),
    **dict.fromkeys(("days", "day", "d"), 86_400 * _SECOND),
    **dict.fromkeys(("weeks", "week", "w"), 604_800 * _SECOND),
    **dict.fromkeys(("months", "month", "M"), 2_629_800 * _SECOND),
    **dict.fromkeys(("years", "year", "y"), 31_557_600 * _SECOND),
    **dict.fromkeys(("msec", "ms"), 1000),
    **dict.fromkeys(("usec", "us", "μs", "µs"), 1),
}
NANOSECONDS = {name: number * 1000 for name, number in UNITS.items()} | {"nsec": 1, "ns": 1}
_ENDLESS = 2**64 - 1
_LONG_MAX = 2**63 - 1
_SPACE = " \t\n\r"


def to_microseconds(text: str, default: int = _SECOND) -> float | None:
    """Read a time span such as ``5``, ``2min 200ms`` or ``infinity``, or return None.

    Args:
        text: The span.
        default: How many microseconds a number without a unit counts.

    Returns:
        Microseconds as an int; ``float("inf")`` for infinity.
    """
    return _read(text, UNITS, default)


def to_nanoseconds(text: str) -> float | None:
    """Read a time span in nanoseconds, the same way; a plain number counts nanoseconds."""
    return _read(text, NANOSECONDS, 1)


def timespan(value: str, context: Context) -> Verdict | None:
    """Check a time span; the argument is ``ns`` for nanoseconds, or a least span."""
    read = to_nanoseconds if context.argument == "ns" else to_microseconds
    span = read(value)
    if span is None:
        raise Rejected("this is not a time span", _form(value))
    if context.argument not in ("", "ns"):
        least = cast(int, to_microseconds(context.argument))
        if not least <= span < float("inf"):
            raise Rejected("the time span is out of range", f"write {context.argument} or more")
    return None


def _read(text: str, units: dict[str, int], default: int) -> float | None:
    """Read a time span with its units."""
    text = text.strip(_SPACE)
    if text == "infinity":
        return float("inf")
    term = _term(tuple(units))
    position = total = 0
    while position < len(text) or not position:
        match = term.match(text, position)
        if match is None or not (match[1] or match[2]):
            return None
        position = match.end()
        # A number may follow another one only after a unit or white space.
        if match[3] is None and position < len(text) and text[position] not in _SPACE:
            return None
        factor = units[match[3]] if match[3] else default
        number = bounded(match[1] or "0")
        total += number * factor + _fraction(match[2] or "", factor)
        if number > min(_LONG_MAX, _ENDLESS // factor - 1) or total >= _ENDLESS:
            return None
    return total


@cache
def _term(units: tuple[str, ...]) -> re.Pattern[str]:
    """Return what matches one term; longer units come first, as "m" begins "min"."""
    names = "|".join(sorted(units, key=len, reverse=True))
    return re.compile(rf"(?a)\s*(?:\+(?=[0-9]))?([0-9]*)(\.[0-9]+)?(?:[{_SPACE}]*({names}))?")


def _fraction(digits: str, factor: int) -> int:
    """Return what ``.25`` of a unit counts; each place is cut to a whole number."""
    total = 0
    for digit in digits[1:]:
        factor //= 10
        total += int(digit) * factor
    return total


def _form(value: str) -> str:
    """Return the right form for what is no time span."""
    if value[:1] == "-":
        return "a time span is not negative"
    match = re.fullmatch(r"([0-9.]+)\s*([A-Za-z]+)", value)
    near = {"S": "s", "secs": "s", "mins": "min", "H": "h", "hrs": "h", "D": "d", "MIN": "min"}
    if match and match[2] in near:
        return f"write {match[1]}{near[match[2]]}"
    return "write seconds, or 5min, 2h 30min, 500ms or infinity"
