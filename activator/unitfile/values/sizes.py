"""Sizes in bytes, and what is counted in them."""

import re

from activator.common.integers import bounded, to_integer
from activator.unitfile.unquoting import fields
from activator.unitfile.values.numbers import ULONG_MAX, to_permyriad
from activator.unitfile.values.times import to_microseconds
from activator.unitfile.values.verdict import Context, Rejected, Verdict

_SUFFIXES = "EPTGMKB"
# Spaces may stand between number and suffix, and between terms.
_TERM = r"(?a)\s*(\+?[0-9]+)(?:\.([0-9]*))?[ \t\n\r]*([EPTGMKB]?)"
_WHOLE_PERCENT = 10_000
# Where systemd takes 0, which it refuses as a limit elsewhere.
_ZERO = {
    "MemorySwapMax",
    "StartupMemorySwapMax",
    "MemoryZSwapMax",
    "StartupMemoryZSwapMax",
    "MemoryLow",
    "StartupMemoryLow",
    "MemoryMin",
    "DefaultMemoryLow",
    "DefaultMemoryMin",
}
_LONG_MAX = 2**63 - 1
_NICE_MAX = 40
_NICE_HALF = 20


def to_bytes(text: str, base: int = 1024) -> int | None:
    """Read a size such as ``8K``, ``1.5M``, ``1 M`` or ``1G 500M``, or return None.

    Args:
        text: The size; suffixes are upper case, and go down from term to term.
        base: 1024, or 1000 where the directive says so.
    """
    if text.isdecimal() and text.isascii():
        number = bounded(text)
        return number if number <= ULONG_MAX else None
    position = total = 0
    last = -1
    while position < len(text) or not position:
        match = re.compile(_TERM).match(text, position)
        if match is None:
            return None
        # A number without a suffix comes last, after one with "B".
        rank = _SUFFIXES.index(match[3]) if match[3] else len(_SUFFIXES)
        if rank <= last:
            return None
        factor = base ** max(0, len(_SUFFIXES) - 1 - rank)
        fraction = match[2] or ""
        total += bounded(match[1]) * factor
        if fraction:
            places = bounded(fraction)
            if places > ULONG_MAX:
                return None
            total += places * factor // 10 ** len(fraction)
        last, position = rank, match.end()
        if total > ULONG_MAX:
            return None
    return total


def size(value: str, _: Context) -> Verdict | None:
    """Check a size in bytes, base 1024."""
    _bytes(value)
    return None


def queue_size(value: str, context: Context) -> Verdict | None:
    """Check a message's size: a plain number up to 261, and a size from then on."""
    if context.version >= int(context.argument):
        if _bytes(value) > _LONG_MAX:
            raise Rejected("the size is out of range", "write a smaller one")
        return None
    number = to_integer(value)
    if number is None or not -_LONG_MAX <= number <= _LONG_MAX:
        number = to_bytes(value)
        hint = "write digits alone" if number is None else f"write {number}"
        raise Rejected(f"systemd {context.version} takes a plain number here", hint)
    return None


def memory(value: str, context: Context) -> Verdict | None:
    """Check a limit on memory: a size, a percentage or infinity."""
    if value == "infinity":
        return None
    share = to_permyriad(value)
    number = share if share is not None and share <= _WHOLE_PERCENT else _bytes(value)
    if number >= ULONG_MAX or (number == 0 and context.directive.name not in _ZERO):
        raise Rejected("the limit is out of range", "write a size above 0, or infinity")
    return None


def tasks(value: str, _: Context) -> Verdict | None:
    """Check a number of tasks: above 0, a percentage or infinity."""
    if value == "infinity":
        return None
    share = to_permyriad(value)
    if share is not None and share <= _WHOLE_PERCENT:
        return None
    number = to_integer(value)
    if number is None:
        raise Rejected("this is not a number of tasks", "write 100, 10% or infinity")
    if not 0 < number < ULONG_MAX:
        raise Rejected("the number is out of range", "write 1 or more, or infinity")
    return None


def quota(value: str, _: Context) -> Verdict | None:
    """Check a directory's quota: off, a percentage or a size."""
    share = to_permyriad(value)
    if value != "off" and not (share is not None and share <= _WHOLE_PERCENT):
        _bytes(value)
    return None


def limit(value: str, context: Context) -> Verdict | None:
    """Check a resource limit, ``LIMIT`` or ``SOFT:HARD``; the argument is its unit."""
    to_limits(value, context.argument)
    return None


def to_limits(text: str, unit: str) -> tuple[float, float]:
    """Read a resource limit, ``LIMIT`` or ``SOFT:HARD``, as setrlimit(2) takes it.

    Args:
        text: The value.
        unit: ``size``, ``seconds``, ``microseconds``, ``nice`` or ``count``.

    Raises:
        Rejected: It is none.
    """
    parts = fields(text)
    if len(parts) > 2 and any(parts[2:]):  # noqa: PLR2004 - soft and hard
        raise Rejected("there are more than two limits", "write SOFT:HARD")
    numbers = [_limit(part, unit) for part in parts[:2]]
    if numbers[0] > numbers[-1]:
        raise Rejected("the soft limit is above the hard one", f"write {parts[1]}:{parts[0]}")
    return numbers[0], numbers[-1]


def _limit(text: str, unit: str) -> float:
    """Return one limit as a number that can be compared."""
    if text == "infinity" and unit != "nice":
        return float("inf")
    if unit == "size":
        number: float | None = to_bytes(text)
        hint = _suffix_hint(text)
    elif unit in ("seconds", "microseconds"):
        number = to_microseconds(text, 1_000_000 if unit == "seconds" else 1)
        if number is not None and number != float("inf") and unit == "seconds":
            number = -(-number // 1_000_000)
        hint = "write 5s, 2min or infinity"
    elif unit == "nice":
        number, hint = _nice(text), "write -20 to +19, or 0 to 40"
    else:
        number, hint = to_integer(text), "write a whole number or infinity"
    if number is None or number < 0 or ULONG_MAX <= number < float("inf"):
        raise Rejected(f"{text!r} is not a limit", hint)
    return number


def _nice(text: str) -> int | None:
    """Return the raw limit of a nice level, given with a sign, or of itself."""
    number = to_integer(text[1:] if text[:1] in ("+", "-") else text)
    if number is None or number < 0:
        return None
    if text.startswith("+"):
        return _NICE_HALF - number if number < _NICE_HALF else None
    if text.startswith("-"):
        return _NICE_HALF + number if number <= _NICE_HALF else None
    return number if number <= _NICE_MAX else None


def _bytes(value: str) -> int:
    """Return a size.

    Raises:
        Rejected: It is none.
    """
    number = to_bytes(value)
    if number is None:
        raise Rejected("this is not a size", _suffix_hint(value))
    return number


def _suffix_hint(value: str) -> str:
    """Return the right form of a size: suffixes are one upper-case letter."""
    match = re.fullmatch(r"([0-9.]+)\s*([kmgtpe])(i?b?)", value, re.IGNORECASE)
    if match and to_bytes(match[1]) is not None:
        return f"write {match[1]}{match[2].upper()}"
    return "write bytes, or a number with K, M, G or T"
