"""Who is on a connection's other side, as the kernel and its address tell."""

from socket import AF_INET, AF_INET6, AF_UNIX, AF_VSOCK, SO_PEERCRED, SOL_SOCKET, if_indextoname
from sys import byteorder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    class HasOptions(Protocol):
        """A socket, or what asyncio gives in its place."""

        @property
        def family(self) -> int:
            """The address family."""

        def getsockopt(self, level: int, optname: int, buflen: int, /) -> bytes:
            """Return an option."""


SO_COOKIE = 57  # Linux's number, which Python's socket module lacks
MAPPED = "::ffff:"
INET_LENGTH = 2  # an IPv4 address as Python's sockets have it: host, port; IPv6 has four parts


def credentials(sock: "HasOptions") -> tuple[int, int, int]:
    """Return the process, user and group on the other side of a Unix socket.

    They are those of its connect(2): unix(7), SO_PEERCRED.
    """
    process, user, group = memoryview(sock.getsockopt(SOL_SOCKET, SO_PEERCRED, 12)).cast("I")
    return process, user, group


def cookie(sock: "HasOptions") -> int | None:
    """Return the kernel's number of a socket, or None if it gives none."""
    try:
        return int.from_bytes(sock.getsockopt(SOL_SOCKET, SO_COOKIE, 8), byteorder)
    except OSError:
        return None


def plain(host: str) -> str:
    """Return an IP address as its client wrote it: IPv4 also at a listener for both."""
    return host.removeprefix(MAPPED) if "." in host else host


def interface(index: int) -> str:
    """Return the name of a network interface, or its number if it has gone."""
    try:
        return if_indextoname(index)
    except OSError:
        return str(index)


def address(host: str, port: str) -> str:
    """Return what :func:`remote` gives as systemd.socket(5) writes addresses."""
    return f"[{host}]:{port}" if ":" in host and not host.startswith("vsock:") else f"{host}:{port}"


def named(peer: "Any", family: "int | None") -> str:
    """Return a peer's address in one word; see :func:`remote`."""
    found = remote(peer, family)
    host, port = found.get("REMOTE_ADDR", ""), found.get("REMOTE_PORT", "")
    return address(host, port) if port else host


def remote(peer: "Any", family: "int | None") -> dict[str, str]:
    """Return REMOTE_ADDR and REMOTE_PORT of a connection, as far as its peer's address has them.

    As systemd sets them with Accept=yes (systemd.exec(5)): IPv4 addresses that come through
    an IPv6 socket as IPv4, a scope by its interface's name.

    Args:
        peer: The address, as accept(2) and getpeername(2) tell.
        family: Its family.
    """
    if not peer:
        return {}
    # By its form: what a proxy has told need not be of the connection's own family.
    if isinstance(peer, (str, bytes)):
        # Since systemd 257, if the client has bound its end; an abstract name with "@".
        name = peer if isinstance(peer, str) else "@" + peer[1:].decode(errors="replace")
        return {"REMOTE_ADDR": name}
    if family not in (AF_INET, AF_INET6, AF_UNIX, AF_VSOCK):
        return {}
    if family == AF_VSOCK:
        host = f"vsock:{peer[0]}"
    elif len(peer) == INET_LENGTH:
        host = peer[0]
    else:
        host = plain(peer[0].partition("%")[0])
        host += f"%{interface(peer[3])}" if peer[3] and ":" in host else ""
    return {"REMOTE_ADDR": host, "REMOTE_PORT": str(peer[1])}
