"""Where a spec's values come from, so that every error can name its place."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from activator.errors import ActivatorError

# A way to a value: table names, keys and, last, an index into a list.
Path = tuple[str | int, ...]
# Unsigned: systemd has such, though TOML promises signed ones alone.
_BITS = 64


class TomlSource:
    """A TOML text and the line of each of its values.

    The standard parser keeps no line numbers. They are found, only when an error needs one,
    by parsing the text line by line: a value begins behind the longest valid beginning of
    the text that does not hold it yet.

    Args:
        name: The file's name, for messages.
        text: The whole text.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._lines = text.splitlines(keepends=True)
        try:
            self.tree: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise _toml_error(name, str(error), len(self._lines)) from None
        except ValueError:  # int() takes no more digits
            raise self._too_large(self._long_line()) from None
        except RecursionError:
            raise ActivatorError(
                "nested too deeply", "a spec needs few levels", place=name
            ) from None
        large = _large((), self.tree)
        if large is not None:
            raise self._too_large(self.line(large))

    def place(self, path: Path) -> str:
        """Return ``FILE:LINE`` of a value, or of the nearest table that should hold it."""
        return f"{self.name}:{self.line(path)}"

    def line(self, path: Path) -> int:
        """Return the number of the line where a value begins, from 1."""
        keys = tuple(part for part in path if isinstance(part, str))
        while keys:
            before = 0
            for count, tree in self._beginnings:
                if _holds(tree, keys):
                    index = path[-1] if len(keys) == len(path) - 1 else None
                    return self._item_line(keys, index, before, count)
                before = count
            keys, path = keys[:-1], ()
        return 1

    def _item_line(self, keys: tuple[str, ...], index: Any, before: int, end: int) -> int:
        """Return the line of a value, or of one item of a list that spans several lines."""
        first = before + 1
        while first < end and not self._lines[first - 1].split("#")[0].strip():
            first += 1
        if isinstance(index, int):
            for count in range(first, end):
                tree = _try("".join(self._lines[:count]) + "\n]")
                if tree is not None and _length(tree, keys) > index:
                    return count
            return end if end > first and index else first
        return first

    def _long_line(self) -> int:
        """Return the number of the line that has the longest row of digits."""
        longest = [max(map(len, re.findall("[0-9_]+", text)), default=0) for text in self._lines]
        return longest.index(max(longest)) + 1

    def _too_large(self, line: int) -> ActivatorError:
        return ActivatorError(
            "a number has more than 64 bits", "write a smaller one", place=f"{self.name}:{line}"
        )

    @cached_property
    def _beginnings(self) -> list[tuple[int, Mapping[str, Any]]]:
        """Return every valid beginning of the text: how many lines, and what they say."""
        trees = ((n, _try("".join(self._lines[:n]))) for n in range(1, len(self._lines) + 1))
        return [(count, tree) for count, tree in trees if tree is not None]


class OptionSource:
    """Values given as command-line options.

    Args:
        tree: The same tree a TOML file gives.
        options: A path → the option that gave it.
    """

    name = ""

    def __init__(self, tree: dict[str, Any], options: Mapping[Path, str]) -> None:
        self.tree = tree
        self._options = options

    def place(self, path: Path) -> str:
        """Return the option that gave a value, or nothing."""
        while path:
            if path in self._options:
                return self._options[path]
            path = path[:-1]
        return ""


def _try(text: str) -> Mapping[str, Any] | None:
    """Parse a text, or return None if it is not TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _large(path: Path, value: Any) -> Path | None:
    """Return the way to the first integer that TOML does not have, or None."""
    if isinstance(value, int):
        return path if value.bit_length() > _BITS else None
    items: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    found = (_large((*path, key), item) for key, item in items)
    return next((each for each in found if each is not None), None)


def _find(tree: Any, keys: tuple[str, ...]) -> Any:
    """Return the value at some keys, or None."""
    for key in keys:
        if not isinstance(tree, dict) or key not in tree:
            return None
        tree = tree[key]
    return tree


def _holds(tree: Any, keys: tuple[str, ...]) -> bool:
    """Tell whether there is a value at some keys."""
    return _find(tree, keys) is not None


def _length(tree: Any, keys: tuple[str, ...]) -> int:
    """Return the length of the list at some keys, or 0."""
    value = _find(tree, keys)
    return len(value) if isinstance(value, list) else 0


def _toml_error(name: str, message: str, last: int) -> ActivatorError:
    """Turn the parser's message into one with a place."""
    match = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    line = int(match[1]) if match and match[1] else max(last, 1)
    what = message[: match.start()] if match else message
    return ActivatorError(
        f"not TOML: {what[:1].lower()}{what[1:]}",
        'strings stand in quotes, as in name = "echo"',
        place=f"{name}:{line}",
    )
