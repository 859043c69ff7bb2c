"""Tell what waits on a descriptor, and how much can: connections, messages or bytes."""

import fcntl
import os
import struct
import termios
from socket import (
    AF_INET,
    AF_INET6,
    AF_NETLINK,
    AF_UNIX,
    IPPROTO_TCP,
    SOCK_RAW,
    SOL_SOCKET,
    TCP_INFO,
    socket,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from activator.listener import Listener

    # How many wait, how many can (0 if that is not known), and of what.
    Backlog = tuple[int, int, str]

CONNECTIONS, MESSAGES, BYTES = "connections", "messages", "bytes"
SO_MEMINFO = 55
# Of struct tcp_info, on a listener: tcpi_unacked and tcpi_sacked (tcp_diag.c says it the same way).
TCP_INFO_QUEUE = struct.Struct("@24xII")
# sock_diag(7): a request for one socket, by its inode; the answer's attribute has the queue.
NETLINK_SOCK_DIAG = 4
HEADER = struct.Struct("@IHHII")
REQUEST = struct.Struct("@BBHIIIII")
ANSWER = struct.Struct("@BBBBIII")
ATTRIBUTE = struct.Struct("@HH")
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST = 1
NLMSG_ERROR = 2
UDIAG_SHOW_RQLEN = 0x10
UNIX_DIAG_RQLEN = 4
ANY = 0xFFFFFFFF


def backlog(listener: "Listener") -> "Backlog | None":
    """Return what waits, or None where the kernel does not tell."""
    try:
        if listener.kind in ("stream", "seqpacket"):
            return _connections(listener.socket())
        if listener.kind == "mqueue":
            from activator.serving.queues import attributes  # noqa: PLC0415 - loads ctypes

            found = attributes(listener.fd)
            return found.curmsgs, found.maxmsg, MESSAGES
        if listener.kind == "fifo":
            return _unread(listener.fd), fcntl.fcntl(listener.fd, fcntl.F_GETPIPE_SZ), BYTES
        if listener.kind == "connection":
            return _unread(listener.fd), 0, BYTES
        if listener.family is not None:
            used, most = struct.unpack(
                "@II", listener.socket().getsockopt(SOL_SOCKET, SO_MEMINFO, 8)
            )
            return used, most, BYTES
    except OSError:
        pass
    return None


def _unread(fd: int) -> int:
    return int(struct.unpack("@i", fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))[0])


def _connections(sock: socket) -> "Backlog | None":
    if sock.family in (AF_INET, AF_INET6):
        data = sock.getsockopt(IPPROTO_TCP, TCP_INFO, TCP_INFO_QUEUE.size)
        waiting, most = TCP_INFO_QUEUE.unpack(data)
        return waiting, most, CONNECTIONS
    return _unix(sock) if sock.family == AF_UNIX else None


def _unix(sock: socket) -> "Backlog | None":
    """Ask the kernel by netlink, as ss does; a sandbox may not allow that."""
    inode = os.fstat(sock.fileno()).st_ino
    request = REQUEST.pack(AF_UNIX, 0, 0, ANY, inode, UDIAG_SHOW_RQLEN, ANY, ANY)
    size = HEADER.size + len(request)
    with socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG) as diag:
        diag.settimeout(1)
        diag.send(HEADER.pack(size, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0) + request)
        answer = diag.recv(4096)
    size, kind, *_ = HEADER.unpack_from(answer)
    at = HEADER.size + ANSWER.size
    while kind == SOCK_DIAG_BY_FAMILY and at < size:
        length, attribute = ATTRIBUTE.unpack_from(answer, at)
        if attribute == UNIX_DIAG_RQLEN:
            waiting, most = struct.unpack_from("@II", answer, at + ATTRIBUTE.size)
            return waiting, most, CONNECTIONS
        at += (max(length, 1) + 3) & ~3
    return None
