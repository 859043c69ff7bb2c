r"""Take a list value apart, as systemd does for the directive at hand.

How much is undone differs: see :attr:`activator.directives.Directive.quoting`. The word
lists of :mod:`activator.quoting` undo everything, which is right for most, but not for
deciding whether systemd takes a line.
"""

from collections.abc import Iterator

from activator.values.verdict import Rejected

WHITESPACE = " \t\n\r"
# What is undone: nothing but backslashes, quotes too, C escapes too, quotes alone, or nothing.
PLAIN = "plain"
UNQUOTE = "unquote"
CUNESCAPE = "cunescape"
RETAIN = "retain"
VERBATIM = "verbatim"
# C escapes, but unknown ones stay as they are.
RELAXED = "relaxed"

_ESCAPES = {
    **dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True)),
    **{char: char for char in "\\\"'"},
    "s": " ",
}
_DIGITS = {"x": (2, 16), "u": (4, 16), "U": (8, 16)}


def words(text: str, mode: str = UNQUOTE) -> Iterator[str]:
    """Yield the words of a list value.

    Args:
        text: What stands after ``=``.
        mode: What is undone, one of this module's constants.

    Raises:
        Rejected: A quote is not closed or an escape is unknown.
    """
    quoted = mode in (UNQUOTE, CUNESCAPE, RELAXED, RETAIN) and ('"' in text or "'" in text)
    if not quoted and ("\\" not in text or mode in (VERBATIM, RETAIN)):
        yield from text.split()
        return
    position = 0
    while (found := first_word(text, position, mode)) is not None:
        word, position = found
        yield word


def first_word(text: str, position: int, mode: str) -> tuple[str, int] | None:
    """Return the next word and the position behind it, or None at the end.

    Raises:
        Rejected: A quote is not closed or an escape is unknown.
    """
    end = len(text)
    while position < end and text[position] in WHITESPACE:
        position += 1
    if position == end:
        return None
    out: list[str] = []
    quote = ""
    while position < end:
        char = text[position]
        position += 1
        if char == "\\" and mode not in (RETAIN, VERBATIM):
            piece, position = _escaped(text, position, mode)
            out.append(piece)
        elif char == quote:
            quote = ""
        elif not quote and char in "\"'" and mode not in (PLAIN, VERBATIM):
            quote = char
        elif not quote and char in WHITESPACE:
            break
        else:
            out.append(char)
    if quote:
        raise Rejected(f"the quote {quote} is not closed", f"close it, or write \\{quote}")
    return "".join(out), position


def fields(text: str, *, coalesce: bool = False, mode: str = PLAIN) -> list[str]:
    """Split a tuple such as ``SOURCE:DESTINATION``; a backslash keeps a colon.

    Args:
        text: The tuple.
        coalesce: Whether several colons in a row count as one.
        mode: What else a backslash does: :data:`PLAIN` or :data:`CUNESCAPE`.

    Raises:
        Rejected: An escape is unknown.
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
                char, position = _escaped(text, position, mode)
            elif char == "\\":
                char, position = ":", position + 1
            elif char == ":":
                parts.append("")
                continue
            parts[-1] += char
    return ([part for part in parts if part] or [""]) if coalesce else parts


def head(text: str) -> tuple[str, str | None]:
    """Return what stands before the first colon, and the rest as it stands.

    Returns:
        The rest is None if there is no colon.

    Raises:
        Rejected: A backslash ends the text.
    """
    name, colon, rest = text.partition(":")
    while colon and name.endswith("\\") and (len(name) - len(name.rstrip("\\"))) % 2:
        more, colon, rest = rest.partition(":")
        name = f"{name}:{more}"
    return fields(name)[0], rest if colon else None


def unescape(text: str) -> str:
    """Undo the C escapes of a whole value, quotes left alone.

    Raises:
        Rejected: An escape is unknown.
    """
    out: list[str] = []
    position = 0
    while (slash := text.find("\\", position)) >= 0:
        out.append(text[position:slash])
        piece, position = _escaped(text, slash + 1, CUNESCAPE)
        out.append(piece)
    return "".join([*out, text[position:]])


def _escaped(text: str, position: int, mode: str) -> tuple[str, int]:
    """Return what the escape stands for whose letter is at position."""
    if position == len(text):
        raise Rejected("a backslash ends the value", "write \\\\ for a backslash")
    letter = text[position]
    if mode not in (CUNESCAPE, RELAXED):
        return letter, position + 1
    if letter in _ESCAPES:
        return _ESCAPES[letter], position + 1
    count, base = _DIGITS.get(letter, (3, 8))
    start = position if base == 8 else position + 1  # noqa: PLR2004 - octal has no letter
    digits = text[start : start + count]
    try:
        number = int(digits, base) if digits.isalnum() and len(digits) == count else 0
    except ValueError:
        number = 0
    if not 0 < number <= (0x10FFFF if count > 3 else 0xFF):  # noqa: PLR2004 - \u and \U
        if mode == RELAXED:
            return f"\\{letter}", position + 1
        raise Rejected(f"unknown escape \\{letter}", "write \\\\ for a backslash")
    return chr(number), start + count
