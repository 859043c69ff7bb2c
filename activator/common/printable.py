"""Text for a terminal: whether it may have colours, and what others wrote is shown, not obeyed."""

import os


def colours() -> bool:
    """Tell whether the user wants colours where there is a terminal: no-color.org, TERM=dumb."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def printable(text: str) -> str:
    """Return text with control characters, and bytes that are no text, as hexadecimal escapes.

    What others wrote (a service's STATUS=, a unit's name, a log line) may hold escape sequences.
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escaped(ord(letter)) for letter in text)


def _escaped(number: int) -> str:
    if 0xDC80 <= number <= 0xDCFF:  # noqa: PLR2004 - a byte that is not UTF-8: surrogateescape
        number -= 0xDC00
    return f"\\x{number:02x}" if number <= 0xFF else f"\\u{number:04x}"  # noqa: PLR2004 - a byte
