"""Socket options: which directive sets what, on which sockets, in systemd's order.

Source: systemd.socket(5); the levels and conditions are those of systemd's own code. An
option that cannot be set does not stop a unit there, so it is a note here; BindToDevice=
alone is fatal.
"""

import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from activator.errors import ActivatorError
from activator.local.units.models import SocketOptions
from activator.unitfile.address import Address

# Numbers that Python's socket module does not name (asm-generic/socket.h, linux/in.h).
SO_BUF_LOCK = 72
SO_PASSPIDFD = 76
SO_PASSRIGHTS = 83
SO_TIMESTAMP = 29
SO_TIMESTAMPNS = 35
SO_RCVBUFFORCE = 33
SO_SNDBUFFORCE = 32
IP_FREEBIND = 15
IPV6_FREEBIND = 78
IPV6_TRANSPARENT = 75
IP_PKTINFO = 8
NETLINK_PKTINFO = 3
SOL_NETLINK = 270
IPPROTO_SCTP = 132
SCTP_NODELAY = 3

_IP = (socket.AF_INET, socket.AF_INET6)
_NAME = 16  # TCP_CA_NAME_MAX
_KERNEL_MAX = 0x7FFFFFFF


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        directive: The directive that sets it.
        where: Gives its level and name for a socket; None where it does not apply.
    """

    directive: str
    where: Callable[[socket.socket], tuple[int, int] | None]


def _tcp(name: int) -> Callable[[socket.socket], tuple[int, int] | None]:
    """Return an option of TCP sockets."""

    def where(sock: socket.socket) -> tuple[int, int] | None:
        stream = sock.family in _IP and sock.type == socket.SOCK_STREAM
        return (socket.IPPROTO_TCP, name) if stream else None

    return where


def _always(name: int) -> Callable[[socket.socket], tuple[int, int] | None]:
    """Return an option of every socket."""
    return lambda _: (socket.SOL_SOCKET, name)


def _unix(name: int) -> Callable[[socket.socket], tuple[int, int] | None]:
    """Return an option of Unix and netlink sockets."""
    families = (socket.AF_UNIX, socket.AF_NETLINK)
    return lambda sock: (socket.SOL_SOCKET, name) if sock.family in families else None


def _by_family(
    table: dict[int, tuple[int, int]],
) -> Callable[[socket.socket], tuple[int, int] | None]:
    """Return an option whose level and name depend on the family."""
    return lambda sock: table.get(sock.family)


def _no_delay(sock: socket.socket) -> tuple[int, int] | None:
    """Return TCP_NODELAY, or what SCTP calls it."""
    if sock.proto == IPPROTO_SCTP:
        return (IPPROTO_SCTP, SCTP_NODELAY)
    return _tcp(socket.TCP_NODELAY)(sock)


def _ip_level(sock: socket.socket) -> tuple[int, int] | None:
    """Return IP_TOS: systemd sets it at the IPv4 level only."""
    return (socket.IPPROTO_IP, socket.IP_TOS) if sock.family in _IP else None


BEFORE_BIND = (
    Option(
        "ReusePort",
        lambda sock: (socket.SOL_SOCKET, socket.SO_REUSEPORT) if sock.family in _IP else None,
    ),
    Option(
        "FreeBind",
        _by_family(
            {
                socket.AF_INET: (socket.IPPROTO_IP, IP_FREEBIND),
                socket.AF_INET6: (socket.IPPROTO_IPV6, IPV6_FREEBIND),
            }
        ),
    ),
    Option(
        "Transparent",
        _by_family(
            {
                socket.AF_INET: (socket.IPPROTO_IP, socket.IP_TRANSPARENT),
                socket.AF_INET6: (socket.IPPROTO_IPV6, IPV6_TRANSPARENT),
            }
        ),
    ),
)
# These are set on the listener and, with Accept=yes, on each connection again.
AFTER_BIND = (
    Option("KeepAlive", _always(socket.SO_KEEPALIVE)),
    Option("KeepAliveTimeSec", _tcp(socket.TCP_KEEPIDLE)),
    Option("KeepAliveIntervalSec", _tcp(socket.TCP_KEEPINTVL)),
    Option("KeepAliveProbes", _tcp(socket.TCP_KEEPCNT)),
    Option("DeferAcceptSec", _tcp(socket.TCP_DEFER_ACCEPT)),
    Option("NoDelay", _no_delay),
    Option("Broadcast", _always(socket.SO_BROADCAST)),
    Option("PassCredentials", _unix(socket.SO_PASSCRED)),
    Option("PassPIDFD", _unix(SO_PASSPIDFD)),
    Option("PassSecurity", _unix(socket.SO_PASSSEC)),
    Option("AcceptFileDescriptors", _unix(SO_PASSRIGHTS)),
    Option(
        "PassPacketInfo",
        _by_family(
            {
                socket.AF_INET: (socket.IPPROTO_IP, IP_PKTINFO),
                socket.AF_INET6: (socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO),
                socket.AF_NETLINK: (SOL_NETLINK, NETLINK_PKTINFO),
            }
        ),
    ),
    Option("Timestamping:us", _always(SO_TIMESTAMP)),
    Option("Timestamping:ns", _always(SO_TIMESTAMPNS)),
    Option("Priority", _always(socket.SO_PRIORITY)),
    Option("ReceiveBuffer", _always(socket.SO_RCVBUF)),
    Option("SendBuffer", _always(socket.SO_SNDBUF)),
    Option("Mark", _always(socket.SO_MARK)),
    Option("IPTOS", _ip_level),
    Option(
        "IPTTL",
        _by_family(
            {
                socket.AF_INET: (socket.IPPROTO_IP, socket.IP_TTL),
                socket.AF_INET6: (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS),
            }
        ),
    ),
    Option("TCPCongestion", _tcp(socket.TCP_CONGESTION)),
)
_FORCED = {"ReceiveBuffer": SO_RCVBUFFORCE, "SendBuffer": SO_SNDBUFFORCE}


def apply_before_bind(
    sock: socket.socket, address: Address, options: SocketOptions
) -> Iterator[str]:
    """Set what must be set before the socket is bound.

    Yields:
        Notes about options that could not be set.

    Raises:
        ActivatorError: The interface of BindToDevice= cannot be used.
    """
    if sock.family == socket.AF_INET6 and options.bind_ipv6_only != "default":
        only = options.bind_ipv6_only == "ipv6-only"
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
    if options.device and address.is_ip:
        _bind_to_device(sock, options.device)
    yield from _apply(sock, BEFORE_BIND, options)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def apply(sock: socket.socket, options: SocketOptions) -> Iterator[str]:
    """Set what is set on listeners and on accepted connections.

    Yields:
        Notes about options that could not be set.
    """
    yield from _apply(sock, AFTER_BIND, options)


def change(sock: socket.socket, before: SocketOptions, options: SocketOptions) -> Iterator[str]:
    """Set on an open listener what is another value than before, or none any more.

    Yields:
        Notes about options that could not be set.
    """
    old, new = before.values, options.values
    with socket.socket(sock.family, sock.type, sock.proto) as fresh:
        for option in (*BEFORE_BIND, *AFTER_BIND):
            where = option.where(sock)
            if where is not None and option.directive in old.keys() - new.keys():
                try:
                    _put_back(sock, fresh, where)
                except OSError as error:
                    yield f"{option.directive}= could not be put back: {error.strerror}"
    changed = {name: value for name, value in new.items() if old.get(name) != value}
    for table in (BEFORE_BIND, AFTER_BIND):
        yield from _apply(sock, table, replace(options, values=changed))


def _put_back(sock: socket.socket, fresh: socket.socket, where: tuple[int, int]) -> None:
    """Give an option the value that it has on a fresh socket.

    Raises:
        OSError: It cannot be set.
    """
    if where[1] == socket.TCP_CONGESTION and where[0] == socket.IPPROTO_TCP:
        sock.setsockopt(*where, fresh.getsockopt(*where, _NAME).rstrip(b"\0"))
        return
    value = fresh.getsockopt(*where)
    if where in ((socket.SOL_SOCKET, socket.SO_RCVBUF), (socket.SOL_SOCKET, socket.SO_SNDBUF)):
        sock.setsockopt(*where, value // 2)  # the kernel doubles what it is given
        with suppress(OSError):
            # Have the kernel choose the size again, since Linux 5.14.
            lock = sock.getsockopt(socket.SOL_SOCKET, SO_BUF_LOCK)
            mine = 2 if where[1] == socket.SO_RCVBUF else 1
            sock.setsockopt(socket.SOL_SOCKET, SO_BUF_LOCK, lock & ~mine)
    else:
        sock.setsockopt(*where, value)


def _bind_to_device(sock: socket.socket, device: str) -> None:
    """Tie a socket to an interface."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, os.fsencode(device))
    except OSError as error:
        raise ActivatorError(
            f"cannot bind to the interface {device}: {error.strerror}",
            "correct BindToDevice= (`ip link` lists the interfaces)",
        ) from None


def _apply(sock: socket.socket, table: tuple[Option, ...], options: SocketOptions) -> Iterator[str]:
    """Set the options of a table that the unit gives and the socket has."""
    if not options.values:
        return  # as most units, and each of their connections comes here
    for option in table:
        value = options.values.get(option.directive)
        where = option.where(sock) if value is not None else None
        if value is None or where is None:
            continue
        directive = option.directive.partition(":")[0]
        try:
            if isinstance(value, str):
                sock.setsockopt(*where, value.encode())
            else:
                _set_number(sock, where, value, _FORCED.get(directive))
        except OSError as error:
            yield f"{directive}= could not be set: {error.strerror}"


def _set_number(
    sock: socket.socket, where: tuple[int, int], value: int, forced: int | None
) -> None:
    """Set a number; a buffer that the kernel's limit cut is forced where that is allowed."""
    if value > _KERNEL_MAX:
        # A mark has 32 bits without a sign.
        sock.setsockopt(*where, struct.pack("I", value & 0xFFFFFFFF))
        return
    sock.setsockopt(*where, value)
    # The kernel doubles what was asked for.
    if forced is not None and sock.getsockopt(*where) < value * 2:
        try:
            sock.setsockopt(socket.SOL_SOCKET, forced, value)
        except PermissionError:
            got = sock.getsockopt(*where) // 2
            raise OSError(0, f"the kernel allows {got} bytes without privileges") from None
