"""Booleans, numbers, file modes, percentages and weights."""

import re

from activator.common.integers import bounded, to_integer
from activator.unitfile.values.verdict import Context, Rejected, Verdict

BOOLEANS = {
    **dict.fromkeys(("1", "yes", "y", "true", "t", "on"), True),
    **dict.fromkeys(("0", "no", "n", "false", "f", "off"), False),
}
UINT_MAX = 2**32 - 1
ULONG_MAX = 2**64 - 1
_MODE_MAX = 0o7777

_SPLIT_PERCENT = r"(?s)(?P<whole>.*?)(?:\.(?P<places>[0-9]+))?(?P<sign>[%‰‱])"
# How many places a percent sign leaves to the two that systemd keeps.
_PLACES = {"%": 2, "‰": 1, "‱": 0}
_ALL = 10_000


def to_permyriad(text: str) -> int | None:
    """Read a percentage in hundredths of a percent, or return None."""
    match = re.fullmatch(_SPLIT_PERCENT, text)
    if match is None:
        return None
    whole = to_integer(match["whole"])
    places, allowed = match["places"] or "", _PLACES[match["sign"]]
    if whole is None or len(places) > allowed or whole < 0 or match["whole"].startswith("-"):
        return None
    number = whole * 10**allowed + int(places.ljust(allowed, "0") or 0)
    return number if number < 2**31 else None


def boolean(value: str, _: Context) -> Verdict | None:
    """Check yes or no, in systemd's words."""
    if value not in BOOLEANS and value.lower() not in BOOLEANS:
        raise Rejected("this is neither yes nor no", "write yes or no")
    return None


def tristate(value: str, context: Context) -> Verdict | None:
    """Check yes, no or nothing; the argument says since when nothing is taken."""
    if not value and context.version >= int(context.argument or 0):
        return None
    return boolean(value, context)


def count(value: str, _: Context) -> Verdict | None:
    """Check a number from 0 on, or ``infinity``."""
    number = to_integer(value)
    if value != "infinity" and (number is None or not 0 <= number <= UINT_MAX):
        raise Rejected("this is not a number", "write a number, or infinity")
    return None


def integer(value: str, context: Context) -> Verdict | None:
    """Check a signed number; the argument is its range, ``LOW..HIGH``."""
    low, _, high = context.argument.partition("..")
    return _in_range(value, int(low or -(2**31)), int(high or 2**31 - 1))


def long(value: str, _: Context) -> Verdict | None:
    """Check a signed number of 64 bits."""
    return _in_range(value, -(2**63), 2**63 - 1)


def unsigned(value: str, _: Context) -> Verdict | None:
    """Check a number of 32 bits without a sign."""
    return _in_range(value, 0, UINT_MAX)


def mode(value: str, _: Context) -> Verdict | None:
    """Check a file mode: octal digits, at most 7777."""
    digits = value.lstrip()
    if not digits or digits.strip("01234567"):
        raise Rejected("this is not an octal mode", f"write {_octal(value)}")
    if bounded(digits, 8) > _MODE_MAX:
        raise Rejected("the mode is above 7777", "write four octal digits, such as 0600")
    return None


def percent(value: str, _: Context) -> Verdict | None:
    """Check a percentage up to 100%."""
    number = to_permyriad(value)
    if number is None or number > _ALL:
        raise Rejected("this is not a percentage up to 100%", "write 20% or 12.5%")
    return None


def quota_percent(value: str, _: Context) -> Verdict | None:
    """Check a percentage of one CPU, which may be above 100%."""
    if not to_permyriad(value):
        hint = f"write {value}%" if value.isdecimal() else "write 20%, or 200% for two CPUs"
        raise Rejected("this is not a percentage above 0", hint)
    return None


def weight(value: str, context: Context) -> Verdict | None:
    """Check a weight; the argument says of what: nothing, ``cpu``, ``shares`` or ``blkio``."""
    if context.argument == "cpu" and value == "idle":
        return None
    low, high = {"shares": (2, 262_144), "blkio": (10, 1000)}.get(context.argument, (1, 10_000))
    return _in_range(value, low, high)


def _in_range(value: str, low: int, high: int) -> Verdict | None:
    number = to_integer(value)
    if number is None:
        raise Rejected("this is not a whole number", _whole(value))
    if not low <= number <= high:
        raise Rejected("the number is out of range", f"write {low} to {high}")
    return None


def _whole(value: str) -> str:
    """Return the form of a number for one that is none."""
    digits = value.lstrip("0")
    if digits != value and digits.isdecimal():
        return f"write {digits}: a leading 0 makes it octal"
    return "write digits alone"


def _octal(value: str) -> str:
    """Return a mode for what is none: symbolic ones are common."""
    bits = dict(zip("rwx", (4, 2, 1), strict=True))
    if len(value) == 9 and not value.strip("rwx-"):  # noqa: PLR2004 - rwxr-xr-x
        parts = (value[start : start + 3] for start in (0, 3, 6))
        return "0" + "".join(str(sum(bits.get(char, 0) for char in part)) for part in parts)
    return "octal digits, such as 0600"
