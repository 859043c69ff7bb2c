"""From the files that were named to a plan of what runs: units found, read and joined."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from activator.errors import ActivatorError, combine
from activator.local.units.command import find_program, search_path
from activator.local.units.files import Units
from activator.local.units.models import Plan, SocketUnit, Template
from activator.local.units.paths import RuntimeDir
from activator.local.units.reader import Reader
from activator.local.units.service_model import Relations, ServiceUnit
from activator.local.units.service_unit import read_service
from activator.local.units.socket_unit import read_socket
from activator.local.units.specifier_table import table_of
from activator.unitfile.search import is_template, template_of

SUFFIXES = (".socket", ".service")
# Where packages have put their units.
VENDOR_PATH = ("/usr/lib/systemd/", "/lib/systemd/")
# What %i looks like, to read a template before its first connection.
SAMPLE_INSTANCE = "0-127.0.0.1:1-127.0.0.1:2"
# What these types would wait for.
_AT_ONCE = {"dbus": "bus", "idle": "queue of jobs"}
_STREAMS = ("StandardInput", "StandardOutput", "StandardError")


def load(
    paths: Sequence[str],
    texts: Mapping[str, tuple[str, str]] | None = None,
    runtime: RuntimeDir | None = None,
) -> Plan:
    """Read the named units, and those that belong to them or are needed by them.

    Args:
        paths: Unit files: sockets, and services that are needed by them, which those of the
            system's packages are only when they are named. A service alone stands for the
            socket of its name beside it, a folder for all sockets in it, and a name that is no
            file for the unit that the system has.
        texts: More units: name → text and what to call it in messages. All their sockets
            run, too.
        runtime: Where paths below /run go.

    Raises:
        ActivatorError: A unit is missing, wrong, or cannot be run here; several errors come
            as one :class:`~activator.errors.Problems`.
    """
    units = Units(texts or {})
    names = map(units.canonical, [*units_in(texts or {}), *_named(paths, units, texts or {})])
    named = {units.canonical(Path(path).name) for path in paths}
    loader = _Loader(units, runtime or RuntimeDir(), named)
    for name in names:
        loader.add_socket(name)
    loader.add_services()
    loader.look_for_unused()
    return loader.plan()


def units_in(texts: Mapping[str, tuple[str, str]]) -> list[str]:
    """Return the names of the sockets among texts that can be run as they are."""
    return [name for name in texts if name.endswith(".socket") and not name.endswith("@.socket")]


def _named(paths: Sequence[str], units: Units, texts: Mapping[str, tuple[str, str]]) -> list[str]:
    """Return the sockets' names that the arguments stand for, and note where they are."""
    found = [each for text in paths for each in _expanded(text)]
    places: dict[str, Path] = {}
    for path in found:
        units.add(path.parent)
        # As in sockets.target.wants/: what belongs to it is where it points to.
        if path.is_symlink() and (target := path.resolve()).name == path.name:
            units.add(target.parent)
        other = places.setdefault(path.name, path)
        if path.exists() and (path.name in texts or other.absolute() != path.absolute()):
            first = texts[path.name][1] if path.name in texts else other
            raise ActivatorError(f"{first} and {path} have one name", "give one of them")
        # An instance is not a file itself, its template is.
        if not path.exists() and units.find(path.name) is None:
            _search_elsewhere(path, units)
        if is_template(path.name) and path.suffix == ".socket":
            instance = f"{str(path).removesuffix('.socket')}NAME.socket"
            raise ActivatorError(f"{path} is a template", f"name an instance: {instance}")
    names = [path.name for path in found if path.suffix == ".socket"]
    for path in (path for path in found if path.suffix == ".service" and not names):
        name = f"{path.stem.removesuffix('@')}.socket"
        if units.find(name) is None:
            raise ActivatorError(f"there is no {name} beside {path}", "give the .socket file")
        names.append(name)
    return names


def _expanded(text: str) -> list[Path]:
    """Return the units that one argument names: itself, or what can be run in a folder."""
    path = Path(text)
    if not path.is_dir():
        if path.suffix not in SUFFIXES:
            raise ActivatorError(
                f"{text} is not a unit", "give a .socket file, or a spec that ends in .toml"
            )
        return [path]
    sockets = sorted(each for each in path.glob("*.socket") if not is_template(each.name))
    if not sockets:
        raise ActivatorError(f"there is no .socket in {text}", "give a folder that has one")
    return sockets


def _search_elsewhere(path: Path, units: Units) -> None:
    """Look for a mere name where the system's units are.

    Raises:
        ActivatorError: It is not there, or it is a path.
    """
    if path.parent != Path():
        raise ActivatorError(f"there is no file {path}", "check the path")
    units.add_system()
    if units.find(path.name) is None:
        raise ActivatorError(f"there is no file {path}, nor does the system have it", "check it")


class _Loader:
    """Collects units, and what is wrong with them.

    Args:
        units: Where units are found.
        runtime: Where paths below /run go.
        named: The units that were asked for.
    """

    def __init__(self, units: Units, runtime: RuntimeDir, named: Collection[str]) -> None:
        self._units = units
        self._runtime = runtime
        self._named = named
        self._sockets: dict[str, SocketUnit] = {}
        self._services: dict[str, ServiceUnit] = {}
        self._templates: dict[str, Template] = {}
        self._readers: list[Reader] = []
        self._service_readers: dict[str, Reader] = {}
        self._problems: list[ActivatorError] = []
        self._missing: list[str] = []
        self._tried: set[str] = set()

    def add_socket(self, name: str) -> None:
        """Read a socket, once."""
        if name in self._tried:
            return
        self._tried.add(name)
        try:
            reader = self._reader(name)
            self._sockets[name] = read_socket(reader)
            self._readers.append(reader)
        except ActivatorError as error:
            self._problems.append(error)

    def add_services(self) -> None:
        """Read the services of all sockets, and what these need, and so on."""
        sockets = [*self._sockets.values()]
        open_ends = [(unit.service, unit.place, unit.accept) for unit in sockets]
        open_ends += [end for unit in sockets for end in self._named_by(unit, unit.place)]
        while open_ends:
            name, place, accept = open_ends.pop(0)
            if name in self._tried:
                continue
            if name.endswith(".socket"):
                self.add_socket(name)
                if socket := self._sockets.get(name):
                    open_ends.append((socket.service, socket.place, socket.accept))
                    open_ends += self._named_by(socket, socket.place)
                continue
            self._tried.add(name)
            try:
                unit = self._add_service(name, place, accept=accept)
            except ActivatorError as error:
                self._problems.append(error)
                continue
            open_ends += self._named_by(unit, self._service_readers[name].place)
        counts: Counter[str] = Counter()
        for socket in self._sockets.values():
            counts[socket.service] += len(socket.listens)
        for name, reader in self._service_readers.items():
            self._check_streams(name, reader, 1 if name in self._templates else counts[name])

    def look_for_unused(self) -> None:
        """Note the services that were asked for and that nothing here would start."""
        for name in sorted(set(self._named) - self._tried):
            known = {name, template_of(name)} & {*self._services, *self._templates}
            if name.endswith(".service") and not known and not self._problems:
                why = "no socket here starts it, and no unit needs it"
                self._missing.append(f"{name} is not run: {why}; name its socket, or leave it out")

    def plan(self) -> Plan:
        """Return the plan.

        Raises:
            ActivatorError: Something was wrong.
        """
        if self._problems:
            raise combine(self._problems)
        ignored = dict.fromkeys(f"{name}=" for each in self._readers for name in each.ignored())
        notes = [str(note) for reader in self._readers for note in reader.notes]
        return Plan(
            sockets=tuple(self._sockets.values()),
            services=self._services,
            templates=self._templates,
            ignored=tuple(ignored),
            notes=(*notes, *self._missing),
        )

    # --- inside ------------------------------------------------------------------------

    def _reader(self, name: str, instance: str = "") -> Reader:
        """Return the reader of a unit that must be there, of an instance if one is named."""
        found = self._units.find(name)
        if found is None:
            raise ActivatorError(f"there is no {name}", "check the name")
        name = found.name.replace("@.", f"@{instance}.")
        table = table_of(name, path=found.files[0].name, runtime=self._runtime.directory)
        return Reader(name, found.files, table, self._units.canonical, self._runtime)

    def _add_service(self, name: str, place: str, *, accept: bool) -> ServiceUnit:
        """Read a service, and check once what would fail at each start."""
        if self._units.find(name) is None:
            raise ActivatorError(
                f"its service {name} is not beside it",
                "write it there" if accept else "write it there, or name it with Service=",
                place=place,
            )
        reader = self._reader(name, SAMPLE_INSTANCE if accept else "")
        unit = read_service(reader)
        _check_program(unit)
        self._readers.append(reader)
        self._service_readers[name] = reader
        if unit.type in _AT_ONCE:
            what = f"{unit.place}: Type={unit.type} counts as started at once"
            self._missing.append(f"{what}: there is no {_AT_ONCE[unit.type]} here")
        if not accept:
            self._services[name] = unit
            return unit

        def make(instance: str) -> ServiceUnit:
            if not reader.depends_on_instance:
                return replace(unit, name=name.replace("@.", f"@{instance}."))
            return read_service(self._reader(name, instance))

        self._templates[name] = Template(name, unit, make, reader.depends_on_instance)
        return unit

    def _named_by(self, unit: ServiceUnit | SocketUnit, place: str) -> list[tuple[str, str, bool]]:
        """Return the units that one needs, as names with its file, to be read."""
        sockets = unit.sockets if isinstance(unit, ServiceUnit) else ()
        return [(name, place, False) for name in self._needed(unit.relations, place, sockets)]

    def _needed(self, relations: Relations, place: str, sockets: tuple[str, ...]) -> list[str]:
        """Return the units that one needs and that are there; note those that are not.

        What the system's packages brought is taken as running, unless it was asked for: it is
        not ours to start.
        """
        found = []
        pulled = (*relations.requires, *relations.wants, *relations.upholds, *sockets)
        following = self._following(relations, place)
        for name in dict.fromkeys((*pulled, *following)):
            if not name.endswith((".service", ".socket")) or SAMPLE_INSTANCE in name:
                continue
            files = self._units.find(name)
            vendor = files is not None and files.files[0].name.startswith(VENDOR_PATH)
            if files is not None and (name in self._named or not vendor):
                found.append(name)
            elif name in relations.requires and name not in self._tried:
                why = "is the system's" if files is not None else "is not beside it"
                what = f"{place}: needs {name}, which {why}"
                self._missing.append(f"{what}: taken as there; name it too to have it started")
        return found

    def _following(self, relations: Relations, place: str) -> list[str]:
        """Return the services that follow a unit and are there; note those that are not."""
        found = []
        for name in dict.fromkeys((*relations.on_failure, *relations.on_success)):
            files = self._units.find(name) if name.endswith(".service") else None
            system = files is not None and files.files[0].name.startswith(VENDOR_PATH)
            if files is None or (system and name not in self._named):
                why = "is not beside it" if files is None else "is the system's"
                what = f"{place}: {name} would follow it, which {why}"
                self._missing.append(f"{what}: not started then")
            else:
                found.append(name)
        return found

    def _check_streams(self, name: str, reader: Reader, count: int) -> None:
        """Note if a standard stream should be the socket and there is not exactly one."""
        for directive in _STREAMS if count != 1 else ():
            for entry in reader.entries("Service", directive)[-1:]:
                if entry.value == "socket":
                    what = f"{directive}=socket needs exactly one socket, and {name} gets {count}"
                    hint = "set Accept=yes, or keep one Listen line"
                    self._problems.append(ActivatorError(what, hint, place=entry.place))
                    return


def _check_program(unit: ServiceUnit) -> None:
    """Raise if a program cannot be started, unless that depends on the instance."""
    for commands in unit.commands.values():
        for command in commands:
            if command.may_fail or SAMPLE_INSTANCE in command.path:
                continue
            try:
                find_program(command.path, search_path())
            except ActivatorError as error:
                raise error.at(command.place)  # noqa: B904 - the same error, with its place
