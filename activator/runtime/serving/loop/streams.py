"""Handle one connection with an async handler, ``async def h(reader, writer)``.

The handler runs in a task of ours: asyncio's own start_server() logs a traceback for each
client that resets, which slows the acceptance of connections tenfold.
"""

from asyncio import CancelledError, StreamReader, StreamReaderProtocol, StreamWriter
from contextlib import suppress

from activator.runtime.journal import journal
from activator.runtime.serving.loop.protocols import untie
from activator.runtime.serving.report import outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, BaseTransport
    from collections.abc import Coroutine
    from socket import socket
    from typing import Any

    from activator.runtime.serving.route import Route


class _Protocol(StreamReaderProtocol):
    """Between a connection and its reader, as asyncio.start_server() has it."""

    def connection_made(self, transport: "BaseTransport") -> None:
        """Begin; the writer's start_tls() takes the server's side where there is such a call."""
        super().connection_made(transport)
        self._client_connected_cb = _nothing

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        transport = self._transport  # type: ignore[attr-defined]
        super().connection_lost(exc)
        untie(transport)


def _nothing(_reader: StreamReader, _writer: StreamWriter) -> None:
    """Stand for the function that start_server() is given."""


def conversation(
    route: "Route", sock: "socket", loop: "AbstractEventLoop", peer: object = None
) -> "Coroutine[Any, Any, int]":
    """Return what calls the handler with the connection's streams, to be made a task at once.

    It flushes them and closes the connection afterwards. A client that leaves early costs
    nothing. Any other exception is the handler's bug: one record on stderr. When cancelled, it
    closes without flushing.

    Args:
        route: Whose handler to call.
        sock: The connection.
        loop: The event loop.
        peer: Where the connection comes from, as accept(2) tells; None if it has not.

    Returns:
        A coroutine, whose result is the handler's status: 1 after a bug, what it gave to
        sys.exit() if it did, else 0.
    """
    reader = StreamReader(loop=loop)
    protocol = _Protocol(reader, loop=loop)
    transport = None
    # asyncio's own servers do it so. What it has for others waits for connection_made() besides,
    # which has been called anyway when a task that is made now begins.
    make = getattr(loop, "_make_socket_transport", None)
    if make and not route.tls:
        with suppress(OSError):  # it will fail once more, and be sorted out
            # Accepted sockets are blocking, whatever the listener is (accept(2)): the first client
            # that does not read would stop the loop in send(2).
            sock.setblocking(False)
            transport = make(sock, protocol, extra=None if peer is None else {"peername": peer})
    return _converse(route, sock, loop, (reader, protocol, transport))


def _outcome(
    error: BaseException, route: "Route", sock: "socket", loop: "AbstractEventLoop"
) -> int:
    if isinstance(error, GeneratorExit) and not loop.is_running():
        raise error  # given up, as the loop is closed already
    if route.tls:
        from activator.runtime.serving.loop.secured import UnsecuredError  # noqa: PLC0415 - rarely needed

        if isinstance(error, UnsecuredError):
            return error.status
    return outcome(error, route, sock)


async def _transport(
    route: "Route", sock: "socket", protocol: _Protocol, loop: "AbstractEventLoop"
) -> "Any":
    if route.tls:
        from activator.runtime.serving.loop.secured import secured  # noqa: PLC0415 - rarely needed

        return await secured(route, sock, protocol, loop)
    return (await loop.connect_accepted_socket(lambda: protocol, sock))[0]


async def _converse(
    route: "Route",
    sock: "socket",
    loop: "AbstractEventLoop",
    streams: "tuple[StreamReader, _Protocol, Any]",
) -> int:
    if journal.is_on:
        journal.about.set((route.listener, sock))
    reader, protocol, transport = streams
    status = 0
    try:
        try:
            if transport is None:
                transport = await _transport(route, sock, protocol, loop)
            writer = StreamWriter(transport, protocol, reader, loop)
            await route.handler(reader, writer)
        except CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - a handler may fail in any way
            status = _outcome(error, route, sock, loop)
            # The reader keeps the error, whose frames keep the reader: left to the collector,
            # the circle would be a tenth of what such a connection costs.
            error.__traceback__ = None
        if transport and sock.fileno() >= 0:  # else it is over
            writer.close()  # it sends what is left in the background
            # If the client has gone, nobody is left to send it to.
            with suppress(OSError):
                await writer.wait_closed()
    except GeneratorExit:
        raise  # given up, when the loop is closed already
    except BaseException:
        if transport:
            transport.abort()
        raise
    finally:
        if not transport:
            sock.close()
    return status
