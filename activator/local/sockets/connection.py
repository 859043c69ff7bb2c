"""What an accepted connection tells: REMOTE_ADDR, the instance's name, its source.

Source: systemd.exec(5) for the variables. The instance's name has the layout of systemd 252
to 257, ``N-LOCAL:PORT-REMOTE:PORT`` and ``N-PID-UID``; 258 put a cookie behind N.
"""

import socket
import struct
from dataclasses import dataclass
from typing import Any

_CREDENTIALS = struct.Struct("iII")
_SO_COOKIE = 57


@dataclass(frozen=True)
class Connection:
    """One accepted connection.

    Attributes:
        sock: Its socket; who holds this closes it.
        instance: The instance name, without the counter in front.
        environment: REMOTE_ADDR, REMOTE_PORT and SO_COOKIE, as far as they exist.
        source: What MaxConnectionsPerSource= counts by; empty if it cannot be told.
        peer: The client, for people.
    """

    sock: socket.socket
    instance: str
    environment: dict[str, str]
    source: str
    peer: str


def describe(sock: socket.socket) -> Connection:
    """Read what is known about a connection's other end.

    Raises:
        OSError: The client has gone already (ENOTCONN).
    """
    remote = sock.getpeername()
    cookie = _cookie(sock)
    if sock.family == socket.AF_UNIX:
        return _describe_unix(sock, remote, cookie)
    local = sock.getsockname()
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        address = _plain(remote)
        here, there = _both(local, remote)
        port = str(remote[1])
        peer = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        instance = f"{here}:{local[1]}-{there}:{port}"
    else:
        address, port = f"vsock:{remote[0]}", str(remote[1])
        peer = f"{address}:{port}"
        instance = f"{local[0]}:{local[1]}-{remote[0]}:{port}"
    environment = {"REMOTE_ADDR": address, "REMOTE_PORT": port, **cookie}
    return Connection(sock, instance, environment, address.partition("%")[0], peer)


def _describe_unix(sock: socket.socket, remote: Any, cookie: dict[str, str]) -> Connection:
    """Describe a Unix connection: who the peer is, and its address if it has bound one."""
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(raw)
    instance = f"{pid}-{uid}" if pid > 0 else "unknown"
    # Since 257 a bound peer's address is passed, an abstract one with @ in front.
    name = remote if isinstance(remote, str) else "@" + remote[1:].decode(errors="replace")
    bound = {"REMOTE_ADDR": name} if remote else {}
    return Connection(sock, instance, {**bound, **cookie}, f"uid {uid}", f"PID {pid}")


def _plain(address: Any) -> str:
    """Return an IP address without port: v4-mapped ones as IPv4, a scope by its name."""
    host = str(address[0]).partition("%")[0]
    if (mapped := _mapped(host)) is not None:
        return mapped
    scope = address[3] if len(address) > 3 else 0  # noqa: PLR2004 - IPv6 has four fields
    if not scope:
        return host
    try:
        return f"{host}%{socket.if_indextoname(scope)}"
    except OSError:
        return f"{host}%{scope}"


def _both(local: Any, remote: Any) -> tuple[str, str]:
    """Return both hosts for the instance's name: as IPv4 only if both are."""
    here, there = str(local[0]).partition("%")[0], str(remote[0]).partition("%")[0]
    here4, there4 = _mapped(here), _mapped(there)
    return (here4, there4) if here4 is not None and there4 is not None else (here, there)


def _mapped(host: str) -> str | None:
    """Return the IPv4 address inside a v4-mapped IPv6 one, else None."""
    if ":" not in host:
        return None
    packed = socket.inet_pton(socket.AF_INET6, host)
    prefix = b"\0" * 10 + b"\xff\xff"
    return socket.inet_ntop(socket.AF_INET, packed[12:]) if packed.startswith(prefix) else None


def _cookie(sock: socket.socket) -> dict[str, str]:
    """Return SO_COOKIE, which systemd passes since 258."""
    try:
        raw = sock.getsockopt(socket.SOL_SOCKET, _SO_COOKIE, 8)
    except OSError:
        return {}
    return {"SO_COOKIE": str(struct.unpack("=Q", raw)[0])}
