"""What the eight Listen*= directives take: text ↔ Address, as systemd reads and drops it.

The grammar follows systemd.socket(5) and was compared with ``systemd-analyze verify``;
where systemd would log and skip a line, :func:`parse` raises with the right form instead.
Nothing here looks at the machine, except :meth:`Address.resolved` and
:meth:`Address.sockaddr`, which are for those who open sockets.
"""

import _socket as socket  # without the enumerations that the rest of it makes when imported
import os
import re
from functools import lru_cache
from typing import NamedTuple

from activator.common.integers import ENDLESS, to_integer
from activator.errors import ActivatorError
from activator.unitfile.address_refusal import (
    AddressError,
    RefusedError,
    explained,
    packed,
    refuse_misplaced_scope,
    refuse_url,
)
from activator.unitfile.kinds import DIRECTIVES, KINDS

_TYPES = {
    "stream": socket.SOCK_STREAM,
    "datagram": socket.SOCK_DGRAM,
    "seqpacket": socket.SOCK_SEQPACKET,
    "netlink": socket.SOCK_RAW,
}
# Family name → number, linux/netlink.h under the names that systemd knows.
NETLINK_FAMILIES = {
    "route": 0,
    "firewall": 3,
    "inet-diag": 4,
    "nflog": 5,
    "xfrm": 6,
    "selinux": 7,
    "iscsi": 8,
    "audit": 9,
    "fib-lookup": 10,
    "connector": 11,
    "netfilter": 12,
    "ip6-fw": 13,
    "dnrtmsg": 14,
    "kobject-uevent": 15,
    "generic": 16,
    "scsitransport": 18,
    "ecryptfs": 19,
    "rdma": 20,
}
_NETLINK_NAMES = {number: name for name, number in NETLINK_FAMILIES.items()}

VSOCK_ANY = 0xFFFFFFFF
MAX_PATH_BYTES = 107  # sun_path holds 108 and systemd keeps one for the final NUL
_MAX_PORT = 65535
_MAX_UNSIGNED = 0xFFFFFFFF
_MAX_INTERFACE = 0x7FFFFFFF
_PATH_MAX = 4095
_NAME_MAX = 255
# systemd 254 and later take the type in front; the directive decides all the same.
_VSOCK_SCHEMES = ("vsock", "vsock-stream", "vsock-dgram", "vsock-seqpacket")
_SHORTEST = 2  # "/" or "@" and one character
_API_TREES = ("/proc", "/sys", "/dev")

# An interface's name, alternative name or number.
_SCOPE = r"(?!\.{1,2}$)[!-$&-.0-9;-~]{1,127}"


class Address(NamedTuple):
    """Say what one Listen*= line listens on.

    Attributes:
        kind: ``stream``, ``datagram``, ``seqpacket``, ``fifo``, ``special``, ``netlink``,
            ``mqueue`` or ``usb``.
        family: ``socket.AF_INET``, ``AF_INET6``, ``AF_UNIX``, ``AF_VSOCK`` or
            ``AF_NETLINK``; None for what is not a socket.
        host: The IP address in canonical form; empty for a bare port (every address).
        port: The IP or vsock port, else 0.
        path: The absolute path, or ``@NAME`` of an abstract socket, else empty.
        scope: The interface after ``%`` of an IPv6 address, else empty.
        cid: The vsock context, ``VSOCK_ANY`` for every one; else None.
        protocol: The netlink family's number, else 0.
        group: The netlink multicast groups, a mask, else 0.
    """

    kind: str
    family: int | None = None
    host: str = ""
    port: int = 0
    path: str = ""
    scope: str = ""
    cid: int | None = None
    protocol: int = 0
    group: int = 0

    @property
    def directive(self) -> str:
        """Return the directive's name, such as ``ListenStream``."""
        return DIRECTIVES[self.kind]

    @property
    def type(self) -> int | None:
        """Return the socket type, such as ``socket.SOCK_STREAM``; None if not a socket."""
        return _TYPES.get(self.kind)

    @property
    def is_ip(self) -> bool:
        """Tell whether this is an IPv4 or IPv6 address."""
        return self.family in (socket.AF_INET, socket.AF_INET6)

    @property
    def is_abstract(self) -> bool:
        """Tell whether this is an abstract Unix socket, which has no file."""
        return self.path.startswith("@")

    @property
    def has_node(self) -> bool:
        """Tell whether listening makes a file: a Unix socket with a path, or a FIFO.

        Symlinks=, SocketMode= and RemoveOnStop= concern these.
        """
        return self.kind == "fifo" or (self.family == socket.AF_UNIX and not self.is_abstract)

    @property
    def accepts(self) -> bool:
        """Tell whether connections can be accepted here (what Accept=yes needs)."""
        return self.kind in ("stream", "seqpacket")

    def __str__(self) -> str:
        """Return systemd's text, with ``%`` not doubled."""
        if self.family == socket.AF_VSOCK:
            return f"vsock:{'' if self.cid == VSOCK_ANY else self.cid}:{self.port}"
        if self.kind == "netlink":
            name = _NETLINK_NAMES.get(self.protocol, str(self.protocol))
            return f"{name} {self.group}" if self.group else name
        if self.is_ip:
            if not self.host:
                return str(self.port)
            host = f"[{self.host}]" if self.family == socket.AF_INET6 else self.host
            return f"{host}:{self.port}" + (f"%{self.scope}" if self.scope else "")
        return self.path

    def human(self) -> str:
        """Return the form for people: ``127.0.0.1:7777``, ``[::]:80``, ``/run/echo.sock``."""
        if self.is_ip and not self.host:
            return f"{'[::]' if self.family == socket.AF_INET6 else '0.0.0.0'}:{self.port}"
        return f"netlink {self}" if self.kind == "netlink" else str(self)

    def resolved(self) -> "Address":
        """Return the address that is bound on this machine.

        A bare port means ``[::]``, and ``0.0.0.0`` where IPv6 is unavailable, as in systemd.
        """
        if self.is_ip and not self.host:
            if ipv6_available():
                return self._replace(family=socket.AF_INET6, host="::")
            return self._replace(family=socket.AF_INET, host="0.0.0.0")
        return self

    def sockaddr(self) -> tuple[str, int] | tuple[str, int, int, int] | tuple[int, int] | str:
        """Return what :meth:`socket.socket.bind` takes.

        Raises:
            ActivatorError: The scope's interface does not exist.
            ValueError: This is not a socket.
        """
        if self.is_ip:
            bound = self.resolved()
            if bound.family == socket.AF_INET:
                return (bound.host, bound.port)
            return (bound.host, bound.port, 0, _scope_id(bound))
        if self.family == socket.AF_UNIX:
            return "\0" + self.path[1:] if self.is_abstract else self.path
        if self.family == socket.AF_VSOCK and self.cid is not None:
            return (self.cid, self.port)
        if self.family == socket.AF_NETLINK:
            return (0, self.group)
        raise ValueError(f"{self.directive}={self} is not a socket")


def ipv6_available() -> bool:
    """Tell whether the kernel has IPv6, the way systemd does."""
    return os.path.exists("/proc/net/if_inet6")  # noqa: PTH110 - as light as it gets


@lru_cache(maxsize=512)  # what is checked is looked at again when it is rendered
def parse(directive: str, text: str) -> Address:
    """Read the value of one Listen*= line.

    Args:
        directive: One of :data:`KINDS`, such as ``ListenStream``.
        text: The value, with specifiers resolved and ``%%`` already ``%``.

    Returns:
        The address; ``str()`` of it reads back as the same address.

    Raises:
        AddressError: systemd would refuse or skip the line, or could never open it; the
            hint gives the right form. It has no place: add one with ``error.at(place)``.
    """
    kind = KINDS[directive]
    text = text.strip(" \t")
    if not text:
        hint = "give a path, PORT or ADDRESS:PORT"
        raise AddressError(f"{directive}= is empty", hint, what="it is empty")
    try:
        if kind == "netlink":
            return _netlink(text)
        if kind in ("fifo", "special", "mqueue", "usb"):
            return Address(kind, path=_plain_path(kind, text))
        return _socket(kind, text)
    except RefusedError as error:
        what = f"{directive}={text}: {error.what}"
        raise AddressError(what, error.hint, what=error.what) from None


def _socket(kind: str, text: str) -> Address:
    """Read an address of ListenStream=, ListenDatagram= or ListenSequentialPacket=."""
    if text[0] in "/@":
        return Address(kind, socket.AF_UNIX, path=_unix_path(text))
    scheme, colon, rest = text.partition(":")
    address = _vsock(kind, rest) if colon and scheme in _VSOCK_SCHEMES else _ip(kind, text)
    if kind == "seqpacket":
        raise RefusedError(
            "sequential packets exist on Unix sockets only",
            "give a path such as /run/NAME.sock, or use ListenStream=",
        )
    return address


def _unix_path(text: str) -> str:
    """Check the path or abstract name of a Unix socket."""
    if len(text) < _SHORTEST:
        raise RefusedError("the name is missing", f"write {text}NAME")
    if text[0] == "/":
        if text.endswith("/"):
            raise RefusedError("a socket's path does not end in /", f"write {text.rstrip('/')}")
        text = _simplified(text)
    size = len(os.fsencode(text))
    if size > MAX_PATH_BYTES:
        raise RefusedError(
            f"the name has {size} bytes, and a Unix socket takes {MAX_PATH_BYTES}",
            "give a shorter name",
        )
    return text


def _plain_path(kind: str, text: str) -> str:
    """Check the path of what is opened and not bound."""
    if text[0] != "/":
        raise RefusedError(
            "the path is not absolute", f"write /run/{text}" if kind == "fifo" else f"write /{text}"
        )
    path = _simplified(text)
    if path == "/":
        raise RefusedError("this is the root directory", "give the whole path")
    if kind == "mqueue":
        if "/" in path[1:]:
            raise RefusedError(
                "a message queue's name has one slash, in front", f"write /{path.rsplit('/', 1)[1]}"
            )
    # systemd 254 still took these; 257 skips the line.
    elif kind != "special" and any(path == t or path.startswith(t + "/") for t in _API_TREES):
        raise RefusedError(
            "systemd 257 and later skip a path below /proc, /sys or /dev",
            "choose a path below /run",
        )
    return path


def _simplified(text: str) -> str:
    """Drop repeated slashes and `.`, and turn /var/run into /run, as systemd does."""
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise RefusedError("the path contains ..", "write the path without it")
    if len(os.fsencode(text)) > _PATH_MAX or any(len(os.fsencode(p)) > _NAME_MAX for p in parts):
        raise RefusedError("the path is too long", "give a shorter path")
    if parts[:2] == ["var", "run"] and len(parts) > 2:  # noqa: PLR2004 - something below it
        parts = parts[1:]
    return "/" + "/".join(parts)


def _vsock(kind: str, text: str) -> Address:
    """Read ``[CID]:PORT``."""
    cid_text, colon, port_text = text.partition(":")
    cid = _integer(cid_text.lstrip()) if cid_text else VSOCK_ANY
    port = _integer(port_text.lstrip())
    if not colon or cid is None or port is None:
        raise RefusedError(
            "this is not a vsock address", "write vsock:CID:PORT, or vsock::PORT for every CID"
        )
    if max(cid, port) > _MAX_UNSIGNED:
        raise RefusedError(f"a CID or port ends at {_MAX_UNSIGNED}", "write vsock:CID:PORT")
    return Address(kind, socket.AF_VSOCK, port=port, cid=cid)


def _ip(kind: str, text: str) -> Address:
    """Read ``PORT``, ``a.b.c.d:PORT`` or ``[v6]:PORT[%scope]``."""
    if (number := _integer(text)) is not None:
        return Address(kind, socket.AF_INET6, port=_checked_port(number))
    if not text.strip("-+0123456789"):
        raise RefusedError("this is not a port", "write 1 to 65535 in decimal, without a leading 0")
    refuse_misplaced_scope(text)
    refuse_url(text)
    rest, percent, scope = text.partition("%")
    if percent and not re.fullmatch(_SCOPE, scope):
        raise RefusedError(f"'{scope}' is not an interface", "write [ADDRESS]:PORT%INTERFACE")
    host, _, port_text = rest.rpartition(":")
    number = _integer(port_text)
    if host.startswith("[") and host.endswith("]") and (v6 := packed(socket.AF_INET6, host[1:-1])):
        if number is None:
            raise RefusedError(f"'{port_text}' is not a port", f"write {host}:PORT")
        canonical = socket.inet_ntop(socket.AF_INET6, v6)
        return Address(
            kind, socket.AF_INET6, host=canonical, port=_checked_port(number), scope=scope
        )
    if v4 := packed(socket.AF_INET, host):
        if number is None:
            raise RefusedError(f"'{port_text}' is not a port", f"write {host}:PORT")
        if percent:
            # Read by systemd, then not used.
            raise RefusedError(
                "an IPv4 address has no scope", f"write {rest} and BindToDevice={scope}"
            )
        canonical = socket.inet_ntop(socket.AF_INET, v4)
        return Address(kind, socket.AF_INET, host=canonical, port=_checked_port(number))
    raise explained(text, rest, host, port_text)


def _netlink(text: str) -> Address:
    """Read ``FAMILY [GROUP]``."""
    name, _, group_text = text.partition(" ")
    group_text = group_text.strip(" \t")
    number = NETLINK_FAMILIES.get(name, _integer(name))
    if number is None or number >= 1 << 31:
        raise RefusedError(
            f"'{name}' is not a netlink family", f"use one of {', '.join(NETLINK_FAMILIES)}"
        )
    group = _integer(group_text) if group_text else 0
    if group is None or group > _MAX_UNSIGNED:
        raise RefusedError(
            f"'{group_text}' is not a multicast group", f"write {name}, or {name} and one number"
        )
    return Address("netlink", socket.AF_NETLINK, protocol=number, group=group)


def _integer(text: str) -> int | None:
    """Read an unsigned integer as systemd does, or return None."""
    if text.strip("+0123456789abcdefoxABCDEFOX"):
        return None  # as most addresses, and quicker
    return to_integer(text)


def _checked_port(number: int) -> int:
    """Refuse what is no IP port."""
    if not 1 <= number <= _MAX_PORT:
        shown = "" if number == ENDLESS else f" {number}"
        raise RefusedError(f"port{shown} is out of range", "give a port from 1 to 65535")
    return number


def _scope_id(address: Address) -> int:
    """Return the number of a scope's interface, 0 without a scope."""
    if not address.scope:
        return 0
    number = _integer(address.scope)
    try:
        if number is None:
            return socket.if_nametoindex(address.scope)
    except OSError:
        number = 0
    # What is longer the kernel would take for another interface.
    if 1 <= number <= _MAX_INTERFACE:
        return number
    raise ActivatorError(
        f"{address.directive}={address}: there is no interface {address.scope}",
        "`ip link` lists the interfaces",
    )
