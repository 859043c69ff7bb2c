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
    socket,
)
from sys import byteorder

from systemd import daemon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import AddressFamily
    from typing import Any, Literal

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

VSOCK_ANY = 0xFFFFFFFF


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


def credentials(sock: socket) -> "tuple[int, int, int] | None":
    """Return the process, user and group on an AF_UNIX connection's other side, by number.

    They are those of connect(2), not of now; None for other families (unix(7), SO_PEERCRED).
    """
    if sock.family != AF_UNIX:
        return None
    data = sock.getsockopt(SOL_SOCKET, SO_PEERCRED, 12)
    pid, uid, gid = (int.from_bytes(data[at : at + 4], byteorder) for at in (0, 4, 8))
    return pid, uid, gid


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
