"""inetd.conf to drafts: the grammar of openbsd-inetd, inetd(8)."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from activator.adopt import superserver
from activator.adopt.model import Adopted, Kind, Line, Note
from activator.adopt.superserver import Served
from activator.errors import ActivatorError

# Service, type, protocol, wait, user and program.
_FIELDS = 6
_FORM = "write SERVICE stream tcp nowait USER /PROGRAM ARGV0 ARGUMENT..."
_PROTOCOL = r"(tcp|udp)(4|6|46)?"
_BUFFERS = {"sndbuf": "SendBuffer", "rcvbuf": "ReceiveBuffer"}
# What inetd allows a service in a minute unless its line says otherwise.
_RATE = 256
_ALL = "*"


class _Row(NamedTuple):
    """A line's fields."""

    hosts: tuple[str, ...]
    service: str
    socket_type: str
    protocol: str
    wait: str
    user: str
    program: str
    argv: list[str]
    place: str


def read(text: str, name: str) -> Iterator[Adopted]:
    """Yield what becomes of each line.

    Args:
        text: The file's text.
        name: What to call it.
    """
    default: tuple[str, ...] = (_ALL,)
    names: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        place = f"{name}:{number}"
        if len(words) == 1 and words[0].endswith(":"):
            default = tuple(words[0][:-1].split(","))
            continue
        notes: list[Note] = []
        try:
            row = _row(words, default, place)
            served = _served(row, name, notes)
        except ActivatorError as error:
            refused = Note(Kind.REFUSED, error.place or place, f"{error.message}; {error.hint}")
            yield Adopted(place, None, (*notes, refused))
            continue
        served = served._replace(name=superserver.unlike(served.name, row.protocol, names))
        yield Adopted(place, superserver.draft(served), tuple(notes))


def _row(words: list[str], default: tuple[str, ...], place: str) -> _Row:
    """Return the fields of a line.

    Raises:
        ActivatorError: Some are missing.
    """
    if len(words) < _FIELDS:
        what = f"the line has {len(words)} fields, and needs {_FIELDS} or more"
        raise ActivatorError(what, _FORM, place=place)
    hosts = default
    service = words[0]
    if not service.startswith("/") and ":" in service:
        host, _, service = service.rpartition(":")
        hosts = tuple(host.split(","))
    socket_type, protocol, wait, user, program = words[1:_FIELDS]
    argv = words[_FIELDS:]
    return _Row(hosts, service, socket_type, protocol, wait, user, program, argv, place)


def _served(row: _Row, name: str, notes: list[Note]) -> Served:
    """Return what a line serves.

    Raises:
        ActivatorError: It cannot be taken over.
    """
    place = row.place
    if row.protocol.startswith("rpc/"):
        what = f"{row.service} is a service of Sun RPC, which is registered with rpcbind"
        raise ActivatorError(what, "run its program as a service of its own", place=place)
    if row.service.startswith("tcpmux"):
        what = "tcpmux has many services on one port"
        raise ActivatorError(what, "give each a port of its own", place=place)
    if row.socket_type not in ("stream", "dgram"):
        raise ActivatorError(f"{row.socket_type!r} is no type of socket", _FORM, place=place)
    protocol, *buffers = row.protocol.split(",")
    listen = _listen(row, protocol)
    each = _each(row, notes)
    service = [*_account(row)]
    if row.program == "internal":
        exec_, more = superserver.internal(row.service, row.socket_type, place)
        service = [*more]
    elif protocol == "unix":
        exec_ = superserver.command(row.program, row.argv, place)
        what = "SocketMode=0660: its user and group may connect; inetd let its umask decide"
        notes.append(Note(Kind.DECIDE, place, what))
    else:
        exec_ = superserver.command(row.program, row.argv, place)
    return Served(
        name=superserver.spec_name(row.service),
        origin=name,
        place=place,
        socket_type=row.socket_type,
        each=each,
        listen=(*listen, *_only(protocol, place)),
        exec=exec_,
        socket=(*_sizes(buffers, place), *_rate(row, notes)),
        service=tuple(service),
    )


def _listen(row: _Row, protocol: str) -> list[Line]:
    """Return where a line listens."""
    if protocol == "unix":
        return [Line(superserver.directive(row.socket_type), row.service, row.place)]
    match = re.fullmatch(_PROTOCOL, protocol)
    if match is None or (match[1] == "tcp") is not (row.socket_type == "stream"):
        what = f"{protocol!r} is no protocol of a {row.socket_type} socket"
        raise ActivatorError(what, _FORM, place=row.place)
    number = superserver.port(row.service, match[1], row.place)
    anywhere = {"4": "0.0.0.0", "6": "::"}.get(match[2] or "", "")
    found = []
    for host in row.hosts:
        where = anywhere if host == _ALL else superserver.numeric(host, row.place)
        found.append(superserver.listening(row.socket_type, where, number, row.place))
    return found


def _only(protocol: str, place: str) -> list[Line]:
    """Return what keeps an IPv6 socket from IPv4."""
    return [Line("BindIPv6Only", "ipv6-only", place)] if re.fullmatch(r"\w+[^4]6", protocol) else []


def _each(row: _Row, notes: list[Note]) -> bool:
    """Tell whether each connection gets a process."""
    word = row.wait.partition(".")[0]
    if word not in ("wait", "nowait"):
        what = f"{row.wait!r} is neither wait nor nowait"
        raise ActivatorError(what, _FORM, place=row.place)
    if word == "nowait" and row.socket_type == "dgram" and row.program != "internal":
        notes.append(superserver.reading_on(row.place))
    return word == "nowait" and row.socket_type == "stream"


def _rate(row: _Row, notes: list[Note]) -> Iterator[Line]:
    """Yield the limit of starts in a minute."""
    _, dot, digits = row.wait.partition(".")
    number = superserver.number(digits, row.place) if dot else _RATE
    if not dot:
        what = f"inetd stopped a service for ten minutes after {_RATE} starts in a minute"
        notes.append(Note(Kind.GONE, row.place, f"{what}; MaxConnections= bounds the load instead"))
        return
    yield Line("TriggerLimitIntervalSec", "60s", row.place)
    yield Line("TriggerLimitBurst", number, row.place)
    what = f"after {number} starts in a minute, the socket is closed until somebody starts it again"
    notes.append(Note(Kind.CHANGED, row.place, f"{what}; inetd did so after ten minutes"))


def _account(row: _Row) -> Iterator[Line]:
    """Yield the user, and the group."""
    user, mark, group = row.user.partition(":")
    if not mark:
        user, mark, group = row.user.partition(".")
    yield Line("User", user, row.place)
    if mark:
        yield Line("Group", group, row.place)


def _sizes(buffers: list[str], place: str) -> Iterator[Line]:
    """Yield the sizes of the sockets' buffers."""
    for word in buffers:
        key, equals, size = word.partition("=")
        if key not in _BUFFERS or not equals or not re.fullmatch(r"(?a)\d+[kKmM]?", size):
            what = f"{word!r} is no size of a buffer"
            raise ActivatorError(what, "write sndbuf=64k or rcvbuf=64k", place=place)
        yield Line(_BUFFERS[key], size.upper(), place)
