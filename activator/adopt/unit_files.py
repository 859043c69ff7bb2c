"""The units of a folder or of a system, each with all that applies to it."""

import os
from collections.abc import Iterator
from functools import cached_property

from activator.check.units import File, Unit
from activator.errors import ActivatorError
from activator.unitfile.directives import NEWEST, Directive
from activator.unitfile.parse import Entry
from activator.unitfile.search import SYSTEM, Search, system_path, user_path

# Where an empty line is more than no line at all: capabilities(7) are all taken away.
_EMPTY = ("CapabilityBoundingSet",)


class UnitFolder:
    """The units where one was named: a folder, or all directories of a manager.

    Args:
        directory: The folder of a unit that was named by its path; empty for the current one, None
            for the system's.
        root: The root directory of the system; empty for this machine's.
    """

    def __init__(self, directory: str | None = None, root: str = "") -> None:
        place = SYSTEM[-2] if directory is None else os.path.abspath(directory)
        directories = [directory or ""]
        if directory is None or place.removeprefix(root) in SYSTEM:
            directories = system_path(root)
        elif "/systemd/user" in place and place in (user := user_path()):
            directories = user
        self._search = Search(directories, root)
        self._units: dict[str, Unit | None] = {}

    def unit(self, name: str) -> Unit | None:
        """Return a unit by its name or an alias; None if there is none.

        Raises:
            ActivatorError: It is masked, or cannot be read.
        """
        if name not in self._units:
            self._units[name] = self._read(name)
        return self._units[name]

    def _read(self, name: str) -> Unit | None:
        found = self._search.find(name)
        if found is None:
            return None
        if found.masked:
            raise ActivatorError(f"{name} is masked", "name another unit", place=found.path)
        paths = [path for path in (found.path, *found.dropins) if path]
        return Unit(found.name, map(_file, paths), NEWEST, aliases=found.aliases)

    def sockets(self, service: str) -> list[Unit]:
        """Return the sockets that start a service, in the order of their names."""
        return [unit for unit in self._sockets if self.target(unit) == service]

    @cached_property
    def _sockets(self) -> list[Unit]:
        return list(dict.fromkeys(self._each_socket()))

    def _each_socket(self) -> Iterator[Unit]:
        for name in self._search.names:
            if name.endswith(".socket") and not name.endswith("@.socket"):
                try:
                    unit = self.unit(name)
                except ActivatorError:  # it starts nothing
                    continue
                if unit is not None and unit.name == name:
                    yield unit

    def target(self, socket: Unit) -> str:
        """Return the name of the service that a socket starts."""
        if is_accepting(socket):
            return f"{socket.prefix}@.service"
        name = socket.settings.value("Service") or f"{socket.stem}.service"
        found = self._search.find(name)
        return found.name if found else name


def is_accepting(socket: Unit) -> bool:
    """Tell whether each connection gets an instance of its own."""
    return socket.settings.on("Accept")


def counted(unit: Unit) -> Iterator[tuple[Entry, Directive]]:
    """Yield the lines of a unit that count in the end, in their order."""
    empty = {entry.name: entry for entry, _ in unit.settings.taken if entry.name in _EMPTY}
    for entry, directive in unit.settings.taken:
        last = empty.get(entry.name)
        if unit.settings.counts(entry) or (entry is last and not entry.value):
            yield entry, directive


def _file(path: str) -> File:
    """Read a file.

    Raises:
        ActivatorError: It cannot be read, is no unit, or is not UTF-8.
    """
    try:
        file = File.read(path)
    except OSError as error:
        what = f"the file cannot be read: {(error.strerror or str(error)).lower()}"
        raise ActivatorError(what, "mend the link or the permissions", place=path) from None
    if file.broken:
        raise file.broken
    if not file.clean:
        raise ActivatorError("the unit is not UTF-8", "save the file as UTF-8", place=path)
    return file
