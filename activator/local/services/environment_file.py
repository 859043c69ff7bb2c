"""Read the files of EnvironmentFile=, in systemd's own syntax, which is not the shell's.

Source: systemd.exec(5), EnvironmentFile=, and what 252 and 257 made of such files. Values go
over quotes that follow each other; a quote inside an unquoted value is itself.
"""

import glob
import os
import re
from collections.abc import Iterator

from activator.common.regular_file import contents
from activator.errors import ActivatorError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SPACE = " \t\n\r"
_ENDS = "\n\r"
_ESCAPED_IN_DOUBLE = '"\\`$'


def read(pattern: str, place: str, *, optional: bool) -> dict[str, str]:
    """Return the variables of all files that match a pattern, in the order of their names.

    Args:
        pattern: An absolute path, perhaps with the shell's wildcards.
        place: FILE:LINE of the directive, for messages.
        optional: Whether it is no error that there is none, or that it cannot be read.

    Raises:
        ActivatorError: There is no such file, or it cannot be read.
    """
    found: dict[str, str] = {}
    paths = sorted(glob.glob(pattern)) if glob.has_magic(pattern) else [pattern]  # noqa: PTH207
    try:
        if not paths:
            raise FileNotFoundError(2, "No such file or directory", pattern)
        for path in paths:
            data = contents(path)[0] if path != os.devnull else b""
            found |= parse(data.decode(errors="surrogateescape"))
    except OSError as error:
        if optional:
            return found
        raise ActivatorError(
            f"cannot read the environment file {error.filename}: {error.strerror}",
            f"write the file, or EnvironmentFile=-{pattern} if it may be missing",
            place=place,
        ) from None
    return found


def parse(text: str) -> dict[str, str]:
    """Return the variables of a file's text; what is no assignment is skipped."""
    return {name: value for name, value in _assignments(text) if _NAME.fullmatch(name)}


def _assignments(text: str) -> Iterator[tuple[str, str]]:
    """Yield each name and value, whatever the name."""
    position = 0
    while position < len(text):
        char = text[position]
        if char in _SPACE:
            position += 1
        elif char in "#;":
            position = _after_comment(text, position)
        else:
            end = position
            while end < len(text) and text[end] not in f"={_ENDS}":
                end += 1
            name = text[position:end].rstrip(_SPACE)
            if end < len(text) and text[end] == "=":
                value, position = _value(text, end + 1)
                yield name, value
            else:
                position = end


def _after_comment(text: str, position: int) -> int:
    """Return where a comment ends; a backslash takes the next line to it."""
    while position < len(text) and text[position] not in _ENDS:
        position += 2 if text[position] == "\\" else 1
    return position


def _value(text: str, position: int) -> tuple[str, int]:
    """Return a value and the position behind it."""
    out: list[str] = []
    plain = False  # whether unquoted text has begun, in which quotes are themselves
    kept = 0  # how much of the value stays when blanks at its end are cut
    while position < len(text) and text[position] not in _ENDS:
        char = text[position]
        position += 1
        if char == "\\":
            plain = True
            if position < len(text) and text[position] not in _ENDS:
                out.append(text[position])
                kept = len(out)
            position += 1
        elif char in "\"'" and not plain:
            position = _quoted(text, position, char, out)
            kept = len(out)
        elif char in _SPACE:
            if plain:
                out.append(char)
        else:
            plain = True
            out.append(char)
            kept = len(out)
    return "".join(out[:kept]), position


def _quoted(text: str, position: int, quote: str, out: list[str]) -> int:
    """Append a quoted text; return the position behind its end."""
    while position < len(text) and text[position] != quote:
        char = text[position]
        position += 1
        if quote == '"' and char == "\\" and position < len(text):
            char = text[position]
            position += 1
            if char == "\n":
                continue
            if char not in _ESCAPED_IN_DOUBLE:
                out.append("\\")
        out.append(char)
    return position + 1
