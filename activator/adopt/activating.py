"""A program that opens its own port, made one that is passed its sockets: the way, and why."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from activator.adopt import addresses, programs
from activator.adopt.model import Kind, Line, Note
from activator.adopt.programs import Program
from activator.errors import ActivatorError
from activator.unitfile import quoting
from activator.unitfile.unquoting import Command, split_command

_UNKNOWN = "nothing is known of it: it opens its own port, and systemd's proxy stands before it"
_NAME = "add --listen ADDRESS, where it listens"
_APPLICATION = r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*"
_NETWORK = (
    "behind the proxy it has a network of its own, and reaches nothing else by IP; if it needs"
    ' that, have it listen at a Unix socket, and write backend = "/run/NAME/backend.sock"'
)


class Way(NamedTuple):
    """How a program is activated.

    Attributes:
        keys: The spec's keys for it.
        listen: The addresses.
        settings: Directives of the service.
        needs: What it needs.
        notes: The report.
    """

    keys: tuple[Line, ...]
    listen: tuple[Line, ...]
    settings: tuple[Line, ...] = ()
    needs: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()


class _Line(NamedTuple):
    """A command line, taken apart.

    Attributes:
        command: The command.
        start: Where the program's options begin: behind an interpreter and its script.
        rest: Its arguments from there on, without its addresses.
        listen: The addresses.
        place: Where it stands.
        notes: Takes the report.
    """

    command: Command
    start: int
    rest: tuple[str, ...]
    listen: tuple[Line, ...]
    place: str
    notes: list[Note]


def find(value: str, fdname: str, place: str, listen: Sequence[str] = ()) -> Way:
    """Return how the program of a command line is activated.

    Args:
        value: The command line, in systemd's syntax.
        fdname: The name of its descriptor.
        place: Where it stands.
        listen: Where it listens, if that is said apart.

    Raises:
        ActivatorError: It cannot be, or nothing says where it listens.
    """
    commands = split_command(value)
    if len(commands) != 1:
        what = f"{len(commands)} commands are run, and one can be passed the sockets"
        raise ActivatorError(what, "name the one that serves", place=place)
    (command,) = commands
    program, start = programs.find(command.argv)
    if program is not None and program.way == "refused":
        what = f"{program.name} cannot be activated: {program.text}"
        raise ActivatorError(what, "leave its unit as it is", place=place)
    options, default = (program.options, program.address) if program else (addresses.USUAL, "")
    found = addresses.find(command.argv[start:], options, default)
    notes: list[Note] = []
    where = list(listen) or list(found.addresses)
    if not where:
        where = [_default(program, command, place, notes)]
    listening = tuple(Line("ListenStream", address, place) for address in where)
    line = _Line(command, start, found.rest, listening, place, notes)
    if program is None or program.way == "proxy":
        return _proxied(line, program)
    return _passed(line, program, fdname)


def own_addresses(value: str) -> tuple[str, ...]:
    """Return the addresses of a command whose program takes what LISTEN_FDS passes instead."""
    commands = split_command(value)
    if len(commands) != 1:
        return ()
    (command,) = commands
    program, start = programs.find(command.argv)
    if program is None or program.way != "native":
        return ()
    return addresses.find(command.argv[start:], program.options).addresses


def _default(program: Program | None, command: Command, place: str, notes: list[Note]) -> str:
    """Return where a program listens whose command line does not say so.

    Raises:
        ActivatorError: Nobody knows.
    """
    name = command.path.rpartition("/")[2]
    if program is None or not program.address:
        raise ActivatorError(f"nothing says where {name} listens", _NAME, place=place)
    default = addresses.normal(program.address) or program.address
    where = (
        "its configuration says where it listens, and nobody read that"
        if program.configured
        else ("its command line does not say where it listens")
    )
    notes.append(Note(Kind.DECIDE, place, f"{where}: {default} is the usual address"))
    return default


def _proxied(line: _Line, program: Program | None) -> Way:
    """Return the way by a proxy."""
    targets = [addresses.backend(str(each.value)) for each in line.listen]
    target = next((each for each in targets if each is not None), None)
    if target is None:
        what = f"{line.listen[0].value} cannot be both the clients' socket and the program's"
        hint = "have the program listen at /run/NAME/backend.sock, and give --listen this path"
        raise ActivatorError(what, hint, place=line.place)
    why = program.text if program else _UNKNOWN
    keys = (
        Line("mode", "proxy", why=why),
        Line("exec", _joined(line.command, line.command.argv[1:]), line.place),
        Line("backend", target, line.place, "where the program itself listens"),
    )
    line.notes.append(Note(Kind.CHANGED, line.place, f"by a proxy: {why}"))
    line.notes.append(Note(Kind.DECIDE, line.place, _NETWORK))
    return Way(keys, line.listen, needs=program.needs if program else (), notes=tuple(line.notes))


def _passed(line: _Line, program: Program, fdname: str) -> Way:
    """Return the way in which the program is passed the sockets."""
    settings = [Line(name, value, why=program.text) for name, value in program.settings]
    version = f"from version {program.since} on, " if program.since else ""
    line.notes.append(Note(Kind.CHANGED, line.place, f"natively: {version}{program.text}"))
    if program.way == "wsgi":
        return _application(line, program)
    keys = [Line("exec", _command(line, program, fdname), line.place, program.text)]
    if program.way == "each":
        keys.append(Line("mode", "per-connection", why="a process for each connection"))
        settings.insert(0, Line("StandardInput", "socket", why=program.text))
    elif program.way == "config":
        what = f"its configuration has to say: {program.how.replace('{fd}', '3')}"
        line.notes.append(Note(Kind.DECIDE, line.place, what))
    return Way(tuple(keys), line.listen, tuple(settings), program.needs, tuple(line.notes))


def _command(line: _Line, program: Program, fdname: str) -> str:
    """Return the command line that takes the sockets."""
    reference = f"{{fd:{fdname}}}"
    how = program.how.replace("{address}", str(line.listen[0].value))
    how = how.replace("{fds}", f"{{fds:{fdname}:;}}").replace("{fd}", reference)
    head = line.command.argv[1 : line.start]
    if program.way == "variable":
        value = _joined(line.command, [*head, *line.rest])
        return f"activator exec --env {quoting.word(how, specifiers=False)} -- {value}"
    if program.way == "config":
        return _joined(line.command, [*head, *line.rest])
    more = [word for word in how.split() if word not in line.rest]
    value = _joined(line.command, [*head, *more, *line.rest])
    return f"activator exec -- {value}" if reference in how else value


def _application(line: _Line, program: Program) -> Way:
    """Return the way of an application that the runtime serves.

    Raises:
        ActivatorError: The command line names none.
    """
    name = next((word for word in line.rest if re.fullmatch(_APPLICATION, word)), "")
    if not name or "--call" in line.rest:
        what = "the application is made by a function, or not named"
        raise ActivatorError(what, "name it as module:application", place=line.place)
    if left := [word for word in line.rest if word != name]:
        what = f"the runtime serves it without {' '.join(left)}"
        line.notes.append(Note(Kind.DECIDE, line.place, what))
    key = Line("wsgi", name, line.place, program.text)
    return Way((key,), line.listen, notes=tuple(line.notes))


def _joined(command: Command, arguments: Sequence[str]) -> str:
    """Return a command line with other arguments; $ and % stay what they were."""
    words = [f"{command.prefixes}{quoting.word(command.path, specifiers=False)}"]
    if "@" in command.prefixes:
        words.append(quoting.word(command.argv[0], specifiers=False))
    words += [quoting.word(word, specifiers=False) if word != ";" else "\\;" for word in arguments]
    return " ".join(words)
