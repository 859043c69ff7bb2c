"""The text of units for a terminal: with colours, and with lines that fit."""

import re
from collections.abc import Iterator
from textwrap import wrap

import click

from activator.common.printable import colours

_NARROWEST = 30


def shown(text: str, width: int) -> str:
    """Return a text of units for a terminal.

    It says the same to systemd: comments take several lines, and assignments are continued.

    Args:
        text: The units' text.
        width: The columns of the terminal.
    """
    width = max(width, _NARROWEST)
    coloured = colours()
    return "".join(
        f"{_coloured(piece, line) if coloured else piece}\n"
        for line in text.splitlines()
        for piece in _fitting(line, width)
    )


def _coloured(piece: str, line: str) -> str:
    """Return a part of a line as it looks: sections in bold, comments in another colour."""
    if line.startswith("#"):
        return click.style(piece, fg="cyan")
    return click.style(piece, bold=True) if line.startswith("[") else piece


def _fitting(line: str, width: int) -> Iterator[str]:
    """Yield a line as lines that fit, as far as it can be broken."""
    if len(line) <= width:
        yield line
    elif line.startswith("#"):
        yield from _broken(line, width, "# ")
    elif "'" in line or '"' in line or re.search(r"\s{2}", line):
        # White space within quotes is to stay as it is.
        yield line
    else:
        *pieces, last = _broken(line, width - 2, "    ")
        yield from (f"{piece} \\" for piece in pieces)
        yield last


def _broken(line: str, width: int, indent: str) -> list[str]:
    return wrap(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
