"""A draft as TOML: each line with a comment that says where it comes from."""

import re
from collections.abc import Iterable, Iterator

from activator.adopt.model import Draft, Line, Value
from activator.common.printable import printable

_BARE = r"[A-Za-z0-9_-]+"
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def text(draft: Draft) -> str:
    """Return a draft's text.

    Args:
        draft: Its texts are valid Unicode.
    """
    parts = [f"# Made by `activator adopt` from {printable(draft.origin)}.\n"]
    parts += _lines([Line("name", draft.name), *draft.keys])
    for socket in draft.sockets:
        parts += _table(["sockets", socket.name], socket.lines)
        parts += _table(["sockets", socket.name, "unit"], socket.unit)
        parts += _table(["sockets", socket.name, "install"], socket.install)
    for name in ("environment", "unit", "service", "install"):
        parts += _table([name], getattr(draft, name))
    return "".join(parts)


def string(value: str) -> str:
    """Return a text as a basic string of TOML."""
    return f'"{"".join(map(_escaped, value))}"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    return char if char.isprintable() else f"\\U{ord(char):08x}"


def _key(name: str) -> str:
    return name if re.fullmatch(_BARE, name) else string(name)


def _table(path: list[str], lines: Iterable[Line]) -> Iterator[str]:
    """Yield a table, unless it is empty."""
    if lines:
        yield f"\n[{'.'.join(map(_key, path))}]\n"
        yield from _lines(lines)


def _lines(lines: Iterable[Line]) -> Iterator[str]:
    """Yield the lines of a table; those of one name as a list, where the first of them stands."""
    named: dict[str, list[Line]] = {}
    for line in lines:
        named.setdefault(line.name, []).append(line)
    for name, several in named.items():
        if len(several) == 1:
            yield f"{_key(name)} = {_value(several[0].value)}{_comment(several[0])}\n"
            continue
        yield f"{_key(name)} = [\n"
        for line in several:
            yield f"    {_value(line.value)},{_comment(line)}\n"
        yield "]\n"


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(string, value))}]"
    if isinstance(value, dict):
        pairs = (f"{_key(name)} = {_value(each)}" for name, each in value.items())
        return f"{{ {', '.join(pairs)} }}"
    return string(value)


def _comment(line: Line) -> str:
    said = ": ".join(part for part in (line.place, line.why) if part)
    return f"  # {printable(said)}" if said else ""
