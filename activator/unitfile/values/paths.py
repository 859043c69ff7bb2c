"""Paths: absolute ones, lists of them, and those with prefixes and options."""

import re

from activator.unitfile import specifiers
from activator.unitfile.unquoting import CUNESCAPE, PLAIN, fields, head
from activator.unitfile.values.verdict import LEGACY_PATH, REFUSED, Context, Rejected, Verdict, note

_PATH_MAX = 4095
_NAME_MAX = 255
_API_TREES = ("/proc", "/sys", "/dev")
# From then on what leads above the root directory is taken for the root directory.
_ROOT_SINCE = 257
_ABOVE_ROOT = r"^/+(?:\.{1,2}(?:/+|$))+"
_BIND_OPTIONS = ("", "rbind", "norbind")
_BIND_OPTIONS_NEW = ("idmap", "noidmap")
# From then on what lies below these trees is refused, and /var/run draws a notice.
API_TREES_SINCE = 257
_READ_ONLY_SINCE = 257
# From then on a bind mount's paths take C escapes, and no others.
_ESCAPES_SINCE = 262


def absolute(text: str, outcome: str = "ignored", *, version: int = 0) -> str:
    """Return an absolute path the way systemd simplifies it.

    Args:
        text: The path.
        outcome: What systemd does with a wrong one.
        version: The version of systemd; newer ones know that there is nothing above the root.

    Raises:
        Rejected: It is relative, too long, not UTF-8 or holds ``..``.
    """
    if not text.startswith("/"):
        hint = f"write /{text}" if text and text[0] not in "~%\"'" else "write it from / on"
        raise Rejected(f"{text!r} is not an absolute path", hint, outcome)
    if version >= _ROOT_SINCE:
        text = re.sub(_ABOVE_ROOT, "/", text)
    return simplified(text, outcome)


def relative(text: str) -> str:
    """Return a relative path the way systemd simplifies it.

    Raises:
        Rejected: It is absolute, too long, not UTF-8 or holds ``..``.
    """
    if text.startswith("/"):
        name = text.rstrip("/").rsplit("/", 1)[-1]
        raise Rejected(f"{text!r} is an absolute path", f"write {name}: the root is implied")
    return simplified(text, "ignored")


def path(value: str, context: Context) -> Verdict | None:
    """Check one absolute path."""
    absolute(value, version=context.version)
    return None


paths = path  # each word of a list


def search_path(value: str, context: Context) -> Verdict | None:
    """Check absolute paths that colons separate."""
    for part in fields(value):
        absolute(part, version=context.version)
    return None


def namespace_paths(word: str, context: Context) -> Verdict | None:
    """Check an absolute path, after ``-`` and ``+`` if it has them."""
    absolute(word.removeprefix("-").removeprefix("+"), version=context.version)
    return None


def bind_paths(word: str, context: Context) -> Verdict | None:
    """Check one ``SOURCE[:DESTINATION[:OPTIONS]]``."""
    mode = CUNESCAPE if context.version >= _ESCAPES_SINCE else PLAIN
    source, *rest = fields(word, mode=mode)
    absolute(source.removeprefix("-"), version=context.version)
    if rest:
        absolute(rest[0], version=context.version)
    if len(rest) > 1:
        _bind_option(rest[1:], context.version)
    return None


def temporary_filesystems(word: str, context: Context) -> Verdict | None:
    """Check one ``PATH[:OPTIONS]``; specifiers are expanded in the path alone."""
    name = head(word)[0]
    if bad := specifiers.fault(name, context.version):
        raise Rejected(f"unknown specifier {bad}", specifiers.advice(bad, context.version))
    absolute(specifiers.sample(name), version=context.version)
    return None


def environment_file(value: str, context: Context) -> Verdict | None:
    """Check an absolute path, after ``-`` if the file may be missing."""
    absolute(value.removeprefix("-"), version=context.version)
    return None


def pid_file(value: str, context: Context) -> Verdict | None:
    """Check a path, which counts from /run if it is relative; a wrong one is fatal."""
    simple = absolute(
        value if value.startswith("/") else f"/run/{value}", REFUSED, version=context.version
    )
    if context.version >= API_TREES_SINCE:
        if below_api_tree(simple):
            raise Rejected("the path is below /proc, /sys or /dev", "write /run/NAME", REFUSED)
        if simple.startswith("/var/run/"):
            hint = f"write {simple[4:]}"
            return note("/var/run is a legacy directory", hint, code=LEGACY_PATH)
    return None


def working_directory(value: str, context: Context) -> Verdict | None:
    """Check an absolute path or ``~``, after ``-`` if it may be missing."""
    rest = value.removeprefix("-")
    if rest != "~":
        absolute(rest, REFUSED if rest == value else "ignored", version=context.version)
    return None


def directories(word: str, context: Context) -> Verdict | None:
    """Check a relative path, with a symlink's path and flags if it has them."""
    coalesce = context.version < _READ_ONLY_SINCE
    source, *rest = fields(word, coalesce=coalesce, mode=CUNESCAPE)
    simple = relative(source)
    if simple == "private" or simple.startswith("private/"):
        raise Rejected("'private' is systemd's own", "choose another name")
    if rest and rest[0]:
        if context.directive.name == "ConfigurationDirectory":
            raise Rejected("a symlink is not supported here", f"write {source}")
        relative(rest[0])
    if len(rest) > 1 and not coalesce and rest[1] not in ("", "ro"):
        raise Rejected(f"{rest[1]!r} is not a flag", "write ro, or nothing")
    return None


def condition_path(value: str, context: Context) -> Verdict | None:
    """Check an absolute path, after ``|`` and ``!`` if it has them."""
    absolute(value.removeprefix("|").removeprefix("!"), version=context.version)
    return None


def below_api_tree(simple: str) -> bool:
    """Return whether a simplified path is one of /proc, /sys and /dev, or below one."""
    return any(simple == tree or simple.startswith(tree + "/") for tree in _API_TREES)


def simplified(text: str, outcome: str = "ignored") -> str:
    """Return a path without repeated slashes and ``.``.

    Raises:
        Rejected: It is too long, not UTF-8 or holds ``..``.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise Rejected("the path is not UTF-8", "", outcome) from None
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise Rejected("the path holds ..", "write it without ..", outcome)
    simple = ("/" if text.startswith("/") else "") + "/".join(parts)
    if not simple:
        raise Rejected("the path is missing", "", outcome)
    if size > _NAME_MAX and (
        len(simple.encode()) > _PATH_MAX or any(len(part.encode()) > _NAME_MAX for part in parts)
    ):
        raise Rejected("the path is too long", "", outcome)
    return simple


def _bind_option(options: list[str], version: int) -> None:
    """Check the option of a bind mount."""
    option = ":".join(options)
    taken = _BIND_OPTIONS + (_BIND_OPTIONS_NEW if version >= 258 else ())  # noqa: PLR2004
    if option not in taken:
        raise Rejected(f"{option!r} is not an option", "write rbind or norbind")
