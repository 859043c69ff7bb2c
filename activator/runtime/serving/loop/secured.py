"""Connections with TLS, as transports of the loop's.

With ``connect_accepted_socket()`` alone: uvloop's ``start_tls()`` fails most handshakes.
"""

import asyncio
from socket import AF_UNIX, SOCK_STREAM, socket, socketpair

from activator.runtime.serving.handlers import TAKER
from activator.runtime.serving.report import failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from typing import Any

    from activator.runtime.serving.loop.protocols import Connection
    from activator.runtime.serving.route import Route


class UnsecuredError(Exception):
    """There is no TLS with a client, and its connection is closed.

    Attributes:
        status: The status of who has that connection alone.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


async def secured(
    route: "Route", sock: "socket", protocol: asyncio.BaseProtocol, loop: "AbstractEventLoop"
) -> "Any":
    """Return a connection's transport once its handshake is over.

    Args:
        route: Whose the connection is.
        sock: The connection, which the transport closes; if there is none, it is closed.
        protocol: What to connect it to.
        loop: The event loop.

    Raises:
        UnsecuredError: The handshake has failed.
    """
    from activator.runtime.serving.before.tls import GOODBYE, HANDSHAKE  # noqa: PLC0415 - rarely needed

    try:
        made, _ = await loop.connect_accepted_socket(
            lambda: protocol,
            sock,
            ssl=route.tls.context,
            ssl_handshake_timeout=HANDSHAKE,
            ssl_shutdown_timeout=GOODBYE,
        )
    except OSError as error:
        sock.close()
        raise UnsecuredError(route.tls.failed(error, route)) from None
    return made


async def connect(route: "Route", connection: "Connection", loop: "AbstractEventLoop") -> int:
    """Connect a protocol, or a taker of connections, to a connection once its handshake is over.

    Returns:
        The status: 1 after a bug of the handler's.
    """
    try:
        protocol = Pipe() if route.sort == TAKER else route.handler()
    except Exception as error:  # noqa: BLE001 - a factory may fail in any way
        failure(f"{route} failed", error, skip=1)
        connection.close()
        return 1
    try:
        transport = await secured(route, connection, protocol, loop)
    except UnsecuredError as error:
        return error.status
    if connection.ended:  # else it is over already
        connection.transport = transport
    if isinstance(protocol, Pipe):
        try:
            await _relay(route, connection, protocol, loop)
        except BaseException:
            transport.abort()
            raise
    return 0


async def _relay(
    route: "Route", connection: "Connection", outer: "Pipe", loop: "AbstractEventLoop"
) -> None:
    """Have plain text go to and fro between a connection and who takes it."""
    outer.other = inner = Pipe()
    inner.other = outer
    ours, theirs = socketpair()
    try:
        taken = Inner(theirs.detach(), connection)
    except OSError:  # it has gone
        ours.close()
        outer.transport.abort()
        return
    await loop.connect_accepted_socket(lambda: inner, ours)
    if outer.is_lost:
        inner.transport.close()
        taken.close()
        return
    route.handler(taken)
    for pipe in (outer, inner):
        pipe.transport.resume_reading()


class Inner(socket):
    """A taker's end of a relay: for it, it is the connection."""

    is_secure = True

    def __init__(self, fd: int, connection: "Connection") -> None:
        super().__init__(AF_UNIX, SOCK_STREAM, 0, fd)
        self._peer, self._name = connection.getpeername(), connection.getsockname()

    def getpeername(self) -> "Any":
        """Return where the connection comes from."""
        return self._peer

    def getsockname(self) -> "Any":
        """Return what its client has reached."""
        return self._name


class Pipe(asyncio.Protocol):
    """One side of a relay: what it receives, the other one sends, no faster than it can.

    Attributes:
        is_lost: Whether its transport is gone.
    """

    other: "Pipe"
    transport: "Any" = None
    is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the other side."""
        self.transport = transport
        self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Have it sent."""
        self.other.transport.write(data)

    def pause_writing(self) -> None:
        """Read no more on the other side."""
        if not self.other.is_lost:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on there."""
        if not self.other.is_lost:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the other side, when what it has is sent."""
        del exc
        self.is_lost = True
        other = getattr(self, "other", None)
        if other and other.transport:
            other.transport.close()
