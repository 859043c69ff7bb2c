r"""Quoting and unquoting as systemd's own parser does it: the one place where that happens.

Two directions:

* reading: :func:`split_words` and :func:`split_command` undo quotes, C escapes and prefixes;
* writing: :func:`raw`, :func:`word`, :func:`command` and :func:`assignment` turn *literal*
  text into what a unit file must say so that systemd reads that very text again.

Nothing written here can end a line: systemd's reader ends one at ``\n``, ``\r`` and NUL,
which are escaped inside words and refused where no escape exists.

Source: systemd.syntax(7), systemd.service(5) "Command lines", systemd.unit(5) "Specifiers".
"""

import re
import sys
from collections.abc import Sequence
from typing import NamedTuple

from activator.errors import ActivatorError

WHITESPACE = " \t\n\r"
# systemd.service(5): special prefixes of a command line; "|" is read from 258 on.
PREFIXES = "@-:+!|"

_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    '"': '"',
    "'": "'",
    "s": " ",
}
_NUMERIC = re.compile(r"x[0-9a-fA-F]{2}|[0-7]{3}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}")
# Words of these characters alone need no quotes.
_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./$^~!?(){}\[\]|&<>*-]+\Z")
_SURROGATES = range(0xD800, 0xE000)
_SPECIAL = re.compile(r'[\\"\x00-\x1f\x7f]')


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


# --- reading ---------------------------------------------------------------------------


def split_words(value: str) -> list[str]:
    """Split a list value into words, undoing quotes and C escapes.

    Args:
        value: What stands after ``=``.

    Raises:
        ActivatorError: A quote is not closed, or an escape is unknown.
    """
    words: list[str] = []
    position = 0
    while (found := _next_word(value, position)) is not None:
        text, position = found
        words.append(text)
    return words


def split_command(value: str) -> list[Command]:
    r"""Split the value of an ``Exec*=`` directive into its commands.

    ``;`` as a word of its own separates commands, ``\;`` is a literal one.

    Raises:
        ActivatorError: A quote is not closed, an escape is unknown, or a path is missing.
    """
    commands: list[Command] = []
    position = 0
    while (found := _next_word(value, position)) is not None:
        first, position = found
        program = first.lstrip(PREFIXES)
        prefixes = first[: len(first) - len(program)]
        if not program:
            raise ActivatorError("the command has no program", "begin with an absolute path")
        arguments: list[str] = []
        while (token := _next_token(value, position)) is not None:
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


def _next_token(value: str, position: int) -> tuple[str | None, int] | None:
    """Return the next argument and where it ends; None as the argument is a lone ``;``."""
    while position < len(value) and value[position] in WHITESPACE:
        position += 1
    for text, token in ((";", None), ("\\;", ";")):
        end = position + len(text)
        if value.startswith(text, position) and (end == len(value) or value[end] in WHITESPACE):
            return token, end
    return _next_word(value, position)


def _next_word(value: str, position: int) -> tuple[str, int] | None:
    """Return the next word and the position behind it, or None at the end."""
    while position < len(value) and value[position] in WHITESPACE:
        position += 1
    if position == len(value):
        return None
    out = bytearray()
    quote = ""
    while position < len(value):
        char = value[position]
        position += 1
        if char == "\\":
            piece, position = _unescape(value, position)
            out += piece
        elif char == quote:
            quote = ""
        elif not quote and char in "\"'":
            quote = char
        elif not quote and char in WHITESPACE:
            break
        else:
            out += char.encode("utf-8", "surrogateescape")
    if quote:
        raise ActivatorError(f"the quote {quote} is not closed", f"close it, or write \\{quote}")
    try:
        return out.decode("utf-8"), position
    except UnicodeDecodeError:
        hint = "write the character itself"
        raise ActivatorError("an escape makes invalid UTF-8", hint) from None


def _unescape(value: str, position: int) -> tuple[bytes, int]:
    """Decode the escape whose letter stands at position."""
    if position == len(value):
        raise ActivatorError("a backslash ends the value", "write \\\\ for a backslash")
    letter = value[position]
    if letter in _ESCAPES:
        return _ESCAPES[letter].encode(), position + 1
    match = _NUMERIC.match(value, position)
    if match is None:
        raise ActivatorError(f"unknown escape \\{letter}", "write \\\\ for a backslash")
    digits = match.group()
    number = int(digits, 8) if digits[0] not in "xuU" else int(digits[1:], 16)
    unicode = digits[0] in "uU"
    if not 0 < number <= (sys.maxunicode if unicode else 0xFF) or number in _SURROGATES:
        raise ActivatorError(f"\\{digits} is no character that a unit file can hold")
    return (chr(number).encode() if unicode else bytes([number])), match.end()


# --- writing ---------------------------------------------------------------------------


def representable(text: str, what: str = "the value") -> str:
    """Return the text if a unit file can hold it at all.

    Raises:
        ActivatorError: It holds NUL or is no valid Unicode.
    """
    if "\0" in text:
        raise ActivatorError(f"{what} holds a NUL character", "no unit file can hold one")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ActivatorError(f"{what} is not valid Unicode", "write it as UTF-8") from None
    return text


def escape_specifiers(text: str) -> str:
    """Double every ``%`` so that systemd expands none of them."""
    return text.replace("%", "%%")


def raw(text: str, what: str = "the value", *, specifiers: bool = True) -> str:
    r"""Write literal text as the value of a directive that takes its line as it stands.

    Such directives (``Description=``) undo no quotes, so what would end or trim the line
    cannot be written at all.

    Args:
        text: The literal text.
        what: What to call it in an error.
        specifiers: Whether the directive expands ``%``, which is then doubled.

    Raises:
        ActivatorError: The text holds a line break or NUL, begins or ends with white space,
            or ends with an odd number of backslashes (the line would continue).
    """
    representable(text, what)
    if "\n" in text or "\r" in text:
        raise ActivatorError(f"{what} holds a line break", "write it on one line")
    if text != text.strip(WHITESPACE):
        raise ActivatorError(f"{what} begins or ends with white space", "remove it")
    if (len(text) - len(text.rstrip("\\"))) % 2:
        raise ActivatorError(f"{what} ends with a backslash", "systemd would join the next line")
    return escape_specifiers(text) if specifiers else text


def word(
    text: str, what: str = "the value", *, specifiers: bool = True, escapes: bool = True
) -> str:
    """Write literal text as one word of a list, quoted where it must be.

    Args:
        text: The literal text.
        what: What to call it in an error.
        specifiers: Whether the directive expands ``%``, which is then doubled.
        escapes: Whether it undoes C escapes. Lists of paths only take a backslash away,
            whatever follows it, so a line break has no form there.

    Raises:
        ActivatorError: The text holds NUL, is no valid Unicode, or has no form.
    """
    representable(text, what)
    if specifiers:
        text = escape_specifiers(text)
    # Outside quotes a lone ";" would separate commands.
    if _PLAIN.match(text):
        return text
    if escapes:
        return '"' + _SPECIAL.sub(_escape, text) + '"'
    if "\n" in text or "\r" in text:
        raise ActivatorError(f"{what} holds a line break", "write it on one line")
    return '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'


def argument(text: str, what: str = "the argument") -> str:
    """Write literal text as one argument of a command line: also ``$`` is doubled.

    Raises:
        ActivatorError: The text holds NUL or is no valid Unicode.
    """
    return word(text.replace("$", "$$"), what)


def command(argv: Sequence[str]) -> str:
    """Write literal arguments as the value of an ``Exec*=`` directive.

    Args:
        argv: The program (an absolute path or a bare name) and its arguments.

    Raises:
        ActivatorError: There is no program, it is a relative path or begins like a prefix,
            or something cannot be represented.
    """
    if not argv or not argv[0]:
        raise ActivatorError("the command has no program", "begin with an absolute path")
    program = argv[0]
    if "/" in program and not program.startswith("/"):
        raise ActivatorError(
            f"the program {program!r} is a relative path", "give an absolute path or a bare name"
        )
    if program[0] in PREFIXES:
        raise ActivatorError(
            f"the program {program!r} begins with a special character", "give its absolute path"
        )
    rest = [argument(text) for text in argv[1:]]
    path = word(program, "the program")
    if "$" in program:
        # systemd expands $ in argv[0] but not in the path, so the two are given apart.
        return " ".join(["@" + path, argument(program), *rest])
    return " ".join([path, *rest])


def assignment(name: str, value: str) -> str:
    """Write an environment variable as one word of ``Environment=``.

    Raises:
        ActivatorError: The name is none, or the value cannot be represented.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ActivatorError(
            f"{name!r} is no name of a variable", "use letters, digits and _, no digit first"
        )
    return word(f"{name}={value}", f"the variable {name}")


def _escape(match: re.Match[str]) -> str:
    """Return the C escape of one character."""
    char = match.group()
    if char in '\\"':
        return "\\" + char
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(char, f"\\x{ord(char):02x}")
