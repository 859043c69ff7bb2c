"""What systemd escapes where it prints, undone.

Source: cescape() and shell_maybe_quote() of systemd, as systemctl show prints Listen= and lists.
"""

import re
import shlex

_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|[0-7]{3}|.)", re.DOTALL)
_LETTERS = dict(zip(b"abfnrtvs", b"\a\b\f\n\r\t\v ", strict=True))


def unescaped(text: str) -> str:
    """Return what a text with C's escapes stands for, as paths are in Python."""

    def meant(match: re.Match[bytes]) -> bytes:
        code = match[1]
        if code[:1] == b"x" and len(code) > 1:
            return bytes.fromhex(code[1:].decode())
        if len(code) > 1:
            return bytes([int(code, 8) & 0xFF])
        return bytes([_LETTERS.get(code[0], code[0])])

    raw = text.encode(errors="surrogateescape")
    return _ESCAPE.sub(meant, raw).decode(errors="surrogateescape")


def words(text: str) -> list[str]:
    """Return the elements of a list, which are in quotation marks where they have to be."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
