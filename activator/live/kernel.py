"""The kernel's listening sockets and their connections, from /proc/net.

Source: proc(5); for a listening TCP socket, tx_queue is zero and rx_queue is the number of
connections that wait to be accepted (sk_ack_backlog). A connection that waits has no inode
yet; one at a Unix socket bears the listener's path from the beginning.
"""

import ipaddress
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_LISTENING = "0A"  # TCP_LISTEN
_OPEN = ("01", "08")  # TCP_ESTABLISHED, TCP_CLOSE_WAIT
_ACCEPTS = 0x10000  # __SO_ACCEPTCON
# Of /proc/net/unix: the place of the path, SOCK_DGRAM, SS_CONNECTING and SS_CONNECTED.
_PATH, _DATAGRAM, _CONNECTING, _CONNECTED = 7, "0002", "02", "03"


class Held(NamedTuple):
    """A socket that listens, or takes datagrams.

    Attributes:
        address: ``127.0.0.1:80``, ``[::1]:80``, ``/path`` or ``@abstract``.
        kind: ``stream`` or ``datagram``.
        inode: The socket's inode, by which processes have it open.
        queue: Connections that wait, or bytes of datagrams; -1 if /proc does not say.
        drops: Datagrams that were dropped since no room was left; -1 if /proc does not say.
        connections: Connections that were accepted here and are open; -1 if there are none to
            be accepted.
    """

    address: str
    kind: str
    inode: int
    queue: int
    drops: int = -1
    connections: int = -1

    def is_at(self, address: str) -> bool:
        """Tell whether a client of an address would come here."""
        host, _, port = address.rpartition(":")
        if not port.isdecimal() or address.startswith(("/", "@")):
            return self.address == address
        hosts = {host, "0.0.0.0", "[::]", *(("127.0.0.1", "[::1]") if host == "localhost" else ())}
        return self.address.rpartition(":")[2] == port and self.address.rpartition(":")[0] in hosts


def held(pid: int | str = "self") -> list[Held]:
    """Return all sockets that listen or take datagrams, of a process's network namespace."""
    net = Path(f"/proc/{pid}/net")
    return [*_internet(net), *_unix(net)]


def backlog_max() -> int:
    """Return the longest queue that the kernel allows: net.core.somaxconn."""
    try:
        return int(Path("/proc/sys/net/core/somaxconn").read_text())
    except OSError:
        return 4096


def _internet(net: Path) -> Iterator[Held]:
    for name in ("tcp", "tcp6"):
        rows = [line.split() for line in _lines(name, net)]
        listening = [(_address(words[1]), words) for words in rows if words[3] == _LISTENING]
        known = {address for address, _ in listening}
        count: Counter[str] = Counter()
        # Only the ports in question are worth reading: there may be very many connections.
        ports = {words[1].rpartition(":")[2] for _, words in listening}
        for words in rows:
            if words[3] in _OPEN and words[9] != "0" and words[1].rpartition(":")[2] in ports:
                address = _address(words[1])
                count[address if address in known else _wildcard(address)] += 1
        for address, words in listening:
            queue = int(words[4].partition(":")[2], 16)
            yield Held(address, "stream", int(words[9]), queue, connections=count[address])
    for name in ("udp", "udp6"):
        for line in _lines(name, net):
            words = line.split()
            queue = int(words[4].partition(":")[2], 16)
            yield Held(_address(words[1]), "datagram", int(words[9]), queue, int(words[12]))


def _wildcard(address: str) -> str:
    """Return the address that stands for all of a family, with the same port."""
    return f"{'[::]' if address.startswith('[') else '0.0.0.0'}:{address.rpartition(':')[2]}"


def _address(text: str) -> str:
    """Return an address of /proc/net/tcp: 32-bit words in the machine's order, and a port."""
    digits, _, port = text.partition(":")
    words = (bytes.fromhex(digits[start : start + 8])[::-1] for start in range(0, len(digits), 8))
    address = ipaddress.ip_address(b"".join(words))
    host = f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 - IPv6
    return f"{host}:{int(port, 16)}"


def _unix(net: Path) -> Iterator[Held]:
    rows = [line.split(maxsplit=_PATH) for line in _lines("unix", net)]
    # Without a path it is nobody's address; what has another form is the rest of a name with a
    # line's end in it.
    rows = [words for words in rows if len(words) > _PATH and words[6].isdecimal()]
    waiting, connected = Counter[str](), Counter[str]()
    for words in rows:
        if words[5] == _CONNECTING and words[6] == "0":
            waiting[words[_PATH]] += 1
        elif words[5] == _CONNECTED and words[4] != _DATAGRAM:
            connected[words[_PATH]] += 1
    for words in rows:
        path, inode = words[_PATH], int(words[6])
        if int(words[3], 16) & _ACCEPTS:
            yield Held(path, "stream", inode, waiting[path], connections=connected[path])
        elif words[4] == _DATAGRAM:
            yield Held(path, "datagram", inode, -1)


def _lines(name: str, net: Path) -> list[str]:
    """Return the rows of a table, without its head; a name in it may hold any character."""
    return [line for line in _read(name, net).split("\n")[1:] if line]


def _read(name: str, net: Path) -> str:
    try:
        return (net / name).read_bytes().decode(errors="surrogateescape")
    except OSError:
        return ""
