"""From the files that were named to a plan of what runs: units found, read and joined."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from activator.errors import ActivatorError, Problems
from activator.local.command import find_program, search_path
from activator.local.models import Activation, Plan, ServiceUnit, SocketUnit
from activator.local.paths import RuntimeDir
from activator.local.reader import Reader
from activator.local.service_unit import read_service
from activator.local.socket_unit import read_socket
from activator.local.specifier_table import table_of
from activator.unit import UnitFile

# What %i looks like, to read a template before its first connection.
SAMPLE_INSTANCE = "0-127.0.0.1:1-127.0.0.1:2"


class Units:
    """Find unit files by name, beside the files that were named and among given texts.

    Args:
        texts: Unit name → its text and what to call it in messages.
    """

    def __init__(self, texts: Mapping[str, tuple[str, str]]) -> None:
        self._texts = texts
        self._directories: list[Path] = []
        self._parsed: dict[str, list[UnitFile] | None] = {}

    def search(self, directory: Path) -> None:
        """Look in a directory, too."""
        if directory not in self._directories:
            self._directories.append(directory)

    def find(self, name: str) -> list[UnitFile] | None:
        """Return a unit's file and its drop-ins, or None if there is none.

        An instance ``a@b.service`` without a file of its own is made from ``a@.service``.

        Raises:
            ActivatorError: A file cannot be read, or holds what systemd would skip.
        """
        if name not in self._parsed:
            files = self._read(name)
            self._parsed[name] = files
        return self._parsed[name]

    def _read(self, name: str) -> list[UnitFile] | None:
        """Read a unit and its drop-ins."""
        template = template_of(name)
        names = [name] if template is None else [template, name]
        found = next((u for u in map(self._fragment, reversed(names)) if u is not None), None)
        if found is None:
            return None
        drop_ins = {
            path.name: path
            for directory in self._directories
            for unit in names
            for path in sorted(directory.glob(f"{_literal(unit)}.d/*.conf"))
        }
        return [found, *(_parse(_text(drop_ins[n]), str(drop_ins[n])) for n in sorted(drop_ins))]

    def _fragment(self, name: str) -> UnitFile | None:
        """Return the parsed unit file, or None if there is none."""
        if name in self._texts:
            return _parse(*self._texts[name])
        for directory in self._directories:
            path = directory / name
            if path.exists():
                return _parse(_text(path), str(path))
        return None


def load(
    paths: Sequence[str],
    texts: Mapping[str, tuple[str, str]] | None = None,
    runtime: RuntimeDir | None = None,
) -> Plan:
    """Read the named units, and the services that belong to them.

    Args:
        paths: Unit files: sockets, and services that are needed by them. A service alone
            stands for the socket of its name beside it.
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
        raise problems[0] if len(problems) == 1 else Problems(problems)
    ignored = dict.fromkeys(f"{name}=" for reader in readers for name in reader.ignored())
    notes = [note for reader in readers for note in reader.unknown()]
    return Plan(tuple(activations), tuple(ignored), tuple(notes))


def units_in(texts: Mapping[str, tuple[str, str]]) -> list[str]:
    """Return the names of the sockets among texts that can be run as they are."""
    return [name for name in texts if name.endswith(".socket") and not name.endswith("@.socket")]


def template_of(name: str) -> str | None:
    """Return the template's name of an instance, None for what is none."""
    stem, _, suffix = name.rpartition(".")
    prefix, at, instance = stem.partition("@")
    return f"{prefix}@.{suffix}" if at and instance else None


def _named(paths: Sequence[str], units: Units) -> list[str]:
    """Return the sockets' names that the arguments stand for, and note where they are."""
    names = []
    for text in paths:
        path = Path(text)
        units.search(path.parent)
        if path.suffix not in (".socket", ".service"):
            raise ActivatorError(
                f"{text} is no unit", "give a .socket file, or a spec that ends in .toml"
            )
        # An instance is not a file itself, its template is.
        if not path.exists() and units.find(path.name) is None:
            raise ActivatorError(f"there is no file {text}", "check the path")
        if path.suffix == ".socket":
            if path.name.endswith("@.socket"):
                instance = f"{text.removesuffix('.socket')}NAME.socket"
                raise ActivatorError(f"{text} is a template", f"name an instance: {instance}")
            names.append(path.name)
    services = [Path(text) for text in paths if text.endswith(".service")]
    for path in services:
        if names:
            break  # it only says where a service is
        name = f"{path.stem.removesuffix('@')}.socket"
        if units.find(name) is None:
            raise ActivatorError(f"there is no {name} beside {path}", "give the .socket file")
        names.append(name)
    return names


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


def _text(path: Path) -> str:
    """Read a unit file."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ActivatorError(f"cannot read it: {error.strerror}", place=str(path)) from None
    except UnicodeDecodeError:
        raise ActivatorError("it is not UTF-8", "save it as UTF-8", place=str(path)) from None


def _parse(text: str, name: str) -> UnitFile:
    """Parse a unit file; what systemd would skip is an error here."""
    unit = UnitFile.parse(text, name)
    if unit.problems:
        raise unit.problems[0] if len(unit.problems) == 1 else Problems(unit.problems)
    return unit


def _literal(name: str) -> str:
    """Escape a unit's name for a file pattern."""
    return os.fspath(name).replace("[", "[[]").replace("*", "[*]").replace("?", "[?]")
