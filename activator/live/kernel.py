"""The kernel's listening sockets, from /proc/net.

Source: proc(5); for a listening TCP socket, tx_queue is zero and rx_queue is the number of
connections that wait to be accepted (sk_ack_backlog).
"""

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_NET = Path("/proc/net")
_LISTENING = "0A"  # TCP_LISTEN
_ACCEPTS = 0x10000  # __SO_ACCEPTCON


class Held(NamedTuple):
    """A socket that listens, or takes datagrams.

    Attributes:
        address: ``127.0.0.1:80``, ``[::1]:80``, ``/path`` or ``@abstract``.
        kind: ``stream`` or ``datagram``.
        inode: The socket's inode, by which processes have it open.
        queue: Connections that wait, or bytes of datagrams; -1 if /proc does not say.
        drops: Datagrams that were dropped since no room was left; -1 if /proc does not say.
    """

    address: str
    kind: str
    inode: int
    queue: int
    drops: int = -1


def held() -> list[Held]:
    """Return all sockets that listen or take datagrams, of this network namespace."""
    return [*_internet(), *_unix()]


def overflows() -> int:
    """Return how many connections were dropped since a queue was full, since the boot."""
    lines = _read("netstat").splitlines()
    for names, values in zip(lines[::2], lines[1::2], strict=False):
        row = dict(zip(names.split(), values.split(), strict=False))
        if "ListenOverflows" in row:
            return int(row["ListenOverflows"])
    return 0


def backlog_max() -> int:
    """Return the longest queue that the kernel allows: net.core.somaxconn."""
    try:
        return int(Path("/proc/sys/net/core/somaxconn").read_text())
    except OSError:
        return 4096


def _internet() -> Iterator[Held]:
    for name in ("tcp", "tcp6", "udp", "udp6"):
        stream = name.startswith("tcp")
        for line in _read(name).splitlines()[1:]:
            words = line.split()
            if stream and words[3] != _LISTENING:
                continue
            queue = int(words[4].partition(":")[2], 16)
            address = _address(words[1])
            kind, drops = ("stream", -1) if stream else ("datagram", int(words[12]))
            yield Held(address, kind, int(words[9]), queue, drops)


def _address(text: str) -> str:
    """Return an address of /proc/net/tcp: 32-bit words in the machine's order, and a port."""
    digits, _, port = text.partition(":")
    words = (bytes.fromhex(digits[start : start + 8])[::-1] for start in range(0, len(digits), 8))
    address = ipaddress.ip_address(b"".join(words))
    host = f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 - IPv6
    return f"{host}:{int(port, 16)}"


def _unix() -> Iterator[Held]:
    for line in _read("unix").splitlines()[1:]:
        words = line.split(maxsplit=7)
        if len(words) < 8:  # noqa: PLR2004 - without a path it is nobody's address
            continue
        stream = int(words[3], 16) & _ACCEPTS
        if stream or words[4] == "0002":
            yield Held(words[7], "stream" if stream else "datagram", int(words[6]), -1)


def _read(name: str) -> str:
    try:
        return (_NET / name).read_text(errors="surrogateescape")
    except OSError:
        return ""
