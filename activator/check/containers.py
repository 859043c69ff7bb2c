"""The files of which podman's Quadlet makes services, beside the units that they belong to."""

import os
from collections.abc import Iterator
from functools import cached_property

from activator.check.catalogue import lookup
from activator.check.units import File, Unit, World, service_name
from activator.unitfile import quadlet
from activator.unitfile.effective import Settings
from activator.unitfile.parse import Entry
from activator.unitfile.quadlet.versions import Version
from activator.unitfile.sections import sections_of

# Where Quadlet looks, and where systemd does instead.
HOME = "/containers/systemd"
UNITS = ("/systemd/system", "/systemd/user")


class Quadlet(Unit):
    """A file of Quadlet's, seen as the service that is made of it.

    Args:
        file: The file.
        version: The version of systemd it is for.
        podman: The version of podman it is for.
    """

    def __init__(self, file: File, version: int, podman: Version) -> None:
        self.file_name = os.path.basename(file.name)
        self.kind = quadlet.kinds()[self.file_name.rpartition(".")[2]]
        self.podman = podman
        super().__init__(
            quadlet.service(self.file_name, _service_name(file, self.kind)), [file], version
        )

    @cached_property
    def keys(self) -> list[Entry]:
        """Return the lines of the sections that are Quadlet's own."""
        own = (self.kind.section, quadlet.COMMON)
        return [entry for entry in self.files[0].entries if entry.section in own]

    @cached_property
    def settings(self) -> Settings:
        """Return what the lines that systemd gets set."""
        return Settings(self.entries, self.version, lookup)

    def key(self, name: str) -> Entry | None:
        """Return the last line of a key that is not empty."""
        found = [entry for entry in self.keys if entry.name == name and entry.value]
        return found[-1] if found else None

    def sockets(self, world: World) -> list[Unit]:
        """Return the sockets that start the service themselves, and so pass it descriptors."""
        near = [f"{self.stem.removesuffix('@')}.socket", *world.socket_names()]
        units = (world.find(name) for name in dict.fromkeys(near))
        return [
            unit
            for unit in units
            if unit is not None and not unit.masked and service_name(unit) == self.name
        ]

    @property
    def skipped(self) -> Iterator[tuple[int, str]]:
        """Yield the lines and names of sections that neither Quadlet nor systemd reads."""
        known = (*sections_of("service"), self.kind.section, quadlet.COMMON)
        for chunk in self.files[0].chunks:
            if chunk.section and chunk.section not in known and not chunk.section.startswith("X-"):
                yield chunk.line, chunk.section


def _service_name(file: File, kind: quadlet.Kind) -> str:
    """Return the name that a file gives its service; empty if it gives none."""
    named = (
        entry.value
        for entry in file.entries
        if (entry.section, entry.name) == (kind.section, "ServiceName")
    )
    return next(named, "")


def names(folder: str) -> list[str]:
    """Return the paths of Quadlet's files in a folder, sorted."""
    try:
        found = sorted(os.listdir(folder or "."))
    except OSError:
        return []
    paths = (os.path.join(folder, name) for name in found if quadlet.kind_of(name))
    return [path for path in paths if os.path.isfile(path)]


def beside(folder: str) -> list[str]:
    """Return where the units are that belong to Quadlet's files in a folder, and the reverse."""
    whole = os.path.abspath(folder or ".")
    if HOME in f"{whole}/":
        base = whole[: whole.index(HOME)]
        return [f"{base}{place}" for place in UNITS if os.path.isdir(f"{base}{place}")]
    for place in UNITS:
        if whole.endswith(place) and os.path.isdir(home := whole.removesuffix(place) + HOME):
            return [home]
    return []


def homes(root: str, *, user: bool) -> list[str]:
    """Return the directories of Quadlet's files below a root: those of the system or of users."""
    below = [f"{root}/etc{HOME}", f"{root}/usr/share{HOME}", f"{root}/run{HOME}"]
    if not user:
        return below
    own = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return [*([] if root else [f"{own}{HOME}"]), f"{root}/etc{HOME}/users"]


def below(home: str) -> Iterator[str]:
    """Yield Quadlet's files in a directory and below it, but for those of users."""
    for folder, inner, _ in os.walk(home):
        inner[:] = sorted(name for name in inner if name != "users" and not name.endswith(".d"))
        yield from names(folder)
