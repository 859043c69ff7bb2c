"""Units to a draft: a service, the sockets that start it, and all that applies to them."""

from collections.abc import Iterator, Sequence

from activator.adopt import activating
from activator.adopt.model import Adopted, Draft, Kind, Line, Note, Socket
from activator.adopt.renaming import canonical, settled
from activator.adopt.unit_files import UnitFolder, counted, is_accepting
from activator.check.units import Unit
from activator.common.fdname import is_fdname
from activator.errors import ActivatorError
from activator.generate.specfile.names import unit_prefix
from activator.generate.specfile.reader import RESERVED
from activator.unitfile import directives, sections
from activator.unitfile.search import is_template

_SANDBOX = Line("hardening", "none", why="the sandbox is the unit's own")


def service_of(folder: UnitFolder, name: str) -> tuple[Unit, list[Unit]]:
    """Return a service and the sockets that start it, of which any is named.

    Raises:
        ActivatorError: There is no such unit, or what belongs to it is missing.
    """
    unit = folder.unit(name)
    if unit is None:
        raise ActivatorError(f"there is no unit {name}", "name a unit, or the path of one")
    if unit.type == "service":
        return unit, folder.sockets(unit.name)
    if is_template(unit.name):
        hint = f"name an instance, as {unit.prefix}@NAME.socket"
        raise ActivatorError(f"{unit.name} is a template", hint, place=unit.path)
    target = folder.target(unit)
    service = folder.unit(target)
    if service is None:
        what = f"{unit.name} starts {target}, which is not there"
        raise ActivatorError(what, "put it beside the socket", place=unit.path)
    return service, folder.sockets(service.name) or [unit]


def adopt(service: Unit, sockets: Sequence[Unit], listen: Sequence[str] = ()) -> Adopted:
    """Return what becomes of a service and its sockets.

    Args:
        service: The service, or the template of which connections get instances.
        sockets: Those that start it; without any, it opens its own.
        listen: Where it does so, if that is said apart.
    """
    reader = _Reader(service, sockets)
    try:
        draft = reader.draft() if sockets else reader.alone(listen)
    except ActivatorError as error:
        refused = Note(Kind.REFUSED, error.place or service.path, _said(error))
        return Adopted(service.name, None, (*reader.notes, refused))
    return Adopted(service.name, draft, tuple(reader.notes))


class _Reader:
    """Reads a service and its sockets."""

    def __init__(self, service: Unit, sockets: Sequence[Unit]) -> None:
        self.service = service
        self.sockets = sockets
        self.notes: list[Note] = []
        self.name = spec_name(service)
        self.each = any(map(is_accepting, sockets))
        self.renamed = dict(self._names())

    def draft(self) -> Draft:
        """Return the draft.

        Raises:
            ActivatorError: No spec can say it.
        """
        unit_prefix(self.name)
        new = f"{self.name}@.service" if self.each else f"{self.name}.service"
        tables = self._tables(self.service, new)
        command = self._command(new)
        given = {e.value for unit in self.sockets for e in unit.settings.all("Listen")}
        for address in activating.own_addresses(str(command.value)):
            if address not in given:
                what = f"{address} is not among its sockets: nothing listens there, as before"
                self.notes.append(Note(Kind.DECIDE, command.place, what))
        keys = [*_described(tables), command]
        if self.each:
            keys.append(Line("mode", "per-connection", self._place("Accept")))
        keys.append(_SANDBOX)
        return Draft(
            name=self.name,
            origin=" and ".join([self.service.path, *(unit.path for unit in self.sockets)]),
            keys=tuple(keys),
            sockets=tuple(self._socket(unit) for unit in self.sockets),
            unit=tuple(tables["Unit"]),
            service=tuple(tables["Service"]),
            install=tuple(tables["Install"]),
        )

    def alone(self, listen: Sequence[str]) -> Draft:
        """Return the draft of a service that opens its own port, with a socket for it.

        Raises:
            ActivatorError: It cannot be activated, or nothing says where it listens.
        """
        if is_template(self.service.name):
            hint = f"name an instance, as {self.service.prefix}@NAME.service"
            raise ActivatorError(f"{self.service.name} is a template", hint)
        unit_prefix(self.name)
        new = f"{self.name}.service"
        tables = self._tables(self.service, new)
        command = self._command(new)
        way = activating.find(str(command.value), self.name, command.place, listen)
        self.notes += way.notes
        for line in tables.pop("Install"):
            what = f"{line.name}={line.value}: its socket is enabled in its place, and starts it"
            self.notes.append(Note(Kind.CHANGED, line.place, what))
        for line in tables["Service"]:
            if (line.name, line.value) == ("Type", "forking"):
                what = "Type=forking: who goes into the background gets no sockets; have it stay"
                self.notes.append(Note(Kind.DECIDE, line.place, what))
        service = _upon(way, tables["Service"])
        keys = [*_described(tables), *way.keys, *_ready(way, tables["Service"]), _SANDBOX]
        return Draft(
            name=self.name,
            origin=self.service.path,
            keys=tuple(keys),
            sockets=(Socket(self.name, way.listen),),
            unit=tuple(tables["Unit"]),
            service=tuple(service),
        )

    def _command(self, new: str) -> Line:
        """Return the command; several are one line, as systemd.service(5) has them."""
        entries = self.service.lines("Service", "ExecStart")
        if not entries:
            what = f"{self.service.name} runs nothing: it has no ExecStart="
            raise ActivatorError(what, "a spec is for a service that runs", place=self.service.path)
        value = " ; ".join(settled(entry.value, self.service, new) for entry in entries)
        return Line("exec", value, entries[0].place)

    def _place(self, name: str) -> str:
        """Return where the first socket has a directive."""
        entry = self.sockets[0].settings.get(name)
        return entry.place if entry else ""

    # --- names -------------------------------------------------------------------------

    def _names(self) -> Iterator[tuple[str, str]]:
        """Yield the names of the sockets' units that are, and that will be."""
        for unit in self.sockets:
            stem = f"{self.name}-{self._fdname(unit)}" if len(self.sockets) > 1 else self.name
            yield unit.name, f"{stem}.socket"

    def _fdname(self, unit: Unit) -> str:
        """Return the name of a socket's table, by which its unit keeps its name if it can be."""
        given = unit.settings.value("FileDescriptorName")
        others = [one.settings.value("FileDescriptorName") for one in self.sockets]
        if given and is_fdname(given) and "%" not in given and others.count(given) == 1:
            return given
        stem = unit.stem.replace("@", "-")
        if len(self.sockets) > 1 and stem.startswith(f"{self.name}-"):
            return stem.removeprefix(f"{self.name}-")
        return stem if is_fdname(stem) else self.name

    def _told_names(self, unit: Unit, fdname: str) -> None:
        """Note what is called otherwise now."""
        new = self.renamed[unit.name]
        if new != unit.name:
            what = (
                f"{unit.name} is {new} now: drop-ins and other units that name it are not changed"
            )
            self.notes.append(Note(Kind.CHANGED, unit.path, what))
        was = unit.settings.value("FileDescriptorName") or unit.name
        if not self.each and was != fdname:
            what = f"the descriptors of {unit.name} are called {fdname}, and were {was}"
            entry = unit.settings.get("FileDescriptorName")
            self.notes.append(Note(Kind.CHANGED, entry.place if entry else unit.path, what))

    # --- lines -------------------------------------------------------------------------

    def _socket(self, unit: Unit) -> Socket:
        """Return a socket's table."""
        fdname = self._fdname(unit)
        self._told_names(unit, fdname)
        tables = self._tables(unit, self.renamed[unit.name])
        return Socket(
            fdname, tuple(tables["Socket"]), tuple(tables["Unit"]), tuple(tables["Install"])
        )

    def _tables(self, unit: Unit, new: str) -> dict[str, list[Line]]:
        """Return the lines of a unit that count, by section, and note the others."""
        self._told_gone(unit)
        tables: dict[str, list[Line]] = {name: [] for name in sections.sections_of(unit.type)}
        for entry, directive in counted(unit):
            section, name = canonical(entry, directive)
            if name != entry.name or section != entry.section:
                what = f"{entry.name}= of [{entry.section}] is {name}= of [{section}] by now"
                self.notes.append(Note(Kind.CHANGED, entry.place, what))
                if directive.repeat.startswith("single"):
                    tables[section] = [line for line in tables[section] if line.name != name]
            if (section, name) in RESERVED:
                continue
            value = self._names_within(settled(entry.value, unit, new), directive)
            tables[section].append(Line(name, value, entry.place))
        return tables

    def _names_within(self, value: str, directive: directives.Directive) -> str:
        """Return a value with the sockets' new names where it lists units."""
        if directive.type.partition(":")[0] not in ("units", "install-names"):
            return value
        return " ".join(self.renamed.get(word, word) for word in value.split())

    def _told_gone(self, unit: Unit) -> None:
        """Note the lines that systemd does not take either."""
        settings = unit.settings
        for file in unit.files:
            for problem in file.problems:
                self.notes.append(Note(Kind.GONE, problem.place, problem.message))
        for entry in settings.unknown:
            what = f"{entry.name}= is no directive of [{entry.section}], and systemd ignores it"
            self.notes.append(Note(Kind.GONE, entry.place, what))
        taken = {entry for entry, _ in settings.taken}
        for remark in settings.remarks:
            if remark.entry not in taken:
                self.notes.append(Note(Kind.GONE, remark.entry.place, remark.verdict.message))
            elif not settings.counts(remark.entry) and remark.entry.value:
                what = f"systemd takes a part of it only: {remark.verdict.message}"
                self.notes.append(Note(Kind.DECIDE, remark.entry.place, what))


def _described(tables: dict[str, list[Line]]) -> list[Line]:
    """Take the description out of [Unit], if it is literal text, and return it as a key."""
    lines = [line for line in tables["Unit"] if line.name == "Description"]
    if not lines or "%" in str(lines[-1].value):
        return []
    tables["Unit"].remove(lines[-1])
    return [lines[-1]._replace(name="description")]


def _upon(way: activating.Way, lines: list[Line]) -> list[Line]:
    """Return the service's lines with those that a way needs in place of others."""
    needed = {line.name for line in way.settings}
    proxied = any(line.name == "backend" for line in way.keys)
    hidden = {*needed, "Type"} if proxied else needed
    return [*(line for line in lines if line.name not in hidden), *way.settings]


def _ready(way: activating.Way, lines: list[Line]) -> list[Line]:
    """Return what tells when a program behind a proxy is ready, if it says so itself."""
    proxied = any(line.name == "backend" for line in way.keys)
    says = [line for line in lines if line.name == "Type" and line.value == "notify"]
    return [Line("ready", "notify", line.place) for line in says if proxied]


def spec_name(service: Unit) -> str:
    """Return the name of the spec for a service."""
    return service.stem.removesuffix("@").replace("@", "-")


def _said(error: ActivatorError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message
