"""Where a spec's values come from, so that every error can name its place."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from activator.errors import ActivatorError
from activator.generate.specfile.spec import Path

# Unsigned: systemd has such, though TOML promises signed ones alone.
_BITS = 64
# Tables and lists within each other; a spec has four levels.
_DEPTH_MAX = 32
# A dotted key of so many parts costs the standard parser their square in memory and time.
_PARTS = 500
_LONG_KEY = (
    r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){%d}""" % _PARTS  # noqa: UP031
)


class TomlSource:
    """A TOML text and the line of each of its values.

    Args:
        name: The file's name, for messages.
        text: The whole text.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._lines = text.removesuffix("\n").split("\n")
        if text.count(".") >= _PARTS and (long := re.search(_LONG_KEY, text)):
            raise _nested(f"{name}:{text.count(chr(10), 0, long.start()) + 1}")
        try:
            self.tree: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise _toml_error(name, str(error), len(self._lines)) from None
        except ValueError:  # int() takes no more digits
            raise self._too_large(self._long_line()) from None
        except RecursionError:
            raise _nested(name) from None
        for path, value in _values(self.tree):
            if len(path) > _DEPTH_MAX:
                raise _nested(self.place(path))
            if isinstance(value, int) and value.bit_length() > _BITS:
                raise self._too_large(self.line(path))

    def place(self, path: Path) -> str:
        """Return ``FILE:LINE`` of a value, or of the nearest table that should hold it."""
        return f"{self.name}:{self.line(path)}"

    def line(self, path: Path) -> int:
        """Return the number of the line where a value begins, from 1."""
        while path:
            if path in self._found:
                return self._found[path]
            path = path[:-1]
        return 1

    def _long_line(self) -> int:
        """Return the number of the line that has the longest row of digits."""
        longest = [max(map(len, re.findall("[0-9_]+", text)), default=0) for text in self._lines]
        return longest.index(max(longest)) + 1

    def _too_large(self, line: int) -> ActivatorError:
        return ActivatorError(
            "a number has more than 64 bits", "write a smaller one", place=f"{self.name}:{line}"
        )

    @cached_property
    def _found(self) -> dict[Path, int]:
        from activator.generate.specfile import lines  # noqa: PLC0415 - only an error needs one

        return lines.find("\n".join(self._lines))


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


def _values(tree: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Yield every value with the way to it, no deeper than a little beyond the limit."""
    waiting: list[tuple[Path, Any]] = [((), tree)]
    while waiting:
        path, value = waiting.pop()
        yield path, value
        if isinstance(value, dict):
            waiting += [((*path, key), item) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, index), item) for index, item in enumerate(value)]


def _nested(place: str) -> ActivatorError:
    return ActivatorError("nested too deeply", "a spec needs few levels", place=place)


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
