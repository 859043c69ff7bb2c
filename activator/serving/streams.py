"""Handle one connection with an async handler, ``async def h(reader, writer)``.

The handler runs in a task of ours: asyncio's own start_server() logs a traceback for each
client that resets, which slows the acceptance of connections tenfold.
"""

from asyncio import StreamReader, StreamReaderProtocol, StreamWriter
from contextlib import suppress

from activator.journal import journal
from activator.serving.report import exit_status, failure, is_about_client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from socket import socket

    from activator.serving.handlers import Route


async def converse(route: "Route", sock: "socket", loop: "AbstractEventLoop") -> int:
    """Call the handler with the connection's streams, flush them and close it afterwards.

    A client that leaves early costs nothing. Any other exception is the handler's bug: one
    record on stderr. When cancelled, it closes without flushing.

    Returns:
        The handler's status: 1 after a bug, what it gave to sys.exit() if it did, else 0.
    """
    if journal.is_on:
        journal.about.set((route.listener, sock))
    reader = StreamReader(loop=loop)
    protocol = StreamReaderProtocol(reader, loop=loop)
    status = 0
    transport = None
    try:
        try:
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock)
            writer = StreamWriter(transport, protocol, reader, loop)
            await route.handler(reader, writer)
        except Exception as error:  # noqa: BLE001 - a handler may fail in any way
            if not is_about_client(error, sock):
                failure(f"{route} failed", error, skip=1)
                status = 1
        except SystemExit as error:
            status = exit_status(error)
        if transport:
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
