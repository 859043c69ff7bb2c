"""What an accepted connection tells: REMOTE_ADDR, the instance's name, its source.

The instance's name has the layout of systemd 252 to 257, ``N-LOCAL:PORT-REMOTE:PORT`` and
``N-PID-UID``; 258 put a cookie behind N.
"""

import socket
from dataclasses import dataclass
from typing import Any

from activator.common import peers


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
    peer = sock.getpeername()
    number = peers.cookie(sock)  # passed since 258
    environment = peers.remote(peer, sock.family)
    environment |= {} if number is None else {"SO_COOKIE": str(number)}
    if sock.family == socket.AF_UNIX:
        pid, uid, _ = peers.credentials(sock)
        instance = f"{pid}-{uid}" if pid > 0 else "unknown"
        return Connection(sock, instance, environment, f"uid {uid}", f"PID {pid}")
    local = sock.getsockname()
    host, port = environment["REMOTE_ADDR"], environment["REMOTE_PORT"]
    here, there = _both(local, peer)
    instance = f"{here}:{local[1]}-{there}:{port}"
    shown = peers.address(host, port)
    return Connection(sock, instance, environment, host.partition("%")[0], shown)


def _both(local: Any, peer: Any) -> tuple[str, str]:
    """Return both hosts for the instance's name: as IPv4 only if both are."""
    hosts = [str(address[0]).partition("%")[0] for address in (local, peer)]
    here, there = map(peers.plain, hosts)
    return (here, there) if ":" not in here + there else (hosts[0], hosts[1])
