"""What inetd and xinetd have in common: a program that gets its socket as standard input."""

import ipaddress
import re
import socket
from typing import NamedTuple

from activator.adopt.model import Draft, Kind, Line, Note, Socket
from activator.common.integers import decimal
from activator.errors import ActivatorError
from activator.unitfile import quoting

_PORT_MAX = 65535
# What the super-servers do themselves, and a program that says the same bytes; by protocol.
_INTERNAL = {
    ("echo", "stream"): ["/usr/bin/cat"],
    ("discard", "stream"): ["/usr/bin/cat"],
    ("daytime", "stream"): ["/usr/bin/env", "LC_ALL=C", "date", "+%a %b %e %H:%M:%S %Y\r"],
}
_SILENT = "discard"
_SANDBOX = "as it ran so far; `activator learn` says what can be closed"


class Served(NamedTuple):
    """A line of inetd.conf or an entry of xinetd.conf.

    Attributes:
        name: The name of the spec.
        origin: What it was made from, in words.
        place: Where it stands.
        socket_type: ``stream``, ``dgram`` or ``seqpacket``.
        each: Whether each connection gets a process of its own.
        listen: The addresses.
        exec: The command.
        socket: Further directives of [Socket].
        service: Those of [Service].
        environment: Variables.
        keys: Further keys of the spec.
        needs_input: Whether the program has the socket as its standard input.
    """

    name: str
    origin: str
    place: str
    socket_type: str
    each: bool
    listen: tuple[Line, ...]
    exec: Line
    socket: tuple[Line, ...] = ()
    service: tuple[Line, ...] = ()
    environment: tuple[Line, ...] = ()
    keys: tuple[Line, ...] = ()
    needs_input: bool = True


def draft(served: Served) -> Draft:
    """Return the draft of what a super-server served."""
    keys = [served.exec]
    if served.each:
        keys.append(Line("mode", "per-connection", served.place, "a process for each connection"))
    keys.append(Line("hardening", "none", why=_SANDBOX))
    service = list(served.service)
    if served.needs_input:
        why = "the program has it as standard input, output and error"
        service.insert(0, Line("StandardInput", "socket", served.place, why))
    table = Socket(served.name, (*served.listen, *served.socket))
    return Draft(
        name=served.name,
        origin=served.origin,
        keys=(*keys, *served.keys),
        sockets=(table,),
        environment=served.environment,
        service=tuple(service),
    )


def command(path: str, argv: list[str], place: str) -> Line:
    """Return the command of a program that is called with an argv of its own.

    Raises:
        ActivatorError: No unit can say it.
    """
    if not path.startswith("/"):
        raise ActivatorError(f"{path!r} is not an absolute path", "name the program", place=place)
    first = argv[0] if argv else path
    name = path.rpartition("/")[2]
    try:
        if first in (path, name):
            return Line("exec", quoting.command([path, *argv[1:]]), place)
        words = [quoting.argument(word) for word in argv]
        return Line("exec", " ".join([f"@{quoting.word(path)}", *words]), place)
    except ActivatorError as error:
        raise error.at(place) from None


def internal(service: str, socket_type: str, place: str) -> tuple[Line, tuple[Line, ...]]:
    """Return a program that does what the super-server did itself, and its settings.

    Raises:
        ActivatorError: There is none.
    """
    argv = _INTERNAL.get((service, socket_type))
    if argv is None:
        what = f"the super-server itself served {service} over {socket_type}"
        raise ActivatorError(what, "leave it out, or write a handler", place=place)
    settings = [Line("DynamicUser", value=True, why="it needs no user of its own")]
    if service == _SILENT:
        settings.append(Line("StandardOutput", "null", place))
    return Line("exec", quoting.command(argv), place, "which the super-server did itself"), tuple(
        settings
    )


def port(service: str, protocol: str, place: str) -> int:
    """Return the port of a service, a number or a name of services(5).

    Raises:
        ActivatorError: There is none of that name.
    """
    number = decimal(service)
    if number is None:
        try:
            return socket.getservbyname(service, protocol)
        except (OSError, ValueError):
            what = f"there is no service {service}/{protocol} in /etc/services"
            raise ActivatorError(what, "write its port", place=place) from None
    if not 0 < number <= _PORT_MAX:
        raise ActivatorError(f"{service} is not a port", f"1 to {_PORT_MAX}", place=place)
    return number


def listening(socket_type: str, host: str, number: int, place: str) -> Line:
    """Return the directive for an address of IP.

    Args:
        socket_type: ``stream``, ``dgram`` or ``seqpacket``.
        host: The address; empty for all.
        number: The port.
        place: Where it stands.
    """
    return Line(directive(socket_type), address(host, number), place)


def address(host: str, number: int) -> str:
    """Return an address as systemd.socket(5) writes it."""
    if not host:
        return str(number)
    return f"[{host}]:{number}" if ":" in host else f"{host}:{number}"


def directive(socket_type: str) -> str:
    """Return the directive for a type of socket."""
    return {
        "stream": "ListenStream",
        "dgram": "ListenDatagram",
        "seqpacket": "ListenSequentialPacket",
    }[socket_type]


def spec_name(service: str) -> str:
    """Return a name for units that resembles a service's."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", service).strip("-.") or "service"


def reading_on(place: str) -> Note:
    """Return the note on datagrams for which a process each was wanted."""
    what = "nowait with datagrams: one process gets them all, and has to read until none comes"
    return Note(Kind.DECIDE, place, what)


def numeric(host: str, place: str) -> str:
    """Return an address that is written in numbers.

    Raises:
        ActivatorError: It is a name, which systemd does not look up.
    """
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        what = f"{host!r} is a name, and systemd listens on addresses alone"
        raise ActivatorError(what, "write the address", place=place) from None


def number(digits: str, place: str) -> int:
    """Return a number.

    Raises:
        ActivatorError: It is none that a limit can be.
    """
    found = decimal(digits)
    if found is None or found >= 1 << 32:
        shown = digits if len(digits) < 40 else f"{digits[:40]}..."  # noqa: PLR2004 - to be read
        raise ActivatorError(f"{shown!r} is not a number", "write digits", place=place)
    return found


def unlike(name: str, protocol: str, names: dict[str, int]) -> str:
    """Return a name that no other spec of the file has; with the protocol in it, or a number."""
    for wanted in (name, f"{name}-{spec_name(protocol.partition(',')[0])}"):
        if wanted not in names:
            names[wanted] = 1
            return wanted
    names[wanted] += 1
    return unlike(f"{wanted}-{names[wanted]}", protocol, names)
