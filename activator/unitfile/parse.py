r"""Unit files without loss: every comment, repeat, reset and continuation line is kept.

A :class:`UnitFile` is a list of chunks in file order; dumping it gives the same bytes
again. Quoting of values lives in :mod:`activator.unitfile.quoting` and
:mod:`activator.unitfile.unquoting`.

Source: systemd.syntax(7), and systemd's own reader for what the manual leaves open (a
comment inside a continued line is skipped; ``\r`` ends a line; a byte order mark is
skipped).
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Self

from activator.errors import ActivatorError
from activator.unitfile.unquoting import WHITESPACE

# The longest line, with its continuations, that systemd reads: bytes.
LINE_MAX = 1024 * 1024

# Of one character.
_BYTES_MAX = 4
_GIVEN_UP = "where systemd gives the file up"

# A line with its end, which is what systemd's reader takes for one.
_PHYSICAL_LINE = r"[^\n\r\0]*(?:\r\n|[\n\r\0])|[^\n\r\0]+"


class OutsideError(ActivatorError):
    """An assignment stands before any section."""


class BrokenFileError(ActivatorError):
    """systemd gives the file up: it does not load a unit, and of a drop-in keeps what is before."""


class Entry(NamedTuple):
    """One assignment.

    Attributes:
        section: The section's name without brackets.
        name: The directive.
        value: What stands after ``=``, continuation lines joined, trimmed.
        line: The number of its first line, from 1.
        file: The file's name as given to :meth:`UnitFile.parse`.
    """

    section: str
    name: str
    value: str
    line: int = 0
    file: str = ""

    @property
    def place(self) -> str:
        """Return ``FILE:LINE`` for messages."""
        return f"{self.file}:{self.line}"


class Chunk(NamedTuple):
    """A piece of a unit file: one line, or several joined by continuation.

    Attributes:
        raw: The text as it stands, with its line ends.
        line: The number of its first line, from 1.
        entry: The assignment it makes, if it makes one.
        section: The section it opens, if it is a header.
        problem: Why systemd skips it, if it does.
    """

    raw: str
    line: int
    entry: Entry | None = None
    section: str | None = None
    problem: ActivatorError | None = None


class UnitFile:
    """A unit file as a list of chunks.

    Attributes:
        name: The file's name, for messages.
        chunks: Its pieces in order; ``dump()`` joins them.
    """

    def __init__(self, name: str = "", chunks: Iterable[Chunk] = ()) -> None:
        self.name = name
        self.chunks = list(chunks)

    @classmethod
    def parse(cls, text: str, name: str = "") -> Self:
        """Read a unit file's text; what systemd would skip is kept as a problem.

        Args:
            text: The file's whole text.
            name: Its name, used in :attr:`Entry.file`.
        """
        return cls(name, _chunks(text, name))

    def dump(self) -> str:
        """Return the text: the same that was parsed, but for what was changed since."""
        return "".join(chunk.raw for chunk in self.chunks)

    @property
    def entries(self) -> list[Entry]:
        """Return all assignments in order, repeats and empty resets included."""
        return [chunk.entry for chunk in self.chunks if chunk.entry is not None]

    @property
    def problems(self) -> list[ActivatorError]:
        """Return what systemd would skip, each with its place."""
        return [chunk.problem for chunk in self.chunks if chunk.problem is not None]

    @property
    def broken(self) -> ActivatorError | None:
        """Return why systemd gives the file up, if it does; nothing behind it is read."""
        found = (each for each in self.problems if isinstance(each, BrokenFileError))
        return next(found, None)

    def get_all(self, section: str, name: str) -> list[str]:
        """Return a directive's values in order; an empty assignment clears those before."""
        return effective(
            entry.value for entry in self.entries if entry.section == section and entry.name == name
        )

    def get(self, section: str, name: str, default: str | None = None) -> str | None:
        """Return a directive's last value, or the default if there is none."""
        values = self.get_all(section, name)
        return values[-1] if values else default


def effective(values: Iterable[str]) -> list[str]:
    """Return the values that count: an empty one clears those before it."""
    kept: list[str] = []
    for value in values:
        if value:
            kept.append(value)
        else:
            kept.clear()
    return kept


def _chunks(text: str, name: str) -> Iterator[Chunk]:
    """Yield the chunks of a text, tracking the section they stand in."""
    section: str | None = None
    logical = _logical_lines(text)
    for raw, line, joined in logical:
        chunk = _chunk(raw, line, joined, section, name)
        if chunk.section is not None:
            section = chunk.section
        yield chunk
        if isinstance(chunk.problem, BrokenFileError):
            break
    for raw, line, _ in logical:
        yield Chunk(raw, line)


def _chunk(raw: str, line: int, joined: str, section: str | None, name: str) -> Chunk:
    """Tell what one logical line is."""
    content = joined.strip(WHITESPACE)
    try:
        if len(raw) * _BYTES_MAX >= LINE_MAX:
            _measure(raw, joined)
        if not content or content[0] in "#;":
            return Chunk(raw, line)
        if content[0] == "[":
            return Chunk(raw, line, section=_header(content))
        key, value = _assignment(content)
    except ActivatorError as problem:
        return Chunk(raw, line, problem=problem.at(f"{name}:{line}"))
    if section is None:
        message = "the assignment stands before any section"
        outside = OutsideError(message, "begin with [Unit]", place=f"{name}:{line}")
        return Chunk(raw, line, problem=outside)
    return Chunk(raw, line, entry=Entry(section, key, value, line, name))


def _measure(raw: str, joined: str) -> None:
    """Refuse what is longer than systemd reads: a line of the file, or several joined."""
    sizes = [_size(line.rstrip("\r\n\0")) for line in re.findall(_PHYSICAL_LINE, raw)]
    if max(*sizes, _size(joined) - 1) >= LINE_MAX:
        hint = f"it reads less than {LINE_MAX} bytes"
        raise BrokenFileError(f"the line is too long, {_GIVEN_UP}", hint)


def _size(text: str) -> int:
    return len(text.encode(errors="surrogateescape"))


def _header(content: str) -> str:
    """Return the name in a section header."""
    if content == "[]":
        what = "the section header [] has no name, where a new systemd gives the file up"
        raise BrokenFileError(what, "write such as [Unit]")
    if content[-1] != "]":
        what = f"the section header {content!r} is not closed, {_GIVEN_UP}"
        comment = re.search(r"\]\s*[#;]", content)
        hint = "a comment stands on a line of its own" if comment else "end it with ]"
        raise BrokenFileError(what, hint)
    return content[1:-1]


def _assignment(content: str) -> tuple[str, str]:
    """Return the name and the value of an assignment."""
    key, equals, value = content.partition("=")
    if not equals:
        message = f"{content!r} is not an assignment"
        raise ActivatorError(message, "write NAME=VALUE, or # for a comment")
    if not key.strip(WHITESPACE):
        raise ActivatorError("the assignment has no name", "write NAME=VALUE")
    return key.strip(WHITESPACE), value.strip(WHITESPACE)


def _logical_lines(text: str) -> Iterator[tuple[str, int, str]]:
    """Yield (raw text, first line number, joined content) of each logical line."""
    raw: list[str] = []
    joined: list[str] = []
    start = 0
    for number, physical in enumerate(re.findall(_PHYSICAL_LINE, text), 1):
        content = physical.lstrip("\ufeff") if number == 1 else physical
        content = content.rstrip("\r\n\0")
        comment = content.lstrip(WHITESPACE)[:1] in ("#", ";")
        if comment and not raw:
            yield physical, number, ""
            continue
        start = start if raw else number
        raw.append(physical)
        if comment:
            continue  # between continued lines, it is skipped
        if _continues(content):
            joined.append(f"{content[:-1]} ")
            continue
        yield "".join(raw), start, "".join([*joined, content])
        raw, joined = [], []
    if raw:
        yield "".join(raw), start, "".join(joined)


def _continues(text: str) -> bool:
    """Tell whether a line ends in a backslash that is not itself escaped."""
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1
