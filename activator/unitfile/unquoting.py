r"""Take values apart as systemd's own parser does: words, tuples and command lines.

The reading half of quoting; :mod:`activator.unitfile.quoting` writes. What is undone differs from
directive to directive, and so every reader here takes a mode.

Escapes such as ``\xc3`` stand for bytes, and bytes that follow each other may make one
character. A byte that belongs to none is kept as Python keeps it in a file's name
(``surrogateescape``), so that a program gets the very byte; :func:`words` refuses it, as
systemd does in each list.

Source: systemd.syntax(7), systemd.service(5) "Command lines", and what three versions of
systemd made of units with such lines.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from activator.errors import ActivatorError

WHITESPACE = " \t\n\r"
# systemd.service(5): special prefixes of a command line; "|" is read from 258 on.
PREFIXES = "@-:+!|"

# What is undone: nothing but backslashes, quotes too, C escapes too, quotes alone, or nothing.
PLAIN = "plain"
UNQUOTE = "unquote"
CUNESCAPE = "cunescape"
RETAIN = "retain"
VERBATIM = "verbatim"
# As command lines: C escapes, but unknown ones stay as they are.
RELAXED = "relaxed"
# As $NAME in a command line: quotes and backslashes, and a quote may stay open.
VARIABLE = "variable"

_QUOTES_KEPT = (PLAIN, VERBATIM)
_C_ESCAPES = (CUNESCAPE, RELAXED)
_SLASHES_KEPT = (RETAIN, VERBATIM)
_ESCAPES = {
    **dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True)),
    **{char: char for char in "\\\"'"},
    "s": " ",
}
_NUMERIC = r"x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})"
_WORDS = r"[^ \t\n\r]+"
# What can be taken at once: ordinary characters, or a quoted text without escapes.
_PIECE = r"""([^\\"' \t\n\r]+)|"([^"\\]*)"|'([^'\\]*)'"""
_LAST_BYTE = 0xFF
_LAST = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)
_SEMICOLONS = r"(\\?;)(?=[ \t\n\r]|$)"


class Command(NamedTuple):
    """One command of an ``Exec*=`` line.

    Attributes:
        prefixes: The special characters before the path, such as ``-`` or ``@``.
        path: The program: an absolute path or a bare name. Specifiers are not expanded.
        argv: The arguments from ``argv[0]`` on; ``$`` and ``%`` are not expanded.
    """

    prefixes: str
    path: str
    argv: tuple[str, ...]


def words(text: str, mode: str = UNQUOTE) -> Iterator[str]:
    """Yield the words of a list value.

    Args:
        text: What stands after ``=``.
        mode: What is undone, one of this module's constants.

    Raises:
        ActivatorError: A quote is not closed, an escape is unknown, or escapes make invalid
            UTF-8. What stands before was yielded already: systemd keeps it, too.
    """
    quoted = mode not in _QUOTES_KEPT and ('"' in text or "'" in text)
    if not quoted and ("\\" not in text or mode in _SLASHES_KEPT):
        # str.split() knows more white space than systemd, all of it unprintable.
        yield from text.split() if text.isprintable() else re.findall(_WORDS, text)
        return
    position = 0
    while (found := next_word(text, position, mode)) is not None:
        word, position = found
        if (
            mode in _C_ESCAPES
            and not word.isascii()
            and any(ord(char) in _SURROGATES for char in word)
        ):
            raise ActivatorError("an escape makes invalid UTF-8", "write the character itself")
        yield word


def next_word(text: str, position: int, mode: str = RELAXED) -> tuple[str, int] | None:
    """Return the next word and the position behind it, or None at the end.

    Args:
        text: What stands after ``=``.
        position: Where to begin.
        mode: What is undone, one of this module's constants.

    Raises:
        ActivatorError: A quote is not closed or an escape is unknown.
    """
    position = _skip(text, position)
    end = len(text)
    if position == end:
        return None
    out: list[str] = []
    quote = ""
    quotes = "" if mode in _QUOTES_KEPT else "\"'"
    while position < end:
        if quotes and not quote and (piece := re.compile(_PIECE).match(text, position)):
            out.append(piece[piece.lastindex or 0])
            position = piece.end()
            continue
        char = text[position]
        position += 1
        if char == "\\" and mode not in _SLASHES_KEPT:
            char, position = _unescaped(text, position, mode)
        elif char in (quote or quotes):
            quote = "" if quote else char
            continue
        elif char in WHITESPACE and not quote:
            break
        out.append(char)
    if quote and mode != VARIABLE:
        raise ActivatorError(f"the quote {quote} is not closed", f"close it, or write \\{quote}")
    return _merged("".join(out)), position


def fields(text: str, *, coalesce: bool = False, mode: str = PLAIN) -> list[str]:
    """Split a tuple such as ``SOURCE:DESTINATION``; a backslash keeps a colon.

    Args:
        text: The tuple.
        coalesce: Whether several colons in a row count as one.
        mode: What else a backslash does: :data:`PLAIN` or :data:`CUNESCAPE`.

    Raises:
        ActivatorError: An escape is unknown.
    """
    if "\\" not in text:
        parts = text.split(":")
    else:
        parts = [""]
        position = 0
        while position < len(text):
            char = text[position]
            position += 1
            if char == "\\" and text[position : position + 1] != ":":
                char, position = _unescaped(text, position, mode)
            elif char == "\\":
                char, position = ":", position + 1
            elif char == ":":
                parts.append("")
                continue
            parts[-1] += char
        parts = [_merged(part) for part in parts]
    return ([part for part in parts if part] or [""]) if coalesce else parts


def head(text: str) -> tuple[str, str | None]:
    """Return what stands before the first colon, and the rest as it stands.

    Returns:
        The rest is None if there is no colon.

    Raises:
        ActivatorError: A backslash ends the text.
    """
    name, colon, rest = text.partition(":")
    while colon and name.endswith("\\") and (len(name) - len(name.rstrip("\\"))) % 2:
        more, colon, rest = rest.partition(":")
        name = f"{name}:{more}"
    return fields(name)[0], rest if colon else None


def unescape(text: str) -> str:
    """Undo the C escapes of a whole value, quotes left alone.

    Raises:
        ActivatorError: An escape is unknown.
    """
    out: list[str] = []
    position = 0
    while (slash := text.find("\\", position)) >= 0:
        out.append(text[position:slash])
        piece, position = _unescaped(text, slash + 1, CUNESCAPE)
        out.append(piece)
    return _merged("".join([*out, text[position:]]))


# --- command lines -----------------------------------------------------------------------


def split_command(value: str) -> list[Command]:
    r"""Split the value of an ``Exec*=`` directive into its commands.

    ``;`` as a word of its own separates commands, ``\;`` is a literal one. An unknown escape
    stays as it is: systemd says so in its log and goes on.

    Raises:
        ActivatorError: A quote is not closed, or a program is missing.
    """
    commands: list[Command] = []
    position = 0
    while (found := next_word(value, position)) is not None:
        first, position = found
        if first == ";":
            continue
        program = first.lstrip(PREFIXES)
        prefixes = first[: len(first) - len(program)]
        if not program:
            raise ActivatorError("the command has no program", "begin with an absolute path")
        arguments: list[str] = []
        while (token := next_argument(value, position)) is not None:
            text, position = token
            if text is None:
                break
            arguments.append(text)
        if "@" in prefixes:
            if not arguments:
                raise ActivatorError(
                    "the @ prefix needs a second word", "write @PATH ARGV0 ARGUMENT..."
                )
        else:
            arguments.insert(0, program)
        commands.append(Command(prefixes, program, tuple(arguments)))
    return commands


def next_argument(value: str, position: int, mode: str = RELAXED) -> tuple[str | None, int] | None:
    """Return a command's next argument and where it ends, or None at the end.

    Args:
        value: The command line.
        position: Where to begin.
        mode: :data:`RELAXED`, or :data:`CUNESCAPE` to be told of unknown escapes.

    Returns:
        The argument is None for a lone ``;``, which ends the command.

    Raises:
        ActivatorError: A quote is not closed, or an escape is unknown.
    """
    position = _skip(value, position)
    if match := re.compile(_SEMICOLONS).match(value, position):
        return (None if match[1] == ";" else ";"), match.end()
    return next_word(value, position, mode)


# --- characters --------------------------------------------------------------------------


def _skip(text: str, position: int) -> int:
    """Return where the white space at a position ends."""
    while position < len(text) and text[position] in WHITESPACE:
        position += 1
    return position


def _unescaped(text: str, position: int, mode: str) -> tuple[str, int]:
    """Return what the escape stands for whose letter is at position, and where it ends.

    A byte above 0x7f comes as the surrogate that stands for it; see :func:`_merged`.

    Raises:
        ActivatorError: The escape is unknown, and the mode does not keep such.
    """
    if position == len(text):
        if mode in (RELAXED, VARIABLE):
            return ("\\" if mode == RELAXED else ""), position
        raise ActivatorError("a backslash ends the value", "write \\\\ for a backslash")
    letter = text[position]
    if mode not in _C_ESCAPES:
        return letter, position + 1
    if letter in _ESCAPES:
        return _ESCAPES[letter], position + 1
    if match := re.compile(_NUMERIC).match(text, position):
        byte, octal, short, long = match.groups()
        number = int(octal, 8) if octal else int(byte or short or long, 16)
        last = _LAST if short or long else _LAST_BYTE
        if 0 < number <= last and number not in _SURROGATES:
            known = bytes([number]) if byte or octal else chr(number).encode()
            return known.decode("utf-8", "surrogateescape"), match.end()
    if mode == RELAXED:
        return f"\\{letter}", position + 1
    raise ActivatorError(f"unknown escape \\{letter}", "write \\\\ for a backslash")


def _merged(text: str) -> str:
    """Return a text with the bytes that escapes gave made into characters.

    Raises:
        ActivatorError: The text was no valid Unicode before.
    """
    if text.isascii():
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ActivatorError("the value is not valid Unicode", "write it as UTF-8") from None
