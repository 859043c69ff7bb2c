"""Count connections by where they come from: ``--max-per-source``."""

from _thread import allocate_lock
from socket import AF_INET, AF_INET6, AF_UNIX, AF_VSOCK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket

Source = tuple[int, object]


class Sources:
    """How many connections each source has open; for any thread.

    What a source is, is as in MaxConnectionsPerSource= (systemd.socket(5)): an IP address, the
    user of a Unix client, the CID of a virtual machine.

    Args:
        limit: How many connections a source may have.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = allocate_lock()
        self._counts: dict[Source, int] = {}

    def admit(self, sock: "socket") -> Source | None:
        """Count a connection; return its source for :meth:`release`, None if it is too many."""
        return self.count(source_of(sock))

    def admit_or_close(self, sock: "socket") -> Source | None:
        """Do what :meth:`admit` does, and close what is one too many, or finds no memory."""
        source = None
        try:
            source = self.admit(sock)
        finally:
            if source is None:
                sock.close()
        return source

    def count(self, source: Source) -> Source | None:
        """Do what :meth:`admit` does for a source that is known."""
        with self._lock:
            count = self._counts.get(source, 0)
            if count >= self._limit:
                return None
            self._counts[source] = count + 1
        return source

    def release(self, source: Source) -> None:
        """Note the end of a connection."""
        with self._lock:
            count = self._counts[source] - 1
            if count:
                self._counts[source] = count
            else:
                del self._counts[source]


def source_of(sock: "socket") -> Source:
    """Return where a connection comes from; those that are gone already have one in common."""
    family: int = sock.family
    found: object = None
    client = getattr(sock, "client", None)  # as its proxy has told
    if client is not None:
        return family, client[0] if isinstance(client, tuple) else client
    try:
        if family == AF_UNIX:
            from activator.common.peers import credentials  # noqa: PLC0415 - a start need not know peers

            found = credentials(sock)[1]
        elif family in (AF_INET, AF_INET6, AF_VSOCK):
            found = sock.getpeername()[0]
    except OSError:
        pass
    return family, found
