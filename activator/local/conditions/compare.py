"""Compare numbers and versions as conditions write them.

Source: systemd.unit(5), ConditionKernelVersion= and ConditionOSRelease=; for the order of
versions the UAPI Group's version format specification.
"""

import fnmatch
import re

_OPERATORS = re.compile(r"!\$=|\$=|<>|<=|>=|==|!=|=|<|>")
_STRIPPED = re.compile(r"[^A-Za-z0-9~^.-]*")
_ORDERED = {"<": (-1,), "<=": (-1, 0), "==": (0,), "<>": (-1, 1), ">=": (0, 1), ">": (1,)}


def operator(text: str) -> tuple[str, str]:
    """Split an operator off; empty if there is none."""
    match = _OPERATORS.match(text)
    return (match[0], text[match.end() :].strip()) if match else ("", text)


def number_fits(number: int, sign: str, limit: int) -> bool:
    """Tell whether a number is in a relation to another."""
    sign = {"": ">=", "=": "==", "!=": "<>"}.get(sign, sign)
    if sign not in _ORDERED:
        raise ValueError(sign)
    return (number > limit) - (number < limit) in _ORDERED[sign]


def version_fits(version: str, sign: str, other: str) -> bool:
    """Tell whether a version is in a relation to another, or matches a pattern."""
    if sign in ("$=", "!$="):
        return fnmatch.fnmatchcase(version, other) == (sign == "$=")
    if sign in ("=", "!="):
        return (version == other) == (sign == "=")
    return compare(version, other) in _ORDERED[sign]


def compare(one: str, other: str) -> int:
    """Return -1, 0 or 1, as the first version is before, the same as or after the second."""
    while True:
        one, other = _stripped(one), _stripped(other)
        if (told := _by_mark(one, other, "~")) or not (one or other):
            return told
        if one.startswith("~"):
            one, other = one[1:], other[1:]
            continue
        if not one or not other:
            return 1 if one else -1
        mark = next((each for each in "-^." if each in (one[0], other[0])), "")
        if mark:
            if told := _by_mark(one, other, mark):
                return told
            one, other = one[1:], other[1:]
            continue
        digits = one[0].isdigit() or other[0].isdigit()
        first, one = _head(one, digits=digits)
        second, other = _head(other, digits=digits)
        if digits and bool(first) != bool(second):
            return 1 if first else -1
        keys = (int(first), int(second)) if digits else (first, second)
        if keys[0] != keys[1]:
            return 1 if keys[0] > keys[1] else -1  # type: ignore[operator]


def _stripped(text: str) -> str:
    """Remove what separates without a meaning."""
    match = _STRIPPED.match(text)
    return text[match.end() :] if match else text


def _by_mark(one: str, other: str, mark: str) -> int:
    """Put the one that begins with a mark before the one that does not."""
    return other.startswith(mark) - one.startswith(mark)


def _head(text: str, *, digits: bool) -> tuple[str, str]:
    """Split off the digits, or the letters, that stand in front."""
    end = re.match("[0-9]*" if digits else "[A-Za-z]*", text).end()  # type: ignore[union-attr]
    return text[:end], text[end:]
