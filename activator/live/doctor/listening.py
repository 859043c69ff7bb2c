"""What keeps a socket from listening: addresses, permissions, users, files."""

import grp
import pwd
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from activator.live.doctor.commands import again, drop_in, systemctl, warning
from activator.live.doctor.finding import Finding
from activator.live.paths import status
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
    ends = [line for name in dict.fromkeys(stop) for line in _end(socket, name, situation)]
    if socket.unread:
        # What is on disk may name another address: then nobody has to go.
        ends = [
            systemctl(socket, "daemon-reload"),
            *again(socket),
            *(f"# if the address is still in use: {line.removeprefix('# ')}" for line in ends),
        ]
    yield Finding(
        "address-in-use",
        socket.name,
        "another socket has the address",
        tuple(dict.fromkeys(evidence)),
        (*ends, *(() if socket.unread else again(socket))),
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


def _end(socket: Socket, name: str, situation: Situation) -> tuple[str, ...]:
    """Return what ends who has an address, with a word first: it may be the one that is wanted."""
    if name.startswith("PID "):
        return (*warning(name), f"kill {name.removeprefix('PID ')}")
    # A socket that is stopped alone leaves its service, which still has the descriptor.
    stop = [name] + [
        other.service.name
        for other in situation.everything
        if other.name == name and other.service and other.service.up
    ]
    return (*warning(" and ".join(stop)), systemctl(socket, "stop", *stop))


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


def stale_file(socket: Socket, situation: Situation) -> Iterator[Finding]:
    """The file of a socket is there, and nobody listens: clients are refused."""
    if socket.up or socket.failed:
        return
    listening = {held.address for held in situation.held}
    for listen in socket.listens:
        path = Path(listen.address)
        if not listen.address.startswith("/") or listen.address in listening:
            continue
        found = status(path)
        if found is not None and stat.S_ISSOCK(found.st_mode):
            yield Finding(
                "stale-file",
                socket.name,
                f"{path} was left behind, and nobody listens there",
                (f"{socket.name} is {socket['ActiveState']}", f"{path}: a socket without an owner"),
                (*again(socket), f"# or, if it is not wanted any more: rm {path}"),
            )


def file_exists(socket: Socket, _: Situation) -> Iterator[Finding]:
    """A FIFO or message queue is there already, and not as systemd would make it."""
    if not socket.failed or "File exists" not in socket.reason:
        return
    found: list[str] = []
    remove: list[str] = []
    theirs: list[str] = []
    for listen in socket.listens:
        path = Path({"message-queue": "/dev/mqueue"}.get(listen.kind, "") + listen.address)
        about = status(path) if listen.kind in ("fifo", "message-queue") else None
        if about is None:
            continue
        ours = listen.kind != "fifo" or stat.S_ISFIFO(about.st_mode)
        what = f"UID {about.st_uid}, mode {stat.S_IMODE(about.st_mode):04o}"
        found.append(f"{path}: {what if ours else 'no FIFO'}")
        (remove if ours else theirs).append(str(path))
    if found:
        yield Finding(
            "file-exists",
            socket.name,
            "a file is in the way: it is not as systemd would make it",
            (socket.reason, *found),
            (
                *(f"# {path} is another's: move it away" for path in theirs),
                *(f"rm {shlex.quote(path)}" for path in remove),
                *(drop_in(socket, socket.name, "Socket", RemoveOnStop="yes") if remove else ()),
                *again(socket),
            ),
        )


DIAGNOSES = (address_in_use, permission, missing_user, file_exists, stale_file)
