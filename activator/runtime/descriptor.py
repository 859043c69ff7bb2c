"""Tell what a passed descriptor is: its kind, its address family and its address.

Import-light, as :mod:`activator.runtime.listen`.
"""

import os
import stat
from errno import ENOTCONN
from socket import (
    AF_INET,
    AF_INET6,
    AF_NETLINK,
    AF_UNIX,
    AF_VSOCK,
    IPPROTO_TCP,
    SO_ACCEPTCONN,
    SO_PROTOCOL,
    SOCK_DGRAM,
    SOCK_SEQPACKET,
    SOCK_STREAM,
    SOL_SOCKET,
    TCP_INFO,
    inet_pton,
    socket,
)

from systemd import daemon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import AddressFamily
    from typing import Any, Literal

    from activator.common.peers import HasOptions

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


SEGMENTS_IN = slice(140, 144)  # tcpi_segs_in of struct tcp_info
VSOCK_ANY = 0xFFFFFFFF
SO_PEERGROUPS = 59  # Linux's number, which Python's socket module lacks
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


def is_idle(sock: socket) -> bool:
    """Tell whether a stream socket neither listens nor has ever had another side.

    One whose client has left has no peer either, but the kernel has counted what came (tcp(7)).
    """
    try:
        sock.getpeername()
    except OSError as error:
        if error.errno != ENOTCONN or sock.getsockopt(SOL_SOCKET, SO_ACCEPTCONN):
            return False
    else:
        return False
    if sock.family not in (AF_INET, AF_INET6):
        return sock.family == AF_UNIX
    known = sock.getsockopt(IPPROTO_TCP, TCP_INFO, SEGMENTS_IN.stop)
    return not any(known[SEGMENTS_IN]) and len(known) == SEGMENTS_IN.stop


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
    from activator.common.peers import credentials  # noqa: PLC0415 - a start need not know peers

    try:
        groups = sock.getsockopt(SOL_SOCKET, SO_PEERGROUPS, GROUPS_MAX)
    except OSError:
        groups = b""
    return Credentials(*credentials(sock), tuple(memoryview(groups).cast("I")))


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
        scope = ""
        if address[3]:
            from activator.common.peers import interface  # noqa: PLC0415 - a start need not know peers

            scope = f"%{interface(address[3])}"
        text = f"[{address[0].partition('%')[0]}]:{address[1]}{scope}"
    elif family == AF_VSOCK:
        text = f"vsock:{'' if address[0] == VSOCK_ANY else address[0]}:{address[1]}"
    elif family == AF_NETLINK:
        # The kernel's numbers for what ListenNetlink= names: family, then group mask.
        text = f"{sock.getsockopt(SOL_SOCKET, SO_PROTOCOL)} {address[1]}"
    return text


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
