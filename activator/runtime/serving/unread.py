"""Have a Unix client that does not read its answers use up no more than a part of our send buffer.

What a client has not read stays in the buffer of the socket that it came from, and that is one for
all (unix(7)): when it is full, nobody is answered. Whose it is, the kernel does not tell, only how
much it is (SIOCOUTQ). So where much is unread, each of those who were sent most of late is sent one
message, and the next when that has been read.
"""

import struct
from fcntl import ioctl
from math import inf
from socket import SO_SNDBUF, SOL_SOCKET
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket

SIOCOUTQ = 0x5411  # Linux's number, that of TIOCOUTQ
# What a message takes in the kernel besides its bytes.
EXTRA = 768
# How long to wait before it is looked whether a message has been read, at first and at most.
FIRST = 0.05
MOST = 1.6
# Of how many clients to remember what they were sent.
CLIENTS = 4096


class Unread:
    """What the clients of one Unix datagram socket have not read.

    Args:
        sock: The socket, which stays its owner's.
    """

    def __init__(self, sock: "socket") -> None:
        self._sock = sock
        self._room = sock.getsockopt(SOL_SOCKET, SO_SNDBUF)
        self._sent: dict[object, int] = {}  # to whom how much, since little was unread
        self._since = 0  # how much since the last look
        self._held: dict[object, _Trial] = {}
        # Who is tried, and until when: one at a time, or it would be unclear whose is unread.
        self._tried: object = None
        self._trying = 0.0
        self._stuck = 0  # what those seem not to have read

    def allows(self, client: object) -> bool:
        """Tell whether a client may be sent something now."""
        if not self._held or client not in self._held:
            return True
        now = monotonic()
        if now < self._trying:
            return False
        earlier = self._stuck
        self._stuck = unread = self._unread()
        tried, self._tried = self._held.get(self._tried), None
        if tried and unread <= tried.level:
            del self._held[tried.client]  # it has read the last one, and so all before
        trial = self._held.get(client)
        if trial is None or unread <= max(trial.level, self._room // 4):
            self._held.pop(client, None)
            return True
        if now < trial.due:
            return False
        trial.due = now + trial.pause
        trial.pause = min(trial.pause * 2, MOST)
        if trial.level and (trial.pause >= MOST or unread > self._room * 3 // 4):
            return False  # a few have been in vain: only what is read by and by helps
        # What others have not read just now does not count.
        trial.level = min(unread, earlier or unread)
        self._tried = client
        self._trying = now + FIRST
        return True

    def patience(self, client: object) -> float:
        """Return how many seconds it may be worth to wait for :meth:`allows`."""
        trial = self._held.get(client)
        if trial is None or trial.pause > 2 * FIRST:
            return 0.0
        return max(trial.due - monotonic(), self._trying - monotonic(), 0.0)

    def sent(self, client: object, size: int) -> None:
        """Note that a client was sent so many bytes."""
        if client in self._held:
            return
        taken = 2 * size + EXTRA  # the kernel rounds up
        self._sent[client] = self._sent.get(client, 0) + taken
        self._since += taken
        if self._since > self._room // 8:
            self._since = 0
            self._look()

    def _look(self) -> None:
        unread = self._unread()
        if unread <= self._room // 4:
            self._held.clear()
        self._stuck = min(self._stuck, unread)
        room, unread = self._room - self._stuck, unread - self._stuck
        least = max(room // 8, unread // 4) if unread > room // 2 else inf
        found = {who: _Trial(who) for who, taken in self._sent.items() if taken > least}
        self._held |= found
        if found or unread <= room // 4 or len(self._sent) >= CLIENTS:
            self._sent.clear()

    def _unread(self) -> int:
        (found,) = struct.unpack("i", ioctl(self._sock, SIOCOUTQ, bytes(4)))
        return int(found)


class _Trial:
    """A client that is sent one message at a time.

    Attributes:
        client: Its address.
        level: How much was unread before the last one.
        due: When to look whether it has been read, as time.monotonic().
        pause: How long to wait then, in seconds.
    """

    __slots__ = ("client", "due", "level", "pause")

    def __init__(self, client: object) -> None:
        self.client = client
        self.level = 0
        self.pause = FIRST
        self.due = monotonic() + FIRST
