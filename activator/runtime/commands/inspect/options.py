"""Read the options that are in force on a socket: a table from directives to the kernel's names.

The numbers are Linux's (asm-generic/socket.h, linux/in.h, linux/in6.h, linux/netlink.h); Python's
socket module lacks some of them.
"""

from socket import (
    AF_INET,
    AF_INET6,
    AF_NETLINK,
    AF_UNIX,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPPROTO_TCP,
    SO_PROTOCOL,
    SOCK_DGRAM,
    SOL_SOCKET,
    socket,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Value = bool | int | str

SOL_NETLINK = 270
NAME_MAX = 16  # bytes, of an interface or of a congestion control

# Directive, the kernel's name, level, number, what sockets have it, how to read it.
TABLE = (
    ("ReceiveBuffer", "SO_RCVBUF", SOL_SOCKET, 8, "any", int),
    ("SendBuffer", "SO_SNDBUF", SOL_SOCKET, 7, "any", int),
    ("KeepAlive", "SO_KEEPALIVE", SOL_SOCKET, 9, "tcp", bool),
    ("KeepAliveTimeSec", "TCP_KEEPIDLE", IPPROTO_TCP, 4, "tcp", int),
    ("KeepAliveIntervalSec", "TCP_KEEPINTVL", IPPROTO_TCP, 5, "tcp", int),
    ("KeepAliveProbes", "TCP_KEEPCNT", IPPROTO_TCP, 6, "tcp", int),
    ("NoDelay", "TCP_NODELAY", IPPROTO_TCP, 1, "tcp", bool),
    ("DeferAcceptSec", "TCP_DEFER_ACCEPT", IPPROTO_TCP, 9, "tcp", int),
    ("TCPCongestion", "TCP_CONGESTION", IPPROTO_TCP, 13, "tcp", str),
    ("ReusePort", "SO_REUSEPORT", SOL_SOCKET, 15, "ip", bool),
    ("BindToDevice", "SO_BINDTODEVICE", SOL_SOCKET, 25, "ip", str),
    ("BindIPv6Only", "IPV6_V6ONLY", IPPROTO_IPV6, 26, "ipv6", bool),
    ("FreeBind", "IP_FREEBIND", IPPROTO_IP, 15, "ipv4", bool),
    ("FreeBind", "IPV6_FREEBIND", IPPROTO_IPV6, 78, "ipv6", bool),
    ("Transparent", "IP_TRANSPARENT", IPPROTO_IP, 19, "ipv4", bool),
    ("Transparent", "IPV6_TRANSPARENT", IPPROTO_IPV6, 75, "ipv6", bool),
    ("IPTOS", "IP_TOS", IPPROTO_IP, 1, "ip", int),
    ("IPTTL", "IP_TTL", IPPROTO_IP, 2, "ipv4", int),
    ("IPTTL", "IPV6_UNICAST_HOPS", IPPROTO_IPV6, 16, "ipv6", int),
    ("Priority", "SO_PRIORITY", SOL_SOCKET, 12, "ip", int),
    ("Mark", "SO_MARK", SOL_SOCKET, 36, "ip", int),
    ("Broadcast", "SO_BROADCAST", SOL_SOCKET, 6, "udp", bool),
    ("PassPacketInfo", "IP_PKTINFO", IPPROTO_IP, 8, "udp4", bool),
    ("PassPacketInfo", "IPV6_RECVPKTINFO", IPPROTO_IPV6, 49, "udp6", bool),
    ("PassPacketInfo", "NETLINK_PKTINFO", SOL_NETLINK, 3, "netlink", bool),
    ("Timestamping", "SO_TIMESTAMP", SOL_SOCKET, 29, "any", bool),
    ("Timestamping", "SO_TIMESTAMPNS", SOL_SOCKET, 35, "any", bool),
    ("PassCredentials", "SO_PASSCRED", SOL_SOCKET, 16, "unix", bool),
    ("PassSecurity", "SO_PASSSEC", SOL_SOCKET, 34, "unix", bool),
    ("PassPIDFD", "SO_PASSPIDFD", SOL_SOCKET, 76, "unix", bool),
    ("AcceptFileDescriptors", "SO_PASSRIGHTS", SOL_SOCKET, 83, "unix", bool),
)
PROTOCOLS = {
    1: "ICMP",
    6: "TCP",
    17: "UDP",
    58: "ICMPv6",
    132: "SCTP",
    136: "UDP-Lite",
    262: "MPTCP",
}
STREAMS_OF_IP = ("TCP", "MPTCP")


def protocol(sock: socket) -> str:
    """Return the protocol of an internet socket; empty for others."""
    if sock.family not in (AF_INET, AF_INET6):
        return ""
    number = sock.getsockopt(SOL_SOCKET, SO_PROTOCOL)
    return PROTOCOLS.get(number, str(number))


def in_force(sock: socket) -> "Iterator[tuple[str, str, Value]]":
    """Yield the directive, the kernel's name and the value of each option that a socket has.

    Buffers are what the kernel reserves: twice what was asked for (socket(7)). What this kernel
    does not know, or does not tell without a privilege, is left out.
    """
    words = set(_words(sock))
    for directive, name, level, number, having, form in TABLE:
        if having not in words:
            continue
        try:
            if form is str:
                text = sock.getsockopt(level, number, NAME_MAX).split(b"\0")[0]
                yield directive, name, text.decode(errors="replace")
            else:
                yield directive, name, form(sock.getsockopt(level, number))
        except OSError:
            continue


def _words(sock: socket) -> "Iterator[str]":
    """Yield the words of the table's column that fit a socket."""
    yield "any"
    family, is_datagram = sock.family, sock.type == SOCK_DGRAM
    if family in (AF_INET, AF_INET6):
        version = 4 if family == AF_INET else 6
        yield from ("ip", f"ipv{version}")
        if is_datagram:
            yield from ("udp", f"udp{version}")
        elif protocol(sock) in STREAMS_OF_IP:
            yield "tcp"
    elif family == AF_UNIX:
        yield "unix"
    elif family == AF_NETLINK:
        yield "netlink"
