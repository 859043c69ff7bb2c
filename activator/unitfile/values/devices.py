"""Device nodes with rights, weights, limits and latencies."""

from activator.common.integers import to_integer
from activator.unitfile.unquoting import UNQUOTE, next_word
from activator.unitfile.values.paths import absolute, simplified
from activator.unitfile.values.sizes import to_bytes
from activator.unitfile.values.times import to_microseconds
from activator.unitfile.values.verdict import Context, Rejected, Verdict

_NODES = ("/dev/", "/run/systemd/inaccessible/")
_WEIGHTS = {"": (1, 10_000), "blkio": (10, 1000)}


def device_allow(value: str, _: Context) -> Verdict | None:
    """Check ``NODE [RIGHTS]``; NODE may be ``char-NAME`` or ``block-NAME``."""
    device, rights = _split(value)
    node = device.startswith(("block-", "char-")) or absolute(device).startswith(_NODES)
    if not node:
        raise Rejected(f"{device!r} is not a device node", "write /dev/NAME or char-NAME")
    if rights.strip("rwm"):
        raise Rejected(f"{rights!r} are no rights", "write r, w and m")
    return None


def device_weight(value: str, context: Context) -> Verdict | None:
    """Check ``PATH WEIGHT``; the argument may be ``blkio``."""
    text = _pair(value, "PATH WEIGHT")
    low, high = _WEIGHTS[context.argument]
    number = to_integer(text)
    if number is None or not low <= number <= high:
        raise Rejected(f"{text!r} is not a weight", f"write {low} to {high}")
    return None


def device_latency(value: str, _: Context) -> Verdict | None:
    """Check ``PATH TIMESPAN``."""
    text = _pair(value, "PATH 25ms")
    if to_microseconds(text) is None:
        raise Rejected(f"{text!r} is not a time span", "write 25ms")
    return None


def device_limit(value: str, context: Context) -> Verdict | None:
    """Check ``PATH SIZE``, base 1000; ``infinity`` too unless the argument is ``blkio``."""
    text = _pair(value, "PATH 10M")
    if text == "infinity" and context.argument != "blkio":
        return None
    if not to_bytes(text, 1000):
        raise Rejected(f"{text!r} is not a limit", "write a number above 0, with K, M, G or T")
    return None


def _pair(value: str, form: str) -> str:
    """Return what follows the path of a pair.

    Raises:
        Rejected: One of the two is missing, or the path is none.
    """
    device, text = _split(value)
    if not text:
        raise Rejected("there are not two parts", f"write {form}")
    simplified(device)
    return text


def _split(value: str) -> tuple[str, str]:
    """Return the first word, quotes undone, and the rest as it stands."""
    found = next_word(value, 0, UNQUOTE)
    if found is None:
        return "", ""
    word, position = found
    return word, value[position:].lstrip(" \t")
