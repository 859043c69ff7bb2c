"""Tell the process of a connection who its client is, as systemd does with Accept=yes."""

from socket import AF_INET, AF_INET6, AF_UNIX, AF_VSOCK, if_indextoname

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAPPED = "::ffff:"


def remote_of(peer: "Any", family: "int | None") -> dict[str, str]:
    """Return REMOTE_ADDR and REMOTE_PORT of a connection from an address, as far as it has them.

    As systemd sets them with Accept=yes (systemd.exec(5)): IPv4 addresses that come through
    an IPv6 socket as IPv4, a scope by its interface's name.
    """
    if family == AF_UNIX:
        # Since systemd 257, if the client has bound its end; an abstract name with "@".
        name = peer if isinstance(peer, str) else "@" + peer[1:].decode(errors="replace")
        return {"REMOTE_ADDR": name} if peer else {}
    if family == AF_INET:
        return {"REMOTE_ADDR": peer[0], "REMOTE_PORT": str(peer[1])}
    if family == AF_INET6:
        return {"REMOTE_ADDR": _plain(peer), "REMOTE_PORT": str(peer[1])}
    if family == AF_VSOCK:
        return {"REMOTE_ADDR": f"vsock:{peer[0]}", "REMOTE_PORT": str(peer[1])}
    return {}


def _plain(peer: "tuple[str, int, int, int]") -> str:
    host = peer[0].partition("%")[0]
    if host.startswith(MAPPED) and "." in host:
        return host.removeprefix(MAPPED)
    if not peer[3]:
        return host
    try:
        return f"{host}%{if_indextoname(peer[3])}"
    except OSError:
        return f"{host}%{peer[3]}"
