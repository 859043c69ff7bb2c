"""Units as lists of lines with their reasons, between a spec and its text."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from activator.unitfile import directives


class Line(NamedTuple):
    """One directive in a unit.

    Attributes:
        name: The directive.
        value: Its value in a unit file's own syntax.
        why: The reason it is there, a few words; empty for what the spec asks for itself.
        man: The manual page that describes it.
    """

    name: str
    value: str
    why: str = ""
    man: str = ""


class Section(NamedTuple):
    """A section and its lines, in order."""

    name: str
    lines: tuple[Line, ...]


class Unit(NamedTuple):
    """A unit file.

    Attributes:
        name: The file's name.
        sections: Its sections, in order; none is empty.
    """

    name: str
    sections: tuple[Section, ...]

    @property
    def entries(self) -> Iterator[tuple[str, str, str]]:
        """Yield (section, name, value) of every line, in order."""
        for section in self.sections:
            for line in section.lines:
                yield section.name, line.name, line.value

    @property
    def text(self) -> str:
        """Return the headers and assignments as they stand in the file, without comments."""
        said: list[str] = []
        for section in self.sections:
            said.append(f"\n[{section.name}]")
            said += [f"{name}={value}" for name, value, _, _ in section.lines]
        return "\n".join([*said, ""])


def line(section: str, name: str, value: str, why: str = "") -> Line:
    """Make a line, with the manual page that the catalogue names."""
    directive = directives.lookup(section, name)
    return Line(name, value, why, directive.man if directive else "")


def sections(parts: Iterable[tuple[str, Iterable[Line]]]) -> tuple[Section, ...]:
    """Make sections of those parts that have lines."""
    made = (Section(name, tuple(lines)) for name, lines in parts)
    return tuple(section for section in made if section.lines)
