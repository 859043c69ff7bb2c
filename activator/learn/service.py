"""A service as its files have it: what it runs, as whom, and in what sandbox."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from activator.errors import ActivatorError
from activator.local.units.files import Units
from activator.unitfile import directives
from activator.unitfile.effective import Settings
from activator.unitfile.parse import Entry, UnitFile
from activator.unitfile.unquoting import Command, split_command

SECTION = "Service"
# What a sandbox is about, in the order in which it runs.
TRACED = ("ExecStartPre", "ExecStart", "ExecStartPost")
# Systemd's own program before another one, which is not the service's.
PROXY = "systemd-socket-proxyd"
# Ours, for a program behind a proxy.
_WAITING = ("activator", "wait-for")


class Service(NamedTuple):
    """A service.

    Attributes:
        name: The name of its unit; of instances, that of the template.
        files: The unit file, and then its drop-ins.
        settings: What their lines set together.
    """

    name: str
    files: tuple[UnitFile, ...]
    settings: Settings

    @property
    def commands(self) -> dict[str, list[Entry]]:
        """Return its lines of commands that run in the sandbox, by directive."""
        found = {name: self.settings.all(name) for name in TRACED}
        return {name: lines for name, lines in found.items() if any(map(_traced_of, lines))}

    @property
    def programs(self) -> list[Command]:
        """Return the programs of the commands that run in the sandbox."""
        lines = (entry for entries in self.commands.values() for entry in entries)
        return [command for entry in lines for command in _traced_of(entry)]

    @property
    def is_dynamic(self) -> bool:
        """Tell whether systemd makes its user up."""
        return self.settings.on("DynamicUser")

    @property
    def user(self) -> str:
        """Return User=; empty for root, or a user that is made up."""
        return self.settings.value("User")

    def lines(self, name: str) -> list[Entry]:
        """Return the lines of a directive that systemd takes, those that reset, too."""
        taken = (entry for entry, directive in self.settings.taken if directive.name == name)
        return [entry for entry in taken if entry.section == SECTION]


def service(name: str, units: Units) -> Service:
    """Return a service by its name, or that of its template.

    Raises:
        ActivatorError: It has no file, or is masked.
    """
    found = units.find(name)
    if found is None:
        raise ActivatorError(f"there is no file of {name}", f"see: systemctl cat {name}")
    return from_files(found.name, found.files)


def from_files(name: str, files: Iterable[UnitFile]) -> Service:
    """Return a service by its files: the unit's own, and then its drop-ins."""
    files = tuple(files)
    entries = [entry for file in files for entry in file.entries]
    return Service(name, files, Settings(entries, directives.NEWEST))


def is_traced(command: Command) -> bool:
    """Tell whether a command is the service's own, and runs in its sandbox."""
    program = command.path.rpartition("/")[2]
    ours = (program, *command.argv[1:2]) == _WAITING
    return "+" not in command.prefixes and program != PROXY and not ours


def _traced_of(entry: Entry) -> list[Command]:
    return [command for command in split(entry) if is_traced(command)]


def split(entry: Entry) -> Iterator[Command]:
    """Yield the commands of a line; of one that is wrong, none."""
    try:
        yield from split_command(entry.value)
    except ActivatorError:
        return
