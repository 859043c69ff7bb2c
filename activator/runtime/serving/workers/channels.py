"""Connections that workers leave behind at a hand-over, for those that take over.

A handler that keeps its connection (:func:`activator.fdstore.keep`) when the service drains
counts on a next process to go on with it. After a hand-over that process is there already, so
the parent passes the connection on, where after a stop it would leave it with the manager.

Each worker has a channel for each name of a listener: to its engine one more listener, that
connections come from. What a worker has not taken stays in it, for the next one in its place.
"""

import errno
import os
from contextlib import suppress
from socket import (
    AF_UNIX,
    CMSG_SPACE,
    MSG_CMSG_CLOEXEC,
    SCM_RIGHTS,
    SO_DOMAIN,
    SOCK_SEQPACKET,
    SOCK_STREAM,
    SOL_SOCKET,
    AddressFamily,
    recv_fds,
    send_fds,
    socket,
    socketpair,
)

from activator.common.integers import decimal
from activator.runtime.listen import Listeners
from activator.runtime.listener import Listener

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# For a worker: how many of the descriptors that it is passed are channels, the last ones.
VARIABLE = "ACTIVATOR_CHANNELS"
_INT = 4


class Channels:
    """The channels of one place for a worker; they outlive its processes.

    Args:
        names: The names of listeners that get one.
    """

    __slots__ = ("_ends",)

    def __init__(self, names: "Iterable[str]") -> None:
        # Name → our end and the worker's.
        self._ends = {name: socketpair(AF_UNIX, SOCK_SEQPACKET) for name in names}
        for ours, theirs in self._ends.values():
            ours.setblocking(False)
            theirs.setblocking(False)

    def passed(self) -> "Iterator[tuple[str, int]]":
        """Yield what is passed to the worker: names and descriptors."""
        for name, (_, theirs) in self._ends.items():
            yield name, theirs.fileno()

    def give(self, name: str, fd: int) -> bool:
        """Pass a connection on; return whether there was a channel, and room in it."""
        if name not in self._ends:
            return False
        try:
            send_fds(self._ends[name][0], [b"\0"], [fd])
        except OSError:
            return False
        return True

    def close(self) -> "Iterator[tuple[str, int]]":
        """Close all, and yield the names and descriptors of connections that nobody has taken."""
        for name, (ours, theirs) in self._ends.items():
            ours.close()
            # A process that is just being started may have a copy of ours yet.
            with theirs, suppress(BlockingIOError):
                while fds := recv_fds(theirs, 1, 1)[1]:
                    yield name, fds[0]
        self._ends = {}


class _Channel(socket):
    """A channel, as a listening socket for the engines."""

    # What connections are, not the channel: their handlers are chosen by it.
    type = SOCK_STREAM

    def __init__(self, listener: "Handed") -> None:
        super().__init__(AF_UNIX, SOCK_SEQPACKET, 0, listener.fd)
        self._listener = listener

    def _accept(self) -> tuple[int, object]:
        """Take a connection, as socket.accept() does inside.

        Raises:
            BlockingIOError: There is none now; if the parent has ended, SIGTERM is on its way.
            OSError: There are no more descriptors.
        """
        data, ancillary, _, _ = self.recvmsg(1, CMSG_SPACE(_INT), MSG_CMSG_CLOEXEC)
        for level, kind, fds in ancillary:
            if level == SOL_SOCKET and kind == SCM_RIGHTS:
                fd = memoryview(fds).cast("i")[0]
                taken = socket(fileno=fd)
                self._listener.family = AddressFamily(taken.getsockopt(SOL_SOCKET, SO_DOMAIN))
                return taken.detach(), None
        number = errno.EMFILE if data else errno.EAGAIN
        raise OSError(number, os.strerror(number))


class Handed(Listener):
    """A channel as the worker sees it."""

    __slots__ = ()

    def __init__(self, name: str, fd: int) -> None:
        super().__init__(name, fd)
        self.kind, self.address = "stream", "what earlier workers left"

    def _made(self) -> socket:
        if self._socket is None:
            self._socket = _Channel(self)
        return self._socket


def with_channels(listeners: Listeners) -> Listeners:
    """Return a worker's listeners, those that are channels as such."""
    items = list(listeners)
    count = decimal(os.environ.pop(VARIABLE, "")) or 0
    first = max(len(items) - count, 0)
    handed = [Handed(item.name, item.fd) for item in items[first:]]
    return Listeners([*items[:first], *handed])
