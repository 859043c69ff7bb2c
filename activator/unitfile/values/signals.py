"""Signals: names with or without SIG, real-time ones by their offset, and numbers."""

import signal as signals

from activator.common.integers import to_integer
from activator.unitfile.values.enums import table
from activator.unitfile.values.verdict import Context, Rejected, Verdict

_LAST = 64
_REAL_TIME = {"RTMIN": (34, "+"), "RTMAX": (64, "-")}
_OFFSET_MAX = 30


def to_signal(text: str) -> int | None:
    """Return the number of a signal, None for what systemd takes for none.

    Of the C library's names only those of signal(7) that systemd lists count: no SIGCLD.
    """
    number = to_integer(text)
    if number is not None:
        return number if 0 < number <= _LAST else None
    name = text.removeprefix("SIG")
    if name in table("signal"):
        return int(signals.Signals[f"SIG{name}"])
    base, sign = _REAL_TIME.get(name[:5], (0, ""))
    if not base or name[5:6] not in ("", sign):
        return None
    offset = to_integer(name[5:] or "0")
    return base + offset if offset is not None and abs(offset) <= _OFFSET_MAX else None


def signal(value: str, _: Context) -> Verdict | None:
    """Check a signal: its name with or without SIG, or its number."""
    if to_signal(value) is None:
        upper = value.upper()
        hint = f"write {upper}" if to_signal(upper) else "write a name such as SIGTERM"
        raise Rejected("this is not a signal", hint)
    return None
