"""One descriptor that was passed: its name, what it is, and who is on its other side.

Import-light, as :mod:`activator.runtime.listen`.
"""

import os
from socket import socket

from activator.errors import ActivatorError
from activator.runtime.descriptor import describe, is_at, peer, peer_credentials

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import AddressFamily

    from activator.runtime.descriptor import Credentials, Kind

    Socket = socket  # in the class, the name is a method's


class Listener:
    """One descriptor that was passed, open and with FD_CLOEXEC set.

    A Listener never closes its descriptor by itself: it stays open until you close it, or
    the socket made of it, or the process ends. A listening socket is shared with the service
    manager: closing it here changes nothing there, but never ``shutdown()`` it and never
    ``unlink()`` its path.

    Attributes:
        name: The fdname: FileDescriptorName= of the .socket unit; ``unknown`` without one.
        fd: The descriptor's number; -1 once it is closed.
        kind: What it is: ``stream``, ``seqpacket`` (listening), ``connection``,
            ``datagram``, ``netlink``, ``raw``, ``fifo``, ``mqueue``, ``special``, ``other``;
            see :func:`activator.runtime.descriptor.describe`.
        family: The socket's address family; None for what is no socket.
        address: The local address as systemd.socket(5) writes it; may be empty.
        accepted: How many connections the runtime has accepted here.
    """

    __slots__ = ("_remote", "_socket", "accepted", "address", "family", "fd", "kind", "name")

    name: str
    fd: int
    kind: "Kind"
    family: "AddressFamily | None"
    address: str

    def __init__(self, name: str, fd: int) -> None:
        self.name = name
        self.fd = fd
        self.accepted = 0
        self.kind, self.family, self.address = describe(fd)
        self._socket: socket | None = None
        self._remote = ""

    def socket(self, *, blocking: bool | None = None) -> socket:
        """Return the descriptor as a socket, the same one at every call.

        The socket owns the descriptor from the first call on: closing it closes the
        descriptor, as does dropping both it and this Listener. Who needs one of his own takes
        ``Listener.socket().dup()``.

        Args:
            blocking: Whether it is to block, which is what systemd passes unless the unit says
                NonBlocking=yes. Event loops want False: some hang in accept(2) else. None leaves
                it as it is. The flag is one with that of the service manager, and of every other
                process that has the socket; systemd does not heed it.

        Raises:
            ActivatorError: It is no socket, or it was closed.
            TypeError: ``blocking`` is something else.
        """
        if blocking not in (None, True, False):
            raise TypeError(f"blocking is True, False or None, not {blocking!r}")
        made = self._made()
        if made.fileno() < 0:
            raise ActivatorError(
                f"{self} was closed, or detached, by whoever had its socket",
                "give away a copy: Listener.socket().dup()",
            )
        if blocking is not None:
            made.setblocking(blocking)
        return made

    def _made(self) -> "Socket":
        """Return the socket, which may be closed."""
        if self._socket is None:
            if self.family is None:
                raise ActivatorError(f"{self} is not a socket", "use its descriptor: Listener.fd")
            if self.fd < 0:
                raise ActivatorError(f"{self} was closed: Listener.close()")
            self._socket = socket(fileno=self.fd)
        return self._socket

    @property
    def peer(self) -> str:
        """The address of a connection's other side, as systemd.socket(5) writes addresses.

        Empty for what is no connection, and for an AF_UNIX client without a name. Of a client
        that has gone it is known only with Accept=yes, from REMOTE_ADDR and REMOTE_PORT.
        """
        return (peer(self._made()) or self._remote) if self.kind == "connection" else ""

    @property
    def credentials(self) -> "Credentials | None":
        """Who is on an AF_UNIX connection's other side; None for all else.

        See :func:`activator.peer_credentials`.
        """
        return peer_credentials(self._made()) if self.kind == "connection" else None

    @property
    def cookie(self) -> int | None:
        """The kernel's number of the socket, the same in SO_COOKIE and for ``ss -e``.

        None for what is no socket (socket(7) has no word on it; Linux 4.12).
        """
        from activator.common.peers import cookie  # noqa: PLC0415 - a start need not know peers

        return None if self.family is None else cookie(self._made())

    def is_at(self, address: str) -> bool:
        """Tell whether this is its address, in any way that systemd.socket(5) writes it.

        A port alone stands for every internet address with this port.
        """
        return is_at(self.address, self.family, address)

    def note_remote(self, address: str) -> None:
        """Note what the service manager said of the other side, for when it has gone."""
        self._remote = address

    def fileno(self) -> int:
        """Return the descriptor, for select and its kin."""
        return self.fd

    def close(self) -> None:
        """Close the descriptor, or the socket made of it; a second time does nothing."""
        if self._socket is not None:
            self._socket.close()
        elif self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def __str__(self) -> str:
        return f"{self.name!r} ({self.kind}{' ' if self.address else ''}{self.address})"

    def __repr__(self) -> str:
        return f"<Listener {self} fd={self.fd}>"
