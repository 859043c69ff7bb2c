"""What is known of each socket and its service; None stands for what nobody told."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from activator.live import diag
from activator.live.kernel import Held
from activator.live.status.starts import starts
from activator.live.units import Listen, Situation, Socket, Unit


class Address(NamedTuple):
    """An address and what the kernel has there.

    Attributes:
        address: As systemd shows it.
        kind: ``stream``, ``datagram`` and so on.
        queue: Connections that wait, or bytes of datagrams.
        queue_limit: How many connections may wait, or bytes of datagrams.
        open: Connections that were accepted here and are open.
        drops: Connections or datagrams that were dropped since no room was left.
        receive_buffer: Its size in bytes as the kernel counts: twice what is asked for.
        send_buffer: The same, for what is sent.
        bytes_in: What the open TCP connections received.
        bytes_out: What their peers acknowledged.
        packets_in: Segments that they received.
        packets_out: Segments that they sent.
    """

    address: str
    kind: str
    queue: int | None = None
    queue_limit: int | None = None
    open: int | None = None
    drops: int | None = None
    receive_buffer: int | None = None
    send_buffer: int | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None
    packets_in: int | None = None
    packets_out: int | None = None


class Accounting(NamedTuple):
    """What IPAccounting= of a unit has counted; None where that is off."""

    bytes_in: int | None
    bytes_out: int | None
    packets_in: int | None
    packets_out: int | None


class Service(NamedTuple):
    """A service, or an instance for one connection.

    Attributes:
        name: Its name.
        state: ActiveState= and SubState=, such as ``active (running)``.
        pid: Its main process.
        uptime_s: Seconds since it became active; None if it is not.
        starts: How often it was started since the boot; None for instances.
        restarts: How often Restart= started it again.
        result: Result= of its last run, with the exit status if that is not 0;
            empty if it never ran.
        status: What it says itself, by STATUS= of sd_notify(3).
        ip: What its sockets took and sent.
    """

    name: str
    state: str
    pid: int | None
    uptime_s: float | None
    starts: int | None
    restarts: int | None
    result: str
    status: str
    ip: Accounting


class Status(NamedTuple):
    """A socket.

    Attributes:
        name: Its name.
        state: SubState=, such as ``listening``; of one that failed, with its Result=; LoadState=
            of one that is not loaded.
        since_s: Seconds since it listens; None if it does not.
        per_connection: Whether each connection gets a service of its own (Accept=yes).
        accepted: Connections that systemd has accepted; None if the service accepts.
        open: Open connections.
        refused: Connections that systemd has refused, being too many.
        most: MaxConnections=; None if the service accepts.
        backlog: Backlog= as it was asked for; None if as long as the kernel allows.
        receive_buffer: ReceiveBuffer= as it was asked for, in bytes; None if it was not.
        send_buffer: SendBuffer=, the same.
        ip: What its sockets took and sent.
        addresses: Its addresses.
        service: The name of its service, or of the template.
        services: The service, or the instances that are loaded.
        backend: Where its service leads clients, if that is systemd-socket-proxyd; else empty.
        backends: The services behind it.
    """

    name: str
    state: str
    since_s: float | None
    per_connection: bool
    accepted: int | None
    open: int | None
    refused: int | None
    most: int | None
    backlog: int | None
    receive_buffer: int | None
    send_buffer: int | None
    ip: Accounting
    addresses: tuple[Address, ...]
    service: str
    services: tuple[Service, ...]
    backend: str
    backends: tuple[Service, ...]


def statuses(situation: Situation) -> list[Status]:
    """Return what is known of the sockets of a situation, in order.

    Raises:
        ActivatorError: The journal does not answer.
    """
    names = [socket.service_name for socket in situation.sockets if not socket.accepts]
    names += [unit.name for socket in situation.sockets for unit in socket.backends]
    counted = starts(sorted(set(names)), user=situation.manager.user)
    ports = {_port(held.address) for socket in situation.sockets for held in socket.held}
    told = diag.ask(port for port in ports if port)
    return [_status(socket, counted, told) for socket in situation.sockets]


def plain(status: Status) -> dict[str, Any]:
    """Return a status as JSON has it."""
    return {name: _json(value) for name, value in status._asdict().items()}


def _json(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        return {name: _json(part) for name, part in value._asdict().items()}
    return [_json(part) for part in value] if isinstance(value, tuple) else value


def _status(socket: Socket, counted: Mapping[str, int], told: diag.Answers | None) -> Status:
    addresses = tuple(_address(listen, socket, told) for listen in socket.listens)
    each = socket.accepts
    accepted = [one.open for one in addresses if one.open is not None]
    return Status(
        name=socket.name,
        state=_state(socket),
        since_s=_age(socket),
        per_connection=each,
        accepted=_known(socket.number("NAccepted")) if each else None,
        open=_known(socket.number("NConnections")) if each else sum(accepted) if accepted else None,
        refused=_known(socket.number("NRefused")) if each else None,
        most=_known(socket.number("MaxConnections")) if each else None,
        backlog=_backlog(socket),
        receive_buffer=_known(socket.number("ReceiveBuffer")) or None,
        send_buffer=_known(socket.number("SendBuffer")) or None,
        ip=_accounting(socket),
        addresses=addresses,
        service=socket.service_name,
        services=tuple(_service(service, None if each else counted) for service in socket.services),
        backend=socket.backend_address,
        backends=tuple(_service(service, counted) for service in socket.backends),
    )


def _state(socket: Socket) -> str:
    if socket["LoadState"] != "loaded":
        return socket["LoadState"]
    state = socket["SubState"]
    return f"{state} (Result: {socket['Result']})" if socket.failed else state


def _backlog(socket: Socket) -> int | None:
    backlog = socket.number("Backlog")
    return None if backlog in (-1, 2**32 - 1, 2**31 - 1) else backlog


def _address(listen: Listen, socket: Socket, told: diag.Answers | None) -> Address:
    """Return what is known of an address; what several sockets have there is added up."""
    held = socket.held_at(listen) if socket.up else []
    found = Address(*listen)
    if not held:
        return found
    found = found._replace(
        queue=_sum(one.queue for one in held),
        open=_sum(one.connections for one in held),
        drops=_sum(one.drops for one in held),
    )
    details = [told.details[one.inode] for one in held if told and one.inode in told.details]
    if told is None or len(details) < len(held):
        return found
    if listen.kind == "stream" and _port(held[0].address):
        into, out, packets_in, packets_out = _traffic(held, told)
        found = found._replace(
            bytes_in=into, bytes_out=out, packets_in=packets_in, packets_out=packets_out
        )
    return found._replace(
        queue=_sum(detail.queue for detail in details),
        queue_limit=_sum(detail.limit for detail in details),
        drops=_sum(detail.drops for detail in details),
        receive_buffer=details[0].receive_buffer,
        send_buffer=details[0].send_buffer,
    )


def _traffic(held: list[Held], told: diag.Answers) -> diag.Traffic:
    """Return the sums of the connections at an address, or at all with its port."""
    address = held[0].address
    host, _, port = address.rpartition(":")
    wide = {"0.0.0.0": False, "[::]": True}.get(host)
    sums = [
        traffic
        for local, traffic in told.traffic.items()
        if local == address or (wide is local.startswith("[") and local.rpartition(":")[2] == port)
    ]
    return diag.total(sums)


def _service(service: Unit, counted: Mapping[str, int] | None) -> Service:
    status = service.number("ExecMainStatus")
    result = service["Result"] if _has_run(service) else ""
    return Service(
        name=service.name,
        state=f"{service['ActiveState']} ({service['SubState']})",
        pid=service.number("MainPID") if service.number("MainPID") > 0 else None,
        uptime_s=_age(service),
        starts=None if counted is None else _starts(service, counted),
        restarts=_known(service.number("NRestarts")),
        result=f"{result} ({status})" if status > 0 else result,
        status=service["StatusText"],
        ip=_accounting(service),
    )


def _starts(service: Unit, counted: Mapping[str, int]) -> int | None:
    """Return how often a service was started; not known if the journal has lost it."""
    number = counted.get(service.name, 0)
    return None if not number and _has_run(service) else number


def _has_run(service: Unit) -> bool:
    return service["StateChangeTimestampMonotonic"] not in ("", "0")


def _accounting(unit: Unit) -> Accounting:
    names = ("IPIngressBytes", "IPEgressBytes", "IPIngressPackets", "IPEgressPackets")
    return Accounting(*(_known(unit.number(name)) for name in names))


def _age(unit: Unit) -> float | None:
    if unit["ActiveState"] != "active" or not unit.since:
        return None
    return round(max(time.time() - unit.since, 0.0), 3)


def _known(number: int) -> int | None:
    return None if number < 0 else number


def _sum(numbers: Iterator[int]) -> int | None:
    """Return the sum of what is known, None if one is not."""
    found = list(numbers)
    return None if min(found) < 0 else sum(found)


def _port(address: str) -> int:
    """Return the port of an IP address, 0 for others."""
    port = address.rpartition(":")[2]
    return int(port) if port.isdecimal() and not address.startswith(("/", "@", "vsock")) else 0
