"""The files of xinetd: entries of attributes, and what they include."""

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from activator.adopt.model import Kind, Note
from activator.adopt.reading import read
from activator.errors import ActivatorError

_ATTRIBUTE = r"([A-Za-z0-9_]+)\s*([+-]?=)\s*(.*)"
# Files that include others; xinetd itself would not end.
_DEPTH_MAX = 16


class Attribute(NamedTuple):
    """A line within an entry.

    Attributes:
        name: The attribute.
        sign: ``=``, ``+=`` or ``-=``.
        words: Its values.
        place: Where it stands.
    """

    name: str
    sign: str
    words: tuple[str, ...]
    place: str


class Entry(NamedTuple):
    """An entry: a service, or the defaults.

    Attributes:
        service: The service's name; empty for the defaults.
        attributes: Its lines.
        place: Where it begins.
    """

    service: str
    attributes: tuple[Attribute, ...]
    place: str


class Files:
    """The entries of a file and of all that it includes, in their order.

    Attributes:
        entries: What was read.
        notes: What could not be.
    """

    def __init__(self, path: str) -> None:
        self.entries: list[Entry] = []
        self.notes: list[Note] = []
        self._opened: list[str] = []
        self.add(path)

    def add(self, path: str) -> None:
        """Read a file, or all of a folder that xinetd would.

        Raises:
            ActivatorError: It cannot be read.
        """
        if os.path.isdir(path):
            names = (
                name for name in sorted(os.listdir(path)) if "." not in name and name[-1] != "~"
            )
            for name in names:
                self._include(f"{path}/{name}", path)
        else:
            self._parse(read(path), path)

    def _include(self, path: str, place: str) -> None:
        """Read a file that another one names, as far as it can be."""
        if path in self._opened or len(self._opened) > _DEPTH_MAX:
            self.notes.append(Note(Kind.REFUSED, place, f"{path} includes itself"))
            return
        self._opened.append(path)
        try:
            self.add(path)
        except (ActivatorError, OSError) as error:
            what = error.message if isinstance(error, ActivatorError) else str(error.strerror)
            self.notes.append(Note(Kind.REFUSED, place, f"{path}: {what}"))
        self._opened.pop()

    def _parse(self, text: str, path: str) -> None:
        lines = _Lines(text, path)
        for words, place in lines:
            first = words[0]
            if first in ("include", "includedir") and len(words) > 1:
                self._include(words[1], place)
            elif first == "defaults" or (first == "service" and len(words) > 1):
                name = words[1].rstrip("{") if first == "service" else ""
                is_open = words[-1].endswith("{")
                self._entry(name, lines, place, is_open=is_open)
            else:
                what = f"{first!r} begins no entry, and xinetd would not read on"
                self.notes.append(Note(Kind.REFUSED, place, what))

    def _entry(self, service: str, lines: "_Lines", place: str, *, is_open: bool) -> None:
        attributes: list[Attribute] = []
        for words, here in lines:
            text = " ".join(words)
            if text == "{" and not is_open:
                is_open = True
                continue
            if text == "}" and is_open:
                self.entries.append(Entry(service, tuple(attributes), place))
                return
            match = re.fullmatch(_ATTRIBUTE, text)
            if not is_open or match is None:
                what = f"{text!r} is no attribute; write NAME = VALUE between braces"
                self.notes.append(Note(Kind.REFUSED, here, what))
                continue
            attributes.append(Attribute(match[1], match[2], tuple(match[3].split()), here))
        self.notes.append(
            Note(Kind.REFUSED, place, f"the entry {service or 'defaults'} is not closed")
        )


class _Lines:
    """The lines of a text that say something, split, each with its place; read once."""

    def __init__(self, text: str, path: str) -> None:
        self._lines = enumerate(text.split("\n"), 1)
        self._path = path

    def __iter__(self) -> Iterator[tuple[list[str], str]]:
        for number, line in self._lines:
            words = line.split()
            if words and not words[0].startswith("#"):
                yield words, f"{self._path}:{number}"
