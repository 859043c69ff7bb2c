"""Handlers for bench/serve.py, and the bare asyncio servers that they are compared on.

Run as ``python peers.py HANDLER LOOP`` it serves descriptor 3 as the asyncio documentation does.
"""

import asyncio
import signal
import socket
import sys
from typing import cast


class Echo(asyncio.Protocol):
    """Send back all that comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        self.transport.write(data)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back all that comes."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def main(handler: str) -> None:
    """Serve until SIGTERM."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, over.set)
    listener = socket.socket(fileno=3)
    listener.setblocking(False)
    if handler == "Echo":
        await loop.create_server(Echo, sock=listener, backlog=1024)
    else:
        await asyncio.start_server(echo, sock=listener, backlog=1024)
    await over.wait()


if __name__ == "__main__":
    if sys.argv[2] == "uvloop":
        import uvloop

        uvloop.install()
    asyncio.run(main(sys.argv[1]))
