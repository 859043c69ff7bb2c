"""Count the bytes of TCP connections, as the kernel has counted them, when they are closed."""

import os
import struct
import threading
from contextlib import suppress
from socket import AF_INET, AF_INET6, IPPROTO_TCP, TCP_INFO, socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from activator.runtime.listen import Listener

# States in which the other side has sent its last, which counts as a byte: TCP_CLOSE_WAIT,
# TCP_LAST_ACK, TCP_CLOSING and TCP_TIME_WAIT.
AFTER_END = frozenset({6, 8, 9, 11})
# tcpi_state, tcpi_bytes_received, tcpi_notsent_bytes, tcpi_bytes_sent and tcpi_bytes_retrans of
# struct tcp_info (linux/tcp.h, Linux 4.19).
_BYTES = struct.Struct("=B127xQ8xI52xQQ")


class Tally:
    """How many bytes a listener's connections that are closed have received and sent.

    Attributes:
        received: The one.
        sent: The other, without what was sent anew.
    """

    def __init__(self) -> None:
        self.received = self.sent = 0
        self._lock = threading.Lock()

    def add(self, sock: socket) -> None:
        """Add a connection's bytes, which is about to be closed."""
        try:
            info = sock.getsockopt(IPPROTO_TCP, TCP_INFO, _BYTES.size)
            state, received, waiting, sent, again = _BYTES.unpack(info)
        except (OSError, struct.error):
            return  # it is closed already, or the kernel is older
        with self._lock:
            self.received += received - (state in AFTER_END)
            self.sent += sent - again + waiting


class Tallies:
    """The tallies of all listeners that have one: TCP's."""

    def __init__(self) -> None:
        # Whether connections need a double of their descriptor: uvloop tells of their end only
        # when it has closed them.
        self.doubles = False
        self.by_listener: dict[Listener, Tally] = {}
        self._kinds: dict[tuple[Listener, type[socket]], type[socket]] = {}

    def kind(self, listener: "Listener", base: type[socket]) -> type[socket]:
        """Return a class of sockets, for a listener's connections, whose bytes are counted."""
        if listener.family not in (AF_INET, AF_INET6):
            return base
        found = self._kinds.get((listener, base))
        if found is None:
            tally = self.by_listener.setdefault(listener, Tally())
            found = self._kinds[listener, base] = _counted(base, tally, doubles=self.doubles)
        return found


def _counted(base: "Any", tally: Tally, *, doubles: bool) -> type[socket]:
    class Counted(base):  # type: ignore[misc]  # whichever it is
        __slots__ = ("_double",)

        def __init__(self, *arguments: "Any") -> None:
            super().__init__(*arguments)
            self._double: socket | None = None
            if doubles:
                with suppress(OSError):  # no more descriptors: it goes uncounted
                    self._double = socket(fileno=os.dup(self.fileno()))

        # Where it ends depends on whether it has makefile()'s files, and on the loop.
        def _real_close(self, *arguments: "Any") -> None:
            self._count()
            super()._real_close(*arguments)

        def detach(self) -> int:
            self._count()
            return super().detach()  # type: ignore[no-any-return]

        def _count(self) -> None:
            double, self._double = self._double, None
            if double:
                tally.add(double)
                double.close()
            elif not doubles:
                tally.add(self)

    return Counted
