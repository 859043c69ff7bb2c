"""What podman's Quadlet reads: kinds of files, sections, keys; looks at no machine.

Quadlet is a generator: of each ``NAME.container`` and its like it makes a service, at boot and
at each ``systemctl daemon-reload``. It passes [Unit], [Service] and [Install] on to systemd; a
key that it does not know in a section of its own makes it leave the whole file out.

Source: podman-systemd.unit(5), and the tables of Quadlet's own sources, of each version.
"""

from functools import cache
from typing import NamedTuple

from activator.common import tables
from activator.common.suggest import nearest
from activator.unitfile.quadlet.versions import Version, parsed, written

MANUAL = "podman-systemd.unit(5)"
# The section that all kinds of files may have.
COMMON = "Quadlet"


class Kind(NamedTuple):
    """One kind of file.

    Attributes:
        suffix: How its name ends, without the dot.
        section: The section of its own.
        since: The first podman that reads it.
        ending: What the service's name has behind the file's.
        summary: What the service does.
    """

    suffix: str
    section: str
    since: Version
    ending: str
    summary: str


class Key(NamedTuple):
    """One key of a section that is Quadlet's own.

    Attributes:
        section: The section's name without brackets.
        name: The key, in podman's spelling.
        since: The first podman that knows it.
        type: What a value may be: a row of ``forms.tsv``.
        repeat: What several lines do: ``single``, ``lines`` or ``words``.
    """

    section: str
    name: str
    since: Version
    type: str
    repeat: str


@cache
def kinds() -> dict[str, Kind]:
    """Return the kinds of files by suffix."""
    return {
        suffix: Kind(suffix, section, parsed(since), ending, summary)
        for suffix, section, since, ending, summary in tables.rows(__file__, "kinds.tsv")
    }


@cache
def _keys() -> dict[tuple[str, str], Key]:
    """Return the table of keys."""
    return {
        (section, name): Key(section, name, parsed(since), kind, repeat)
        for section, name, since, kind, repeat in tables.rows(__file__, "keys.tsv")
    }


def lookup(section: str, name: str) -> Key | None:
    """Return a key, or None if no podman knows it in that section."""
    return _keys().get((section, name))


def names(section: str) -> list[str]:
    """Return the keys of a section, in the table's order."""
    return [name for where, name in _keys() if where == section]


def suggest(section: str, name: str) -> str:
    """Return a hint for a key that is unknown: the one that was meant, or the manual page."""
    near = nearest(name, names(section))
    return f"did you mean {near}=?" if near else f"see {MANUAL}"


def kind_of(file: str) -> Kind | None:
    """Return the kind of a file by its name, None if Quadlet does not read it."""
    return kinds().get(file.rpartition(".")[2])


def service(file: str, name: str = "") -> str:
    """Return the name of the service that Quadlet makes of a file.

    Args:
        file: The file's name, with its suffix.
        name: The value of ServiceName= in it, if there is one.
    """
    stem, _, suffix = file.rpartition(".")
    return f"{name or stem + kinds()[suffix].ending}.service"


def newer(key: Key, version: Version) -> str:
    """Return what to say of a key that a podman does not know yet; empty if it does."""
    if key.since <= version:
        return ""
    return f"podman {written(version)} does not know {key.name}=, and Quadlet leaves the file out"


class Limit(NamedTuple):
    """A directive of [Service] that means something else in a container's file.

    Attributes:
        allowed: A pattern for the values that work; empty for none.
        what: What happens else.
        hint: What to do.
    """

    allowed: str
    what: str
    hint: str


@cache
def service_limits() -> dict[str, Limit]:
    """Return what [Service] of a ``.container`` cannot have, by directive."""
    return {name: Limit(*rest) for name, *rest in tables.rows(__file__, "service.tsv")}
