"""From the files that were named to a plan of what runs: units found, read and joined."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from activator.errors import ActivatorError, combine
from activator.local.command import find_program, search_path
from activator.local.models import Activation, Plan, ServiceUnit, SocketUnit
from activator.local.paths import RuntimeDir
from activator.local.reader import Reader
from activator.local.service_unit import read_service
from activator.local.socket_unit import read_socket
from activator.local.specifier_table import table_of
from activator.local.units import SUFFIXES, Units, is_template

# What %i looks like, to read a template before its first connection.
SAMPLE_INSTANCE = "0-127.0.0.1:1-127.0.0.1:2"


def load(
    paths: Sequence[str],
    texts: Mapping[str, tuple[str, str]] | None = None,
    runtime: RuntimeDir | None = None,
) -> Plan:
    """Read the named units, and the services that belong to them.

    Args:
        paths: Unit files: sockets, and services that are needed by them. A service alone
            stands for the socket of its name beside it, a folder for all sockets in it, and a
            name that is no file for the unit that the system has.
        texts: More units: name → text and what to call it in messages. All their sockets
            run, too.
        runtime: Where paths below /run go.

    Raises:
        ActivatorError: A unit is missing, wrong, or cannot be run here; several errors come
            as one :class:`~activator.errors.Problems`.
    """
    units = Units(texts or {})
    names = [name for name in units_in(texts or {}) if name.endswith(".socket")]
    names += _named(paths, units)
    runtime = runtime or RuntimeDir()
    readers: list[Reader] = []
    problems: list[ActivatorError] = []
    sockets: list[SocketUnit] = []
    for name in dict.fromkeys(names):
        try:
            reader = _reader(units, name, runtime)
            sockets.append(read_socket(reader))
            readers.append(reader)
        except ActivatorError as error:
            problems.append(error)
    activations = []
    for service in dict.fromkeys(unit.service for unit in sockets):
        members = tuple(unit for unit in sockets if unit.service == service)
        try:
            activation, reader = _activation(units, service, members, runtime)
            activations.append(activation)
            readers.append(reader)
        except ActivatorError as error:
            problems.append(error)
    if problems:
        raise combine(problems)
    ignored = dict.fromkeys(f"{name}=" for reader in readers for name in reader.ignored())
    notes = [note for reader in readers for note in reader.unknown()]
    return Plan(tuple(activations), tuple(ignored), tuple(notes))


def units_in(texts: Mapping[str, tuple[str, str]]) -> list[str]:
    """Return the names of the sockets among texts that can be run as they are."""
    return [name for name in texts if name.endswith(".socket") and not name.endswith("@.socket")]


def _named(paths: Sequence[str], units: Units) -> list[str]:
    """Return the sockets' names that the arguments stand for, and note where they are."""
    found = [each for text in paths for each in _expanded(text)]
    places: dict[str, Path] = {}
    for path in found:
        units.search(path.parent)
        other = places.setdefault(path.name, path)
        if path.exists() and other.absolute() != path.absolute():
            raise ActivatorError(f"{other} and {path} have one name", "give one of them")
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
                f"{text} is no unit", "give a .socket file, or a spec that ends in .toml"
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
    units.forget(path.name)
    units.search_system()
    if units.find(path.name) is None:
        raise ActivatorError(f"there is no file {path}, nor does the system have it", "check it")


def _reader(units: Units, name: str, runtime: RuntimeDir, instance: str = "") -> Reader:
    """Return the reader of a unit that must be there, of an instance of a template if named."""
    files = units.find(name)
    if files is None:
        raise ActivatorError(f"there is no {name}", "check the name")
    name = name.replace("@.", f"@{instance}.")
    table = table_of(name, path=files[0].name, runtime=runtime.directory)
    return Reader(name, files, table)


def _activation(
    units: Units, service: str, sockets: tuple[SocketUnit, ...], runtime: RuntimeDir
) -> tuple[Activation, Reader]:
    """Join a service and its sockets, and check once what would fail at each start."""
    first = sockets[0]
    if units.find(service) is None:
        raise ActivatorError(
            f"its service {service} is not beside it",
            "write it there" if first.accept else "write it there, or name it with Service=",
            place=first.place,
        )

    reader = _reader(units, service, runtime, SAMPLE_INSTANCE if first.accept else "")
    unit = read_service(reader)

    def make(instance: str) -> ServiceUnit:
        if not reader.depends_on_instance:
            return replace(unit, name=service.replace("@.", f"@{instance}."))
        return read_service(_reader(units, service, runtime, instance))

    _check_program(unit)
    _check_streams(unit, reader, sockets)
    return Activation(service, sockets, unit, make), reader


def _check_program(unit: ServiceUnit) -> None:
    """Raise if the program cannot be started, unless it depends on the instance."""
    if "-" in unit.command.prefixes or SAMPLE_INSTANCE in unit.command.path:
        return
    try:
        find_program(unit.command.path, search_path())
    except ActivatorError as error:
        raise error.at(unit.place)  # noqa: B904 - the same error, with its place


def _check_streams(unit: ServiceUnit, reader: Reader, sockets: tuple[SocketUnit, ...]) -> None:
    """Raise if a standard stream should be the socket and there is not exactly one."""
    count = 1 if sockets[0].accept else sum(len(socket.listens) for socket in sockets)
    if count == 1:
        return
    for name in ("StandardInput", "StandardOutput", "StandardError"):
        for entry in reader.entries("Service", name)[-1:]:
            if entry.value == "socket":
                raise ActivatorError(
                    f"{name}=socket needs exactly one socket, and {unit.name} gets {count}",
                    "set Accept=yes, or keep one Listen line",
                    place=entry.place,
                )
