"""Ask the kernel how many connections wait at a listener, as ss(8) does.

For the runtime's figures, `activator inspect`, and tools.
"""

import os
import struct
from socket import AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, IPPROTO_TCP, SOCK_RAW, TCP_INFO, socket

# linux/netlink.h, linux/sock_diag.h, linux/unix_diag.h; see sock_diag(7)
NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST = 1
UDIAG_SHOW_RQLEN = 0x10
UNIX_DIAG_RQLEN = 4
NO_COOKIE = 0xFFFFFFFF
ANY_STATE = 0xFFFFFFFF
_HEADER = struct.Struct("=IHHII")  # nlmsghdr
_REQUEST = struct.Struct("=BBHIIIII")  # unix_diag_req
_ANSWER = 16  # unix_diag_msg
_ATTRIBUTE = struct.Struct("=HH")  # nlattr
# tcpi_unacked and tcpi_sacked of struct tcp_info; of a listener they are its queue (tcp(7)).
_QUEUE = struct.Struct("=24xII")


def queue_length(sock: socket) -> tuple[int, int] | None:
    """Return how many connections wait, and how many can; None where the kernel does not tell.

    It does not for Unix sockets in a service without AF_NETLINK (RestrictAddressFamilies=) or
    with a network namespace other than the socket's (PrivateNetwork=).
    """
    try:
        if sock.family in (AF_INET, AF_INET6):
            return _QUEUE.unpack(sock.getsockopt(IPPROTO_TCP, TCP_INFO, _QUEUE.size))
        return _unix(os.fstat(sock.fileno()).st_ino) if sock.family == AF_UNIX else None
    except OSError:
        return None


def _unix(inode: int) -> tuple[int, int] | None:
    request = _REQUEST.pack(AF_UNIX, 0, 0, ANY_STATE, inode, UDIAG_SHOW_RQLEN, NO_COOKIE, NO_COOKIE)
    header = _HEADER.pack(_HEADER.size + len(request), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0)
    with socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG) as netlink:
        netlink.settimeout(1.0)
        netlink.send(header + request)
        data = netlink.recv(8192)
    if _HEADER.unpack_from(data)[1] != SOCK_DIAG_BY_FAMILY:
        return None
    at = _HEADER.size + _ANSWER
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if kind == UNIX_DIAG_RQLEN:
            waiting, limit = struct.unpack_from("=II", data, at + _ATTRIBUTE.size)
            return waiting, limit
        at += max((length + 3) & ~3, _ATTRIBUTE.size)
    return None
