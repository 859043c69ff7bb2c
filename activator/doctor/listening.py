"""What keeps a socket from listening: addresses, permissions, users, files."""

import grp
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from activator.doctor.commands import again, anew, systemctl
from activator.doctor.finding import Finding
from activator.live.processes import Process, everybody
from activator.live.units import Situation, Socket, Unit

_DENIED = ("Permission denied", "Operation not permitted", "Read-only file system")


def address_in_use(socket: Socket, situation: Situation) -> Iterator[Finding]:
    """Another socket has the address."""
    if not socket.failed or "Address already in use" not in socket.reason:
        return
    evidence = [socket.reason]
    stop = []
    for listen in socket.listens:
        for other in _others(socket, listen.address, situation):
            evidence.append(f"{listen.address} is held for {other.name}")
            stop.append(other.name)
        if stop:
            continue
        for process in _holders(listen.address, situation):
            evidence.append(f"{listen.address} is held by {process.name}[{process.pid}]")
            stop.append(process.unit or f"PID {process.pid}")
    yield Finding(
        "address-in-use",
        socket.name,
        "another socket has the address",
        tuple(dict.fromkeys(evidence)),
        (*(_end(socket, name) for name in dict.fromkeys(stop)), *again(socket)),
    )


def _others(socket: Socket, address: str, situation: Situation) -> Iterator[Socket]:
    """Yield the other sockets of systemd that are open at an address, or one that covers it."""
    port = address.rpartition(":")[2]
    for other in situation.everything:
        if other.name == socket.name or not other.up:
            continue
        for listen in other.listens:
            wide = listen.address in (f"[::]:{port}", f"0.0.0.0:{port}", port)
            if listen.address == address or wide:
                yield other


def _holders(address: str, situation: Situation) -> list[Process]:
    """Return the processes that have a socket at an address open, process 1 excepted."""
    port = address.rpartition(":")[2]
    wide = {address, f"[::]:{port}", f"0.0.0.0:{port}"}
    inodes = {held.inode for held in situation.held if held.address in wide}
    return [
        process
        for process in everybody()
        if process.pid != 1 and inodes & set(process.sockets.values())
    ]


def _end(socket: Socket, name: str) -> str:
    if name.startswith("PID "):
        return f"kill {name.removeprefix('PID ')}"
    return systemctl(socket, "stop", name)


def permission(socket: Socket, _: Situation) -> Iterator[Finding]:
    """The manager may not open the socket there."""
    if not socket.failed or not any(word in socket.reason for word in _DENIED):
        return
    first = f"# let it listen where it may: {systemctl(socket, 'edit', socket.name)}"
    if any(listen.address.rpartition(":")[2].isdecimal() for listen in socket.listens):
        first += " (a user's ports begin at net.ipv4.ip_unprivileged_port_start)"
    yield Finding(
        "permission",
        socket.name,
        "systemd may not open the socket there",
        (socket.reason,),
        (first, systemctl(socket, "daemon-reload"), *again(socket)),
    )


def missing_user(socket: Socket, _: Situation) -> Iterator[Finding]:
    """A user or group that the units name does not exist."""
    named: list[tuple[str, str, Unit]] = [
        ("SocketUser", socket["SocketUser"], socket),
        ("SocketGroup", socket["SocketGroup"], socket),
    ]
    named += [("User", service["User"], service) for service in socket.services[:1]]
    for directive, name, unit in named:
        if not name or not unit.failed or name.isdecimal() or _exists(directive, name):
            continue
        kind, tool = ("g", "group") if directive.endswith("Group") else ("u", "user")
        yield Finding(
            f"missing-{tool}",
            socket.name,
            f"there is no {tool} {name!r}, which {directive}= of {unit.name} names",
            (f"{unit.name}: Result={unit['Result']}", f"getent: no {tool} {name}"),
            (f"systemd-sysusers --inline '{kind} {name} -'", *again(socket)),
        )


def _exists(directive: str, name: str) -> bool:
    try:
        if directive.endswith("Group"):
            grp.getgrnam(name)
        else:
            pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def file_gone(socket: Socket, _: Situation) -> Iterator[Finding]:
    """The socket is open, and its file is gone or another's: nobody can reach it."""
    if not socket.up:
        return
    for listen in socket.listens:
        path = Path(listen.address)
        if not listen.address.startswith("/") or listen.kind not in (
            "stream",
            "datagram",
            "sequential-packet",
        ):
            continue
        if not path.exists():
            yield Finding(
                "file-gone",
                socket.name,
                f"{path} is gone, though the socket is open: nobody can reach it",
                (
                    f"{path}: no such file",
                    "a service's RuntimeDirectory= is removed with the service",
                ),
                anew(socket),
            )


def stale_file(socket: Socket, situation: Situation) -> Iterator[Finding]:
    """The file of a socket is there, and nobody listens: clients are refused."""
    if socket.up or socket.failed:
        return
    listening = {held.address for held in situation.held}
    for listen in socket.listens:
        path = Path(listen.address)
        if not listen.address.startswith("/") or listen.address in listening:
            continue
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
            yield Finding(
                "stale-file",
                socket.name,
                f"{path} was left behind, and nobody listens there",
                (f"{socket.name} is {socket['ActiveState']}", f"{path}: a socket without an owner"),
                (*again(socket), f"# or, if it is not wanted any more: rm {path}"),
            )


DIAGNOSES = (address_in_use, permission, missing_user, file_gone, stale_file)
