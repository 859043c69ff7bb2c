r"""Quoting as systemd's own parser undoes it: the one place where text becomes a value.

:func:`raw`, :func:`word`, :func:`command` and :func:`assignment` turn *literal* text into
what a unit file must say so that systemd reads that very text again;
:mod:`activator.unitfile.unquoting` is the way back.

Nothing written here can end a line: systemd's reader ends one at ``\n``, ``\r`` and NUL,
which are escaped inside words and refused where no escape exists.

Source: systemd.syntax(7), systemd.service(5) "Command lines", systemd.unit(5) "Specifiers".
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from activator.errors import ActivatorError
from activator.unitfile.unquoting import PREFIXES, WHITESPACE

# Words of these characters alone need no quotes.
_PLAIN = r"[A-Za-z0-9_@%+=:,./$^~!?(){}\[\]|&<>*-]+\Z"
_SPECIAL = r'[\\"\x00-\x1f\x7f]'


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
    if not (text.isascii() and text.isprintable()):
        representable(text, what)
        if "\n" in text or "\r" in text:
            raise ActivatorError(f"{what} holds a line break", "write it on one line")
    if text != text.strip(WHITESPACE):
        raise ActivatorError(f"{what} begins or ends with white space", "remove it")
    if text.endswith("\\") and (len(text) - len(text.rstrip("\\"))) % 2:
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
    if _is_plain(text):
        return text
    if escapes:
        return '"' + re.sub(_SPECIAL, _escape, text) + '"'
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
            f"{name!r} is not a variable name", "use letters, digits and _, no digit first"
        )
    return word(f"{name}={value}", f"the variable {name}")


@lru_cache(maxsize=1024)  # most words of many specs are the same
def _is_plain(text: str) -> bool:
    """Tell whether a word needs no quotes."""
    return re.match(_PLAIN, text) is not None


def _escape(match: re.Match[str]) -> str:
    """Return the C escape of one character."""
    char = match.group()
    if char in '\\"':
        return "\\" + char
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(char, f"\\x{ord(char):02x}")
