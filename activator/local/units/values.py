"""What a directive's text means, for the directives that the local activator honours.

Source: systemd.syntax(7), systemd.time(7) and systemd's parsers; what they would log and
skip raises here.
"""

import math
import re

from activator.errors import ActivatorError

_TRUE = ("1", "yes", "y", "true", "t", "on")
_FALSE = ("0", "no", "n", "false", "f", "off")
_SIZES = {unit: 1024**power for power, unit in enumerate("BKMGTPE")}
# systemd.time(7): unit → seconds.
_UNITS = {
    "": 1.0,
    **dict.fromkeys(("usec", "us", "μs", "µs"), 1e-6),
    **dict.fromkeys(("msec", "ms"), 1e-3),
    **dict.fromkeys(("seconds", "second", "sec", "s"), 1.0),
    **dict.fromkeys(("minutes", "minute", "min", "m"), 60.0),
    **dict.fromkeys(("hours", "hour", "hr", "h"), 3600.0),
    **dict.fromkeys(("days", "day", "d"), 86400.0),
    **dict.fromkeys(("weeks", "week", "w"), 604800.0),
    **dict.fromkeys(("months", "month", "M"), 2629800.0),
    **dict.fromkeys(("years", "year", "y"), 31557600.0),
}
_SPAN = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([a-zA-Zµμ]*)\s*")
# As in C, a leading 0 means octal; systemd adds 0b and 0o.
_INTEGER = re.compile(
    r"[-+]?(?:0x(?P<b16>[0-9a-f]+)|0b(?P<b2>[01]+)|0o?(?P<b8>[0-7]+)|(?P<b10>0|[1-9][0-9]*))",
    re.IGNORECASE | re.ASCII,
)
_TOS = {"low-delay": 0x10, "throughput": 0x08, "reliability": 0x04, "low-cost": 0x02}
# The kernel's largest number of seconds, for spans such as infinity.
LONGEST = 0x7FFFFFFF
_MAX_MODE = 0o7777
_MAX_TOS = 255
_MAX_UNSIGNED = 0xFFFFFFFF


def boolean(text: str) -> bool:
    """Read a boolean."""
    folded = text.lower()
    if folded in _TRUE:
        return True
    if folded in _FALSE:
        return False
    raise ActivatorError(f"'{text}' is no boolean", "write yes or no")


def integer(text: str) -> int:
    """Read an integer, in decimal or with one of C's prefixes; may be negative."""
    match = _INTEGER.fullmatch(text)
    if match is None or match.lastgroup is None:
        raise ActivatorError(f"'{text}' is no number", "write a whole number")
    number = int(match[match.lastgroup], int(match.lastgroup[1:]))
    return -number if text.startswith("-") else number


def unsigned(text: str) -> int:
    """Read an unsigned 32-bit integer."""
    number = integer(text)
    if not 0 <= number <= _MAX_UNSIGNED:
        raise ActivatorError(f"{text} is out of range", f"give 0 to {_MAX_UNSIGNED}")
    return number


def size(text: str) -> int:
    """Read a size in bytes: suffixes K, M, G, T, base 1024."""
    match = re.fullmatch(r"([0-9]+)(?:\.([0-9]+))?\s*([BKMGTPE]?)", text)
    if match is None:
        raise ActivatorError(f"'{text}' is no size", "write bytes, or a number with K, M or G")
    whole, fraction, suffix = match.groups()
    return int(float(f"{whole}.{fraction or 0}") * _SIZES[suffix or "B"])


def seconds(text: str) -> float:
    """Read a time span; ``infinity`` is math.inf, a bare number counts seconds."""
    if text == "infinity":
        return math.inf
    total, position = 0.0, 0
    while position < len(text) or not text:
        match = _SPAN.match(text, position)
        if match is None or match[2] not in _UNITS:
            raise ActivatorError(f"'{text}' is no time span", "write such as 5s, 1min 30s")
        total += float(match[1]) * _UNITS[match[2]]
        position = match.end()
    return total


def mode(text: str) -> int:
    """Read an octal access mode."""
    if not re.fullmatch("[0-7]+", text) or int(text, 8) > _MAX_MODE:
        raise ActivatorError(f"'{text}' is no access mode", "write it in octal, such as 0660")
    return int(text, 8)


def type_of_service(text: str) -> int:
    """Read IPTOS=."""
    number = _TOS[text] if text in _TOS else integer(text)
    if not 0 <= number <= _MAX_TOS:
        raise ActivatorError(f"{text} is out of range", f"give 0 to 255 or {', '.join(_TOS)}")
    return number
