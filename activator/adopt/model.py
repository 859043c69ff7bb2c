"""What a source says of a service: sockets, a command and settings, each with its place."""

from enum import Enum
from typing import NamedTuple

# A value of a spec, as TOML has it.
Value = str | int | bool | list[str] | dict[str, str | list[str]]


class Kind(Enum):
    """What became of a part of a source."""

    CHANGED = "changed"  # says or does something else now
    GONE = "gone"  # has no counterpart, or none that is needed
    DECIDE = "decide"  # a person has to look at it
    REFUSED = "refused"  # cannot be taken over


class Note(NamedTuple):
    """A sentence of the report.

    Attributes:
        kind: What became of it.
        place: Where it stands, ``FILE:LINE``; empty for what the source does not say.
        text: What it is, and what holds now.
    """

    kind: Kind
    place: str
    text: str


class Line(NamedTuple):
    """A line of the spec.

    Attributes:
        name: A key of the spec, or a directive.
        value: Its value; several lines of one directive become a list.
        place: Where it comes from, ``FILE:LINE``; empty for what the source does not say.
        why: Why it is there, for what the source does not say in these words.
    """

    name: str
    value: Value
    place: str = ""
    why: str = ""


class Socket(NamedTuple):
    """A table ``[sockets.NAME]``.

    Attributes:
        name: Its name, which descriptors have too.
        lines: The directives of [Socket], and ``mode`` if it is not the spec's.
        unit: Those of [Unit].
        install: Those of [Install].
    """

    name: str
    lines: tuple[Line, ...]
    unit: tuple[Line, ...] = ()
    install: tuple[Line, ...] = ()


class Draft(NamedTuple):
    """A spec, before it is text.

    Attributes:
        name: The name of the units.
        origin: What it was made from, in words.
        keys: The spec's own keys but the name.
        sockets: The sockets.
        environment: Variables of the service.
        unit: Directives of [Unit] of the service.
        service: Those of [Service].
        install: Those of [Install].
    """

    name: str
    origin: str
    keys: tuple[Line, ...]
    sockets: tuple[Socket, ...]
    environment: tuple[Line, ...] = ()
    unit: tuple[Line, ...] = ()
    service: tuple[Line, ...] = ()
    install: tuple[Line, ...] = ()

    @property
    def kept(self) -> int:
        """Return how many lines of the source stand in the spec."""
        tables = [self.keys, self.environment, self.unit, self.service, self.install]
        for socket in self.sockets:
            tables += [socket.lines, socket.unit, socket.install]
        return len({line.place for table in tables for line in table if line.place})


class Adopted(NamedTuple):
    """What became of one service of a source.

    Attributes:
        source: The service as the source has it: a unit, or the place of a line.
        draft: The spec; None if the service cannot be taken over.
        notes: The report.
        text: The spec's text, once it is written and checked.
    """

    source: str
    draft: Draft | None
    notes: tuple[Note, ...] = ()
    text: str = ""
