"""Credentials, and data for standard input."""

import re

from activator.unitfile import specifiers
from activator.unitfile.unquoting import head, unescape
from activator.unitfile.values.images import base64_bytes
from activator.unitfile.values.names import fdname
from activator.unitfile.values.paths import absolute
from activator.unitfile.values.verdict import Context, Rejected, Verdict

_NAME_MAX = 255
_RENAME_SINCE = 257


def set_credential(value: str, context: Context) -> Verdict | None:
    """Check ``NAME:DATA``; the argument ``encrypted`` makes the data base64."""
    name, data = head(value)
    if not data:
        raise Rejected("the data is missing", "write NAME:DATA")
    if bad := specifiers.fault(name, context.version):
        raise Rejected(f"unknown specifier {bad}", specifiers.advice(bad, context.version))
    _name(specifiers.sample(name), context)
    if context.argument == "encrypted":
        base64_bytes(data, context.version)
    else:
        unescape(data)
    return None


def load_credential(value: str, context: Context) -> Verdict | None:
    """Check ``NAME[:PATH]``, or the name of another credential as PATH."""
    name, source = head(value)
    _name(name, context)
    if source and source.startswith("/"):
        absolute(source)
        if re.search(r"//|/\.(/|$)", source):
            raise Rejected(f"{source!r} is not a simple path", "write it without // and /./")
    elif source:
        _name(source, context)
    return None


def import_credential(value: str, context: Context) -> Verdict | None:
    """Check a name, or its beginning with ``*``; from 257 on, ``:PREFIX`` to rename it."""
    pattern, renamed = head(value)
    if renamed is not None and context.version < _RENAME_SINCE:
        raise Rejected("a credential's name holds no colon", f"write {pattern}")
    if bad := specifiers.fault(pattern, context.version):
        raise Rejected(f"unknown specifier {bad}", specifiers.advice(bad, context.version))
    pattern = specifiers.sample(pattern)
    stem = pattern.removesuffix("*")
    if set(stem) & set("*?[]"):
        raise Rejected(f"{pattern!r} is not a pattern", "write a star at the end alone")
    if stem or pattern == stem:
        _name(stem, context)
    if renamed:
        _name(renamed, context)
    return None


def escaped_text(value: str, _: Context) -> Verdict | None:
    """Check a line of text with C escapes."""
    unescape(value)
    return None


def base64(value: str, context: Context) -> Verdict | None:
    """Check base64 data."""
    base64_bytes(value, context.version)
    return None


def _name(name: str, context: Context) -> None:
    """Check a credential's name: a file's and a descriptor's name at once.

    Raises:
        Rejected: It is none.
    """
    if not name or "/" in name or name in (".", "..") or len(name) > _NAME_MAX:
        raise Rejected(f"{name!r} is not a credential name", "write NAME without a slash")
    fdname(name, context)
