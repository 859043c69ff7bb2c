"""Read the PROXY protocol's header, version 1 or 2, from bytes as they come.

The protocol is HAProxy's (doc/proxy-protocol.txt there). What is not exactly a header is refused:
who sends one may say whose connection it is, so nothing is guessed.
"""

import os
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

TYPE_CHECKING = False
if TYPE_CHECKING:
    # A client as getpeername(2) would tell it: IPv4, IPv6, or the path of a Unix socket.
    Peer = tuple[str, int] | tuple[str, int, int, int] | str | bytes

V1 = b"PROXY "
V1_MOST = 107
V1_END = b"\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n"
V2_START = 16
FIELDS = 6
PORT_MAX = 65535
LOCAL, PROXY = 0x20, 0x21
STREAM, DATAGRAM = 1, 2
UNSPEC, INET, INET6, UNIX = range(4)
# The bytes of both addresses and ports, by their family.
LENGTHS = {UNSPEC: 0, INET: 12, INET6: 36, UNIX: 216}


class MalformedError(Exception):
    """What has come is no header."""


class Header:
    """A header of which not all may have come yet.

    Attributes:
        is_whole: Whether all of it has.
        client: Who the client is; None if the header leaves that to the connection itself.
    """

    __slots__ = ("_data", "client", "is_whole")

    def __init__(self) -> None:
        self._data = bytearray()
        self.is_whole = False
        self.client: Peer | None = None

    def feed(self, data: bytes) -> int:
        """Take what belongs to the header of the bytes that have come next; return how many.

        Raises:
            MalformedError: They do not begin or go on as a header does.
        """
        had = len(self._data)
        known = bytes(self._data) + data
        if V1.startswith(known[: len(V1)]):
            end = self._first(known)
        elif V2.startswith(known[: len(V2)]):
            end = self._second(known)
        else:
            raise MalformedError("no header")
        taken = known[:end]
        self._data += taken[had:]
        return len(taken) - had

    def _first(self, known: bytes) -> int:
        """Return where version 1 ends, or where it has come to."""
        end = known.find(V1_END, 0, V1_MOST)
        if end >= 0:
            self.client = _client_of_line(known[:end])
            self.is_whole = True
            return end + len(V1_END)
        if len(known) >= V1_MOST:
            raise MalformedError("a line that is too long")
        return len(known)

    def _second(self, known: bytes) -> int:
        """Return where version 2 ends, or where it has come to."""
        if len(known) < V2_START:
            return len(known)
        end = V2_START + int.from_bytes(known[14:V2_START])
        what, kind = known[12], known[13]
        needed = LENGTHS.get(kind >> 4)
        if what not in (LOCAL, PROXY):
            raise MalformedError("an unknown version or command")
        if what == PROXY and (needed is None or kind & 15 > DATAGRAM):
            raise MalformedError("an unknown family or protocol")
        if what == PROXY and end - V2_START < (needed or 0):
            raise MalformedError("addresses that are too short")
        if len(known) >= end:
            self.is_whole = True
            if what == PROXY and kind & 15 == STREAM:
                self.client = _client_of_bytes(kind >> 4, known[V2_START:end])
        return end


def _client_of_line(line: bytes) -> "Peer | None":
    try:
        words = line.decode("ascii").split(" ")
    except UnicodeDecodeError:
        raise MalformedError("a line that is not text") from None
    if words[1] == "UNKNOWN":
        return None
    family = {"TCP4": AF_INET, "TCP6": AF_INET6}.get(words[1])
    if family is None or len(words) != FIELDS:
        raise MalformedError("a line of another form")
    try:
        source, _ = (inet_pton(family, host) for host in words[2:4])
        port, _ = (_port(text) for text in words[4:])
    except (OSError, ValueError):
        raise MalformedError("addresses that are none") from None
    return _internet(family, source, port)


def _port(text: str) -> int:
    number = int(text)
    if str(number) != text or not 0 <= number <= PORT_MAX:
        raise ValueError
    return number


def _client_of_bytes(family: int, data: bytes) -> "Peer | None":
    if family == INET:
        return _internet(AF_INET, data[:4], int.from_bytes(data[8:10]))
    if family == INET6:
        return _internet(AF_INET6, data[:16], int.from_bytes(data[32:34]))
    if family == UNIX:
        path = data[:108]
        if path[0]:
            return os.fsdecode(path.partition(b"\0")[0])
        return path.rstrip(b"\0") or None  # an abstract name, as Python's sockets have it
    return None


def _internet(family: int, host: bytes, port: int) -> "Peer":
    text = inet_ntop(family, host)
    return (text, port) if family == AF_INET else (text, port, 0, 0)
