"""What a rule sees and says: units, pairs of socket and service, problems and findings."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

from activator.check.catalogue import lookup
from activator.check.foreign import Foreign, foreign
from activator.common.regular_file import contents
from activator.errors import ActivatorError
from activator.unitfile import specifiers
from activator.unitfile.effective import Settings
from activator.unitfile.parse import Chunk, Entry, UnitFile
from activator.unitfile.search import instance_of
from activator.unitfile.sections import sections_of

ERROR = "error"
WARNING = "warning"
INFO = "info"
# From the gravest on.
SEVERITIES = (ERROR, WARNING, INFO)
# What [Install] has a unit started by.
INSTALLS = ("WantedBy", "RequiredBy", "UpheldBy")


class Fix(NamedTuple):
    """A change of one line that is safe.

    Attributes:
        name: The directive's new name, empty to keep it.
        value: Its new value, None to keep it.
        above: A comment to put on a line of its own above it.
        remove: Whether the line goes.
    """

    name: str = ""
    value: str | None = None
    above: str = ""
    remove: bool = False


class Problem(NamedTuple):
    """What a rule has to say.

    Attributes:
        message: What is wrong, without a full stop.
        hint: What to do about it; may be empty.
        entry: The line it is about; None if it is about the whole unit.
        focus: The part of the value it is about; empty for all of it.
        on_name: Whether it is about the directive's name.
        place: File and line instead, for what is no assignment.
        severity: Instead of the rule's own; may be empty.
        fix: The change that mends it, if that is safe.
    """

    message: str
    hint: str = ""
    entry: Entry | None = None
    focus: str = ""
    on_name: bool = False
    place: tuple[str, int] | None = None
    severity: str = ""
    fix: Fix | None = None


class Finding(NamedTuple):
    """A problem with its place, as it is shown.

    Attributes:
        file: The file, as it was named.
        line: The line, from 1.
        column: The character in the line, from 1.
        rule: The rule's identifier.
        severity: ``error`` (systemd refuses the unit or drops the line), ``warning`` or
            ``info``.
        message: What is wrong.
        hint: What to do about it; may be empty.
    """

    file: str
    line: int
    column: int
    rule: str
    severity: str
    message: str
    hint: str


class File(UnitFile):
    """A unit file as it was found.

    Attributes:
        clean: Whether it is UTF-8; if not, other bytes are surrogates.
        mode: Its permissions.
        unreadable: Why it could not be read; empty if it could.
        foreign: What it is, if it is no unit.
    """

    foreign: Foreign | None = None
    clean = True
    mode = 0o644
    unreadable = ""

    @classmethod
    def read(cls, path: str, instead: str | None = None) -> "File":
        """Read a unit file.

        Args:
            path: The file.
            instead: The text that it should hold; None for its own.

        Raises:
            OSError: It cannot be read.
        """
        data, mode = contents(path)
        if instead is not None:
            data = instead.encode()
        try:
            text = data.decode()
            clean = True
        except UnicodeDecodeError:
            text = data.decode(errors="surrogateescape")
            clean = False
        found = cls.parse(text, path)
        found.mode, found.clean = mode, clean
        found.foreign = foreign(data, text, path)
        return found

    @cached_property
    def by_line(self) -> dict[int, Chunk]:
        """Return the pieces by the number of their first line."""
        return {chunk.line: chunk for chunk in self.chunks}


class Unit:
    """A unit: its file, its drop-ins, and what they set together.

    Args:
        name: Its full name.
        files: The unit file, then its drop-ins in the order in which they count.
        version: The version of systemd it is for.
        aliases: Its other names.
        masked: Whether it cannot be started.
        user: Whether it is for a user's manager.
    """

    def __init__(
        self,
        name: str,
        files: Iterable[File],
        version: int,
        *,
        aliases: Iterable[str] = (),
        masked: bool = False,
        user: bool = False,
    ) -> None:
        self.name = name
        self.files = list(files)
        self.version = version
        self.aliases = tuple(aliases)
        self.masked = masked
        self.user = user
        # What rules have found out and others may need.
        self.notes: dict[str, Any] = {}
        self.stem, _, self.type = name.rpartition(".")

    @property
    def path(self) -> str:
        """Return the unit file's path, for messages."""
        return self.files[0].name if self.files else self.name

    @property
    def instance(self) -> str:
        """Return the instance's part of the name."""
        return instance_of(self.name)

    @property
    def prefix(self) -> str:
        """Return the name up to the instance or the suffix."""
        return self.stem.partition("@")[0]

    @property
    def is_dropin_only(self) -> bool:
        """Tell whether its own file is elsewhere, and only drop-ins are known."""
        return not self.files or self.files[0].name.endswith(".conf")

    @property
    def is_template(self) -> bool:
        """Tell whether this is a template."""
        return self.stem.endswith("@")

    @property
    def is_installable(self) -> bool:
        """Tell whether it can be enabled."""
        return any(self.words("Install", *INSTALLS))

    @cached_property
    def entries(self) -> list[Entry]:
        """Return the lines of all files that stand in a section of this type of unit."""
        known = sections_of(self.type)
        return [
            entry
            for file in self.files
            for entry in file.entries
            if entry.section in known and not entry.name.startswith("X-")
        ]

    @cached_property
    def settings(self) -> Settings:
        """Return what the lines set."""
        return Settings(self.entries, self.version, lookup)

    def lines(self, section: str, name: str) -> list[Entry]:
        """Return the lines of a directive that count."""
        return [entry for entry in self.settings.all(name) if entry.section == section]

    def words(self, section: str, *names: str) -> Iterator[tuple[str, Entry]]:
        """Yield the words of directives that are lists, each with its line, in order."""
        for name in names:
            for entry in self.lines(section, name):
                for word in entry.value.split():
                    yield word, entry

    def __repr__(self) -> str:
        return f"Unit({self.name!r})"


class Pair(NamedTuple):
    """A socket and the service that it starts.

    Attributes:
        socket: The socket unit.
        service: The service unit.
        accept: Whether each connection gets an instance of its own.
    """

    socket: Unit
    service: Unit
    accept: bool


class World:
    """All units that are known, and what is known of the system they are for.

    Args:
        root: The root directory of that system; None if nothing is known of it.
        user: Whether the units are for a user's manager.
        complete: Whether all units of that system are known.

    Attributes:
        units: Name → unit, of those that were loaded.
        checked: The units to look at, in order.
        quadlets: The files among them of which podman's Quadlet makes services.
        strangers: The files among them that are no units.
        comments: Texts beside the units' own whose comments silence rules for all of them.
        failures: What is wrong with what the units should have been made from.
    """

    def __init__(
        self, *, root: str | None = None, user: bool = False, complete: bool = False
    ) -> None:
        self.root = root
        self.user = user
        self.complete = complete
        self.units: dict[str, Unit | None] = {}
        self.checked: list[Unit] = []
        self.quadlets: list[Any] = []
        self.strangers: list[File] = []
        self.comments: list[str] = []
        self.failures: list[ActivatorError] = []
        # What rules have found out and others may need.
        self.notes: dict[str, Any] = {}

    def shown(self, finding: Finding, entry: Entry | None) -> Finding:
        """Return a finding as users should see it: at the file that they wrote."""
        del entry
        return finding

    def find(self, name: str) -> Unit | None:
        """Return a unit by its name or an alias, None if there is none."""
        return self.units.get(name)

    def made(self, name: str) -> Any:
        """Return the file of which Quadlet makes a service, looked at or not; None without one."""
        return next((each for each in self.quadlets if each.name == name), None)

    def known(self) -> list[Unit]:
        """Return the units that were loaded so far, and are not masked."""
        found = {unit: None for unit in self.units.values() if unit is not None}
        return [unit for unit in found if not unit.masked]

    def socket_names(self) -> list[str]:
        """Return the names of the sockets that are there, looked at or not."""
        return [name for name in self.units if name.endswith(".socket")]

    def is_stranger(self, name: str) -> bool:
        """Tell whether there is a file of a unit's name that is none."""
        return any(file.name.rpartition("/")[2] == name for file in self.strangers)

    def unread(self, unit: Unit) -> Iterator[str]:
        """Yield the files among a unit's drop-ins that systemd does not read."""
        del unit
        yield from ()

    def loose_links(self) -> Iterator[tuple[str, str]]:
        """Yield the links that want a unit which does not exist: path and name."""
        yield from ()

    def alias_of(self, name: str) -> Unit | None:
        """Return the unit that takes a name when it is enabled, by Alias= in [Install]."""
        del name
        return None

    def enabled(self, unit: Unit) -> list[str]:
        """Return the units that want or require one through links."""
        del unit
        return []

    @cached_property
    def files(self) -> dict[str, File]:
        """Return the files of the units that are looked at, by path."""
        return {file.name: file for unit in self.checked for file in unit.files}

    @cached_property
    def sockets(self) -> list[Unit]:
        """Return the socket units that can listen, in order."""
        return [unit for unit in self.checked if unit.type == "socket" and not unit.masked]

    @cached_property
    def pairs(self) -> list[Pair]:
        """Return the sockets and services that belong together, where either is looked at."""
        sockets = dict.fromkeys(self.sockets)
        for unit in self.checked:
            if unit.type == "service":
                sockets.update(dict.fromkeys(self._sockets_of(unit)))
        found = []
        for socket in sockets:
            service = self.find(service_name(socket))
            if service is not None and service.type == "service" and not service.masked:
                found.append(Pair(socket, service, socket.settings.on("Accept")))
        return found

    def _sockets_of(self, service: Unit) -> Iterator[Unit]:
        """Yield the sockets that start a service, by its name, its Sockets= or their Service=."""
        names = [f"{service.stem.removesuffix('@')}.socket"]
        names += [expand(word, service) for word, _ in service.words("Service", "Sockets")]
        for socket in (*map(self.find, names), *self._starters.get(service.name, ())):
            if socket is not None and socket.type == "socket" and not socket.masked:
                yield socket

    @cached_property
    def _starters(self) -> dict[str, list[Unit]]:
        """Return the sockets that name a service of another name, by that name."""
        found: dict[str, list[Unit]] = {}
        for name in self.socket_names():
            socket = self.find(name)
            if socket is not None and socket.settings.value("Service"):
                service = self.find(service_name(socket))
                found.setdefault(service.name if service else "", []).append(socket)
        return found

    @cached_property
    def triggers(self) -> dict[str, list[Pair]]:
        """Return the pairs of each service, by the service's name."""
        found: dict[str, list[Pair]] = {}
        for pair in self.pairs:
            found.setdefault(pair.service.name, []).append(pair)
        return found


def service_name(socket: Unit) -> str:
    """Return the name of the service that a socket starts; empty if it cannot be told."""
    if socket.settings.on("Accept"):
        return f"{socket.prefix}@.service"
    named = socket.settings.value("Service")
    return expand(named, socket) if named else f"{socket.stem}.service"


def expand(text: str, unit: Unit) -> str:
    """Expand the specifiers of a unit's name; return nothing if another one is there."""
    if "%" not in text:
        return text
    table = {
        "n": unit.name,
        "N": unit.stem,
        "p": unit.prefix,
        "i": unit.instance,
        "j": unit.prefix.rpartition("-")[2],
    }
    try:
        return specifiers.expand(text, table)
    except ActivatorError:
        return ""
