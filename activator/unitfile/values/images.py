"""Disk images: policies, mount options and verity data."""

import binascii

from activator.unitfile.unquoting import CUNESCAPE, RETAIN, fields, words
from activator.unitfile.values.enums import known
from activator.unitfile.values.paths import API_TREES_SINCE, absolute, below_api_tree
from activator.unitfile.values.verdict import REFUSED, SILENT, Context, Rejected, Verdict, note

_HASH_BYTES = 16
_LENIENT_SINCE = 262
_URL_SAFE_SINCE = 257
_TUPLE = 2


def image_policy(value: str, context: Context) -> Verdict | None:
    """Check a policy, such as ``root=verity+signed:usr=absent``; a wrong one is fatal."""
    if value in ("-", "*", "~"):
        return None
    partitions = known("partition", context.version)
    taken = known("image-policy", context.version)
    found = None
    seen = set()
    for part in value.split(":"):
        name, equals, policy = (piece.strip() for piece in part.partition("="))
        flags = policy.split("+") if policy not in ("", "-") else []
        wrong = [flag for flag in flags if flag.strip() not in taken]
        unknown = wrong or (name and name not in partitions)
        if not equals or name in seen or (unknown and context.version < _LENIENT_SINCE):
            raise Rejected(f"{part!r} is not a policy", "write PARTITION=FLAG+FLAG", REFUSED)
        if unknown:
            found = note(f"{part!r} is unknown", "write root=verity+signed", SILENT)
        seen.add(name)
    return found


def mount_images(value: str, context: Context) -> Verdict | None:
    """Check a list of ``IMAGE:MOUNTPOINT[:PARTITION:OPTIONS…]``."""
    for word in words(value, RETAIN):
        image, *rest = _parts(word)
        _outside_api_trees(absolute(image.removeprefix("-")), context.version, "/dev")
        if not rest or not rest[0]:
            raise Rejected(f"{word!r} has no mount point", "write IMAGE:MOUNTPOINT")
        _outside_api_trees(absolute(rest[0]), context.version, "/dev")
        _options(rest[1:], context.version)
    return None


def extension_images(value: str, context: Context) -> Verdict | None:
    """Check a list of ``IMAGE[:PARTITION:OPTIONS…]``."""
    for word in words(value, RETAIN):
        image, *rest = _parts(word)
        if image:
            _outside_api_trees(absolute(image.removeprefix("-")), context.version)
        _options(rest, context.version)
    return None


def root_image_options(value: str, context: Context) -> Verdict | None:
    """Check a list of ``[PARTITION:]OPTIONS``."""
    partitions = known("partition", context.version)
    for word in words(value, RETAIN):
        name, *rest = _parts(word)
        if len(rest) > 1:
            raise Rejected(f"{word!r} has more than two parts", "write PARTITION:OPTIONS")
        if rest and name not in partitions:
            raise Rejected(f"{name!r} is not a partition", f"write {', '.join(sorted(partitions))}")
    return None


def root_hash(value: str, _: Context) -> Verdict | None:
    """Check a path, or a hash of at least 32 hexadecimal digits."""
    if value.startswith("/"):
        return None
    try:
        size = len(binascii.unhexlify("".join(value.split())))
    except ValueError:
        size = 0
    if size < _HASH_BYTES:
        raise Rejected("this is neither a path nor a hash", "write 32 or more hexadecimal digits")
    return None


def root_hash_signature(value: str, context: Context) -> Verdict | None:
    """Check a path, or ``base64:DATA``."""
    if value.startswith("/"):
        return None
    if not value.startswith("base64:"):
        raise Rejected("this is neither a path nor a signature", "write /PATH or base64:DATA")
    base64_bytes(value.removeprefix("base64:"), context.version)
    return None


def base64_bytes(text: str, version: int) -> bytes:
    """Return what base64 text holds; white space does not count.

    Raises:
        Rejected: It is none.
    """
    joined = "".join(text.split())
    if version >= _URL_SAFE_SINCE:
        joined = joined.replace("-", "+").replace("_", "/")
    try:
        found = binascii.a2b_base64(joined.encode(), strict_mode=True)
        canonical = binascii.b2a_base64(found, newline=False).decode() == joined
    except (ValueError, UnicodeEncodeError):
        canonical = False
    if not canonical:
        raise Rejected("this is not base64 data", "encode it with base64")
    return found


def _parts(word: str) -> list[str]:
    """Split a tuple at its colons; several in a row count as one."""
    return fields(word, coalesce=True, mode=CUNESCAPE)


def _outside_api_trees(simple: str, version: int, allowed: str = "") -> None:
    """Refuse what lies below /proc, /sys or /dev.

    Raises:
        Rejected: The path lies there.
    """
    if version >= API_TREES_SINCE and below_api_tree(simple):
        if allowed and (simple == allowed or simple.startswith(allowed + "/")):
            return
        raise Rejected("the path is below /proc, /sys or /dev", "choose another path")


def _options(rest: list[str], version: int) -> None:
    """Check pairs of partition and mount options; a single one is for the root."""
    partitions = known("partition", version)
    for name in rest[: len(rest) // _TUPLE * _TUPLE : _TUPLE]:
        if name not in partitions:
            raise Rejected(f"{name!r} is not a partition", f"write {', '.join(sorted(partitions))}")
