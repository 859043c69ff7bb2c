"""Tell what a passed descriptor is: its kind, its address family and its address.

Import-light, as :mod:`activator.listen`.
"""

import os
import stat
from socket import (
    AF_INET,
    AF_INET6,
    AF_NETLINK,
    AF_UNIX,
    AF_VSOCK,
    SO_ACCEPTCONN,
    SO_PEERCRED,
    SO_PROTOCOL,
    SOCK_DGRAM,
    SOCK_SEQPACKET,
    SOCK_STREAM,
    SOL_SOCKET,
    if_indextoname,
    inet_pton,
    socket,
)
from sys import byteorder

from systemd import daemon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import AddressFamily
    from typing import Any, Literal, Protocol

    Kind = Literal[
        "stream",
        "seqpacket",
        "connection",
        "datagram",
        "netlink",
        "raw",
        "fifo",
        "mqueue",
        "special",
        "other",
    ]

    class HasOptions(Protocol):
        """A socket, or what asyncio gives in its place."""

        @property
        def family(self) -> int:
            """The address family."""

        def getsockopt(self, level: int, optname: int, buflen: int, /) -> bytes:
            """Return an option."""


VSOCK_ANY = 0xFFFFFFFF
# Linux's numbers, which Python's socket module lacks.
SO_COOKIE = 57
SO_PEERGROUPS = 59
GROUPS_MAX = 1024  # bytes, 256 groups: socket.getsockopt() reads no more


def describe(fd: int) -> "tuple[Kind, AddressFamily | None, str]":
    """Return a descriptor's kind, address family and address; it stays open.

    The kinds: ``stream`` and ``seqpacket`` are listening sockets, ``connection`` is a
    stream or seqpacket socket that does not listen, ``datagram``, ``netlink`` and ``raw``
    are sockets without connections, ``fifo`` is a named or anonymous pipe, ``mqueue`` a
    POSIX message queue, ``special`` a device or regular file, ``other`` all else.

    The address is written as in ListenStream= and its sisters (systemd.socket(5)):
    ``127.0.0.1:80``, ``[::1]:80``, ``/run/name``, ``@abstract``, ``vsock:CID:PORT``, a path.
    It is empty for what has none, as an AF_UNIX connection.

    Raises:
        OSError: The descriptor is not open.
    """
    mode = os.fstat(fd).st_mode
    if stat.S_ISSOCK(mode):
        sock = socket(fileno=fd)
        try:
            return _socket_kind(sock), sock.family, _socket_address(sock)
        finally:
            sock.detach()
    return _file_kind(fd, mode), None, _file_path(fd)


def _socket_kind(sock: socket) -> "Kind":
    if sock.family == AF_NETLINK:
        return "netlink"
    # The type comes first: a datagram socket says SO_ACCEPTCONN=0 too.
    if sock.type == SOCK_DGRAM:
        return "datagram"
    if sock.type not in (SOCK_STREAM, SOCK_SEQPACKET):
        return "raw"
    if not sock.getsockopt(SOL_SOCKET, SO_ACCEPTCONN):
        return "connection"
    return "stream" if sock.type == SOCK_STREAM else "seqpacket"


def peer(sock: socket) -> str:
    """Return the address of a connection's other side, written like its own.

    Empty for an unnamed AF_UNIX client, and once the other side has gone.
    """
    try:
        return _address_text(sock, sock.getpeername())
    except OSError:
        return ""


class Credentials:
    """Who is on the other side of an AF_UNIX connection, as of its connect(2).

    Attributes:
        pid: The process; 0 if it is in a namespace that is not seen from here.
        uid: Its effective user.
        gid: Its effective group.
        groups: Its supplementary groups; none if there are more than 256.
    """

    __slots__ = ("gid", "groups", "pid", "uid")

    def __init__(self, pid: int, uid: int, gid: int, groups: tuple[int, ...] = ()) -> None:
        self.pid = pid
        self.uid = uid
        self.gid = gid
        self.groups = groups

    def __repr__(self) -> str:
        return f"Credentials(pid={self.pid}, uid={self.uid}, gid={self.gid}, groups={self.groups})"


def peer_credentials(sock: "HasOptions") -> Credentials | None:
    """Return who is on the other side of an AF_UNIX connection; None for other families.

    The kernel vouches for it (unix(7), SO_PEERCRED; SO_PEERGROUPS), so a service can decide by
    it what the client may do.

    Args:
        sock: The connection, or an asyncio writer's ``get_extra_info("socket")``.
    """
    if sock.family != AF_UNIX:
        return None
    pid, uid, gid = _integers(sock.getsockopt(SOL_SOCKET, SO_PEERCRED, 12))
    try:
        groups = _integers(sock.getsockopt(SOL_SOCKET, SO_PEERGROUPS, GROUPS_MAX))
    except OSError:
        groups = ()
    return Credentials(pid, uid, gid, groups)


def cookie(sock: socket) -> int | None:
    """Return the kernel's number of a socket, or None if it gives none."""
    try:
        return int.from_bytes(sock.getsockopt(SOL_SOCKET, SO_COOKIE, 8), byteorder)
    except OSError:
        return None


def is_at(address: str, family: "AddressFamily | None", wanted: str) -> bool:
    """Tell whether an address is meant by another way to write it.

    Args:
        address: As :func:`describe` returns it.
        family: Its family.
        wanted: As systemd.socket(5) allows; a port alone stands for every address with it.
    """
    if wanted == address:
        return True
    if family not in (AF_INET, AF_INET6):
        return False
    if wanted.isdecimal():
        return address.partition("%")[0].endswith(f":{wanted}")
    return _binary(address) == _binary(wanted)


def _binary(text: str) -> tuple[bytes, str] | None:
    """Return an internet address's bytes, and all that follows it."""
    host, bracket, rest = text.rpartition("]")
    if not bracket:
        host, _, rest = text.rpartition(":")
    family = AF_INET6 if bracket else AF_INET
    try:
        return inet_pton(family, host.removeprefix("[")), rest.lstrip(":")
    except (OSError, ValueError):
        return None


def _integers(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[at : at + 4], byteorder) for at in range(0, len(data), 4))


def _socket_address(sock: socket) -> str:
    return _address_text(sock, sock.getsockname())


def _address_text(sock: socket, address: "Any") -> str:
    family = sock.family
    text = ""
    if family == AF_UNIX:
        # An abstract name comes as bytes, led by a NUL.
        text = f"@{os.fsdecode(address[1:])}" if isinstance(address, bytes) else str(address)
    elif family == AF_INET:
        text = f"{address[0]}:{address[1]}"
    elif family == AF_INET6:
        scope = f"%{_interface(address[3])}" if address[3] else ""
        text = f"[{address[0].partition('%')[0]}]:{address[1]}{scope}"
    elif family == AF_VSOCK:
        text = f"vsock:{'' if address[0] == VSOCK_ANY else address[0]}:{address[1]}"
    elif family == AF_NETLINK:
        # The kernel's numbers for what ListenNetlink= names: family, then group mask.
        text = f"{sock.getsockopt(SOL_SOCKET, SO_PROTOCOL)} {address[1]}"
    return text


def _interface(index: int) -> str:
    try:
        return if_indextoname(index)
    except OSError:
        return str(index)


def _file_kind(fd: int, mode: int) -> "Kind":
    if stat.S_ISFIFO(mode):
        return "fifo"
    # On Linux a message queue's descriptor is a regular file of its own file system.
    if stat.S_ISREG(mode) and daemon.is_mq(fd):
        return "mqueue"
    if stat.S_ISREG(mode) or stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        return "special"
    return "other"


def _file_path(fd: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115 - pathlib costs too much
    except OSError:
        return ""
