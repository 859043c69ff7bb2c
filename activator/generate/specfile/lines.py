"""Where each value of a TOML text stands.

The standard parser keeps no lines. The text is known to be right by now, so that little of the
grammar is left: what opens and closes, keys, and where a value ends.
"""

import re
import tomllib
from collections.abc import Iterator

from activator.generate.specfile.spec import Path

# No key of a spec has more parts; a longer one would be looked at far too often.
_PARTS_MAX = 40
_TOKEN = re.compile(
    r"""
      (?P<newline> \n )
    | (?P<skip> [ \t\r]+ | \#[^\n]* )
    | (?P<text> \"{3} (?: [^\\] | \\. )*? \"{3,5} | '{3} .*? '{3,5} | "(?:[^"\\]|\\.)*" | '[^']*' )
    | (?P<mark> [][{},=.] )
    | (?P<bare> [^][{},=.\s\#"']+ )
    """,
    re.VERBOSE | re.DOTALL,
)
_Token = tuple[str, int]  # its text, and its line


def find(text: str) -> dict[Path, int]:
    """Return the line on which each table and each value begins, from 1.

    Args:
        text: Valid TOML.
    """
    found: dict[Path, int] = {}
    tokens = _tokens(text)
    table: Path = ()
    for word, line in tokens:
        if word == "[":
            table = _key(tokens, "]")
            _note(found, table, line)
        elif word not in ("\n", "]"):
            path = (*table, *_key(tokens, "=", word))
            _note(found, path, line)
            _value(tokens, path, found)
    return found


def _tokens(text: str) -> Iterator[_Token]:
    """Yield the tokens of a text, without space and comments."""
    line = 1
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "skip":
            yield match[0], line
        line += match[0].count("\n")


def _key(tokens: Iterator[_Token], end: str, first: str = "") -> tuple[str, ...]:
    """Return a key's parts, up to the word that ends it."""
    parts = [first] if first else []
    for word, _ in tokens:
        if word == end:
            break
        if word not in ".[":
            parts.append(word)
    return tuple(map(_literal, parts[:_PARTS_MAX]))


def _literal(part: str) -> str:
    """Return a part of a key without its quotes."""
    return str(tomllib.loads(f"key = {part}")["key"]) if part[0] in "\"'" else part


def _value(tokens: Iterator[_Token], path: Path, found: dict[Path, int]) -> None:
    """Note a value's parts, up to its end."""
    # The lists and inline tables that are open: the way to each, and the index in a list.
    opened: list[tuple[Path, int | None]] = []
    here, named = path, False
    for word, line in tokens:
        if word == "\n" and not opened:
            return
        if word in "]}":
            opened.pop()
        elif word == ",":
            where, index = opened[-1]
            opened[-1] = (where, None if index is None else index + 1)
        elif word not in "\n.=":
            where, index = opened[-1] if opened else (path, -1)
            if opened and not named:
                here = (*where, *_key(tokens, "=", word)) if index is None else (*where, index)
                _note(found, here, line)
            named = index is None and not named  # its value comes next
            if word in "[{" and not named:
                opened.append((here, 0 if word == "[" else None))


def _note(found: dict[Path, int], path: Path, line: int) -> None:
    """Note where a value begins, and the tables that it is the first to name."""
    for length in range(len(path), 0, -1):
        if path[:length] in found:
            break
        found[path[:length]] = line
