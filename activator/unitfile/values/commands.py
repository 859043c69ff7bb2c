"""Command lines: prefixes, the program and its arguments."""

import re

from activator.errors import ActivatorError
from activator.unitfile import specifiers
from activator.unitfile.unquoting import CUNESCAPE, next_argument, next_word
from activator.unitfile.values.verdict import (
    BROKEN,
    IGNORED,
    REFUSED,
    Context,
    Rejected,
    Verdict,
    note,
)

# "|" runs the line through a shell, and "!!" means nothing any more.
_SHELL_SINCE = 258
# From then on a program's path holds none of these.
_GLOB_SINCE = 262
_GLOB = r"[*?\[]"
_NAME_MAX = 255
_PATH_MAX = 4095
_UNSAFE = r"[\x00-\x1f\x7f\"'\\]"
_DIRECTORY = r"(^|/)\.{0,2}$"


def command(value: str, context: Context) -> Verdict | None:
    """Check a command line; commands may follow each other after ``;``."""
    found: Verdict | None = None
    position = 0
    while True:
        first = next_word(value, position)
        if first is None:
            return found
        word, position = first
        if word == ";":
            continue
        prefixes, program = _split_prefixes(word, context.version)
        outcome = IGNORED if "-" in prefixes else REFUSED
        try:
            path = _program(program, prefixes, context.version)
            count, position, more = _arguments(value, position, context.version)
        except Rejected as rejected:
            raise Rejected(rejected.what, rejected.hint, outcome) from None
        except ActivatorError as error:
            raise Rejected(error.message, error.hint, outcome) from None
        if "@" in prefixes and not count:
            raise Rejected("the name of argv[0] is missing", f"write @{path} NAME", outcome)
        if path.startswith("|") and "|" not in prefixes:
            what = f"the prefix | came with systemd {_SHELL_SINCE}: the program {path!r} is sought"
            found = note(what, "write /bin/sh -c '...'", BROKEN)
        if "!!" in prefixes and context.version >= _SHELL_SINCE:
            found = note("!! has no effect any more", "drop it")
        if not more:
            return found or _escapes(value)


def _escapes(value: str) -> Verdict | None:
    """Return a notice if an escape is unknown: systemd leaves its backslash where it is."""
    position = 0
    try:
        while (found := next_argument(value, position, CUNESCAPE)) is not None:
            position = found[1]
    except ActivatorError as error:
        return note(error.message, error.hint)
    return None


def _split_prefixes(word: str, version: int) -> tuple[str, str]:
    """Return the special characters before a program, and the rest."""
    taken = ""
    for char in word:
        privileges = sum(taken.count(mark) for mark in "+!")
        if char in "-@:" or (char == "|" and version >= _SHELL_SINCE):
            fits = char not in taken
        elif char == "+":
            fits = not privileges
        elif char == "!":
            fits = "+" not in taken and privileges < len("!!")
        else:
            fits = False
        if not fits:
            break
        taken += char
    return taken, word[len(taken) :]


def _program(program: str, prefixes: str, version: int) -> str:
    """Check the program of a command line.

    Raises:
        Rejected: systemd would not run it.
    """
    if bad := specifiers.fault(program, version):
        raise Rejected(f"unknown specifier {bad}", specifiers.advice(bad, version))
    path = specifiers.sample(program)
    if "|" in prefixes:
        # The shell looks for it.
        return path
    if not path:
        raise Rejected("the program is missing", "begin with an absolute path")
    if re.search(_UNSAFE, path) or (version >= _GLOB_SINCE and re.search(_GLOB, path)):
        raise Rejected("the program holds special characters", "rename it or link to it")
    if re.search(_DIRECTORY, path):
        raise Rejected(f"{path!r} is a directory", "give the program's path")
    if "/" in path and path[0] != "/":
        raise Rejected(f"{path!r} is a relative path", "give an absolute path or a bare name")
    if len(path.encode(errors="replace")) > (_PATH_MAX if path[0] == "/" else _NAME_MAX):
        raise Rejected("the program's path is too long", "")
    return path


def _arguments(value: str, position: int, version: int) -> tuple[int, int, bool]:
    r"""Check the arguments of one command.

    Returns:
        Their number, where they end, and whether a lone ``;`` ended them.

    Raises:
        ActivatorError: A quote is not closed.
        Rejected: A specifier is unknown.
    """
    count = 0
    while (found := next_argument(value, position)) is not None:
        word, position = found
        if word is None:
            return count, position, True
        if bad := specifiers.fault(word, version):
            raise Rejected(f"unknown specifier {bad}", specifiers.advice(bad, version))
        count += 1
    return count, position, False
