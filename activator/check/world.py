"""Load units for the rules: from folders, from a root directory, from texts."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from activator.check import containers
from activator.check.containers import Quadlet
from activator.check.foreign import foreign
from activator.check.units import File, Unit, World
from activator.errors import UsageError
from activator.unitfile import directives, quadlet
from activator.unitfile.quadlet.versions import USUAL, Version
from activator.unitfile.search import Search, UnitFiles, template_of
from activator.unitfile.sections import sections_of

_LIBRARY = r"libsystemd-shared-([0-9]+)[^/]*\.so"
_LIBRARIES = ("usr/lib", "lib")


class Files(World):
    """The units of some directories, loaded when they are asked for.

    Args:
        search: Where they are.
        version: The version of systemd they are for.
        root: The root directory of the system; None if nothing is known of it.
        user: Whether the units are for a user's manager.
        complete: Whether all units of that system are known.
        texts: What files should hold instead of what they do, by path.
        podman: The version of podman that containers are for; None for the usual one.
    """

    def __init__(
        self,
        search: Search,
        version: int,
        *,
        root: str | None = None,
        user: bool = False,
        complete: bool = False,
        texts: Mapping[str, str] | None = None,
        podman: Version | None = None,
    ) -> None:
        super().__init__(root=root, user=user, complete=complete)
        self.search = search
        self._texts = texts or {}
        self.version = version
        self.podman = podman or USUAL

    def check_quadlet(self, path: str) -> None:
        """Look at a file of which Quadlet makes a service."""
        self.quadlets.append(self._quadlet(path))

    def made(self, name: str) -> Quadlet | None:
        """Return the file of which Quadlet makes a service, looked at or not; None without one."""
        return super().made(name) or self._near.get(name)

    @cached_property
    def _near(self) -> dict[str, Quadlet]:
        """Return Quadlet's files beside the units, by the name of their service."""
        found: dict[str, Quadlet] = {}
        for folder in self.search.directories:
            homes = (path for home in containers.beside(folder) for path in containers.below(home))
            for made in map(self._quadlet, (*containers.names(folder), *homes)):
                found.setdefault(made.name, made)
        return found

    def _quadlet(self, path: str) -> Quadlet:
        return Quadlet(self._read(path), self.version, self.podman)

    def find(self, name: str) -> Unit | None:
        """Return a unit by its name or an alias, None if there is none."""
        if name not in self.units:
            files = self.search.find(name)
            self.units[name] = None if files is None else self._load(files)
        return self.units[name]

    def _load(self, files: UnitFiles) -> Unit | None:
        """Read a unit, or return it if it was read under another name."""
        if files.name in self.units:
            return self.units[files.name]
        paths = [] if files.masked else [files.path, *files.dropins]
        read = self._units_of(files.name, paths)
        if paths and (not read or read[0].name != files.path):
            self.units[files.name] = None
            return None
        unit = Unit(
            files.name,
            read,
            self.version,
            aliases=files.aliases,
            masked=files.masked,
            user=self.user,
        )
        self.units[files.name] = unit
        return unit

    def _read(self, path: str) -> File:
        """Read a unit file; one that cannot be read is empty, and says why."""
        try:
            return File.read(path, self._texts.get(path))
        except OSError as error:
            found = File(path)
            found.unreadable = (error.strerror or str(error)).lower()
            return found

    def _units_of(self, name: str, paths: Iterable[str]) -> list[File]:
        """Read the files of a unit, and set aside those that are none."""
        read = [self._read(path) for path in paths]
        self._foreign[name] = [file for file in read if file.foreign]
        return [file for file in read if not file.foreign]

    @cached_property
    def _foreign(self) -> dict[str, list[File]]:
        """Return the files that are no units, by the name of the unit that they claim to be."""
        return {}

    def check_all(self) -> None:
        """Look at every unit, and at the instances that links name."""
        names = [*self.search.names, *(link.unit for link in self.search.links)]
        for name in dict.fromkeys(names):
            self._check(name, self.find(name))
        for name in self.search.orphans:
            self._check(name, self._orphan(name))

    def _orphan(self, name: str) -> Unit:
        """Return a unit of which there are drop-ins alone."""
        read = self._units_of(name, self.search.dropins(name))
        return Unit(name, read, self.version, user=self.user)

    def _check(self, name: str, unit: Unit | None) -> None:
        """Look at a unit, once, and at what is none under its name."""
        self.strangers += self._foreign.pop(unit.name if unit else name, [])
        if unit is not None and unit not in self._seen:
            self._seen.add(unit)
            self.checked.append(unit)

    @cached_property
    def _seen(self) -> set[Unit]:
        """Return the units that are already among those to look at."""
        return set()

    def check_one(self, name: str, path: str) -> None:
        """Look at one unit.

        Raises:
            ActivatorError: There is no such file.
        """
        unit = self.find(name)
        if unit is None and name in self.search.orphans:
            unit = self._orphan(name)
        if unit is None and not self._foreign.get(name):
            raise UsageError(f"there is no file {path}", "check the path")
        self._check(name, unit)

    def alias_of(self, name: str) -> Unit | None:
        """Return the unit that takes a name when it is enabled, by Alias= in [Install]."""
        return self._install_aliases.get(name)

    @cached_property
    def _install_aliases(self) -> dict[str, Unit]:
        """Return the units by their aliases of [Install]; all of the directories are read."""
        found: dict[str, Unit] = {}
        for name in self.search.names:
            unit = self.find(name)
            if unit is not None:
                found.update((word, unit) for word, _ in unit.words("Install", "Alias"))
        return found

    def socket_names(self) -> list[str]:
        """Return the names of the sockets that are there, looked at or not."""
        return [name for name in self.search.names if name.endswith(".socket")]

    def is_stranger(self, name: str) -> bool:
        """Tell whether there is a file of a unit's name that is none."""
        return bool(self._foreign.get(name)) or super().is_stranger(name)

    def unread(self, unit: Unit) -> Iterator[str]:
        """Yield the files among a unit's drop-ins that systemd does not read, but were meant."""
        for name in dict.fromkeys((unit.name, *unit.aliases)):
            for path in self.search.others(name):
                try:
                    file = File.read(path)
                except OSError:
                    continue
                if any(entry.section in sections_of(unit.type) for entry in file.entries):
                    yield path

    def loose_links(self) -> Iterator[tuple[str, str]]:
        """Yield the links that want a unit which does not exist: path and name."""
        for link in self.search.links if self.complete else ():
            if self.find(link.unit) is None and link.unit.endswith((".socket", ".service")):
                yield link.path, link.unit

    @cached_property
    def _wanted(self) -> dict[str, list[str]]:
        """Return who wants a unit through links, by the unit's name."""
        found: dict[str, list[str]] = {}
        for link in self.search.links:
            found.setdefault(link.unit, []).append(link.owner)
            template = template_of(link.unit)
            if template:
                found.setdefault(template, []).append(link.owner)
        return found

    def enabled(self, unit: Unit) -> list[str]:
        """Return the units that want or require one through links."""
        return [
            owner for name in (unit.name, *unit.aliases) for owner in self._wanted.get(name, ())
        ]


class Texts(World):
    """Units that are given as texts.

    Args:
        texts: File name → text; drop-ins are NAME.d/FILE.conf, behind the unit that they change.
        version: The version of systemd they are for.
        podman: The version of podman that containers are for; None for the usual one.
    """

    def __init__(
        self, texts: Mapping[str, str], version: int, podman: Version | None = None
    ) -> None:
        super().__init__()
        self._unread: dict[str, list[str]] = {}  # by unit
        read: dict[str, list[File]] = {}
        for name, text in texts.items():
            file = File.parse(text, name)
            if quadlet.kind_of(name):
                self.quadlets.append(Quadlet(file, version, podman or USUAL))
                continue
            file.foreign = foreign(b"", text, file.name)
            directory, _, dropin = name.rpartition("/")
            if file.foreign:
                self.strangers.append(file)
            elif not dropin.endswith(".conf") and directory.endswith(".d"):
                self._unread.setdefault(directory.removesuffix(".d"), []).append(file.name)
            else:
                unit = directory.removesuffix(".d") if directory.endswith(".d") else name
                read.setdefault(unit, []).append(file)
        self.units.update({name: Unit(name, files, version) for name, files in read.items()})
        self.checked = [unit for unit in self.units.values() if unit is not None]

    def unread(self, unit: Unit) -> Iterator[str]:
        """Yield the files among a unit's drop-ins that systemd does not read."""
        yield from self._unread.get(unit.name, ())

    def alias_of(self, name: str) -> Unit | None:
        """Return the unit that takes a name when it is enabled, by Alias= in [Install]."""
        for unit in self.checked:
            if name in (word for word, _ in unit.words("Install", "Alias")):
                return unit
        return None


def version_in(root: str = "") -> int:
    """Return the version of the systemd in a root directory, the oldest if there is none.

    Its private library has the version in its name.

    Args:
        root: The root directory; empty for this machine's.
    """
    found = [
        int(match[1])
        for top in _LIBRARIES
        for directory in _library_directories(f"{root}/{top}")
        for name in _names(directory)
        if (match := re.fullmatch(_LIBRARY, name))
    ]
    return max(max(found, default=0), directives.OLDEST)


def _library_directories(top: str) -> Sequence[str]:
    """Return the directories that may hold systemd's library: one for each architecture."""
    more = [f"{top}/{name}/systemd" for name in _names(top) if name.count("-") > 1]
    return [f"{top}/systemd", *more]


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []
