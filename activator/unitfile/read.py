"""What a value means that systemd takes: text → switch, number, bytes, seconds, signal.

:mod:`activator.unitfile.values` says beforehand what is taken, and in which words not.
"""

import math
from typing import TypeVar

from activator.common.integers import to_integer
from activator.errors import ActivatorError
from activator.unitfile.directives import NEWEST
from activator.unitfile.values.numbers import BOOLEANS
from activator.unitfile.values.paths import absolute
from activator.unitfile.values.signals import to_signal
from activator.unitfile.values.sizes import to_bytes
from activator.unitfile.values.times import to_microseconds
from activator.unitfile.values.verdict import Rejected

T = TypeVar("T")
_MICROSECONDS = 1_000_000


def boolean(text: str) -> bool:
    """Read a switch."""
    return _known(BOOLEANS.get(text.lower()), f"'{text}' is neither yes nor no", "write yes or no")


def integer(text: str) -> int:
    """Read an integer, in decimal or with one of C's prefixes."""
    return _known(to_integer(text), f"'{text}' is not a whole number", "write digits alone")


def size(text: str) -> int:
    """Read a size in bytes, base 1024."""
    return _known(
        to_bytes(text), f"'{text}' is not a size", "write bytes, or a number with K, M or G"
    )


def seconds(text: str) -> float:
    """Read a time span; ``infinity`` is math.inf, a bare number counts seconds."""
    span = _known(
        to_microseconds(text), f"'{text}' is not a time span", "write such as 5s, 1min 30s"
    )
    return span if math.isinf(span) else span / _MICROSECONDS


def mode(text: str) -> int:
    """Read an octal access mode."""
    return integer(f"0o{text}")


def path(text: str) -> str:
    """Read an absolute path; systemd drops what it can do without, such as a second slash."""
    try:
        return absolute(text, version=NEWEST)
    except Rejected as rejected:
        raise ActivatorError(rejected.what, rejected.hint) from None


def signal(text: str) -> int:
    """Read a signal's name or number."""
    return _known(to_signal(text), f"'{text}' is not a signal", "write such as SIGTERM")


def _known(found: T | None, what: str, hint: str) -> T:
    if found is None:
        raise ActivatorError(what, hint)
    return found
