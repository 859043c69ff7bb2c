"""A chat over WebSocket: what one client says is sent to all others.

Made with the protocol of the ``websockets`` library that does no input and output by itself.
When the service drains, every client is told that the server goes away, status 1001, and
connects again to the next process. So it is at a hand-over too: those who stayed would not hear
those who come.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import cast

from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

import activator

# What may wait to be sent to a client, in bytes; a slower one is left behind.
BEHIND = 1 << 20
LONGEST = 1 << 16
# How long a client may take to answer that it has heard of the end, in seconds.
FAREWELL = 2.0


class Member(asyncio.Protocol):
    """One client.

    Args:
        members: All clients of the chat.
    """

    def __init__(self, members: "set[Member]") -> None:
        self._members = members
        self._socket = ServerProtocol(max_size=LONGEST)
        self._said = bytearray()
        self._ended = False
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the client's handshake."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        """Take frames."""
        self._socket.receive_data(data)
        for event in self._socket.events_received():
            if isinstance(event, Request):
                self._socket.send_response(self._socket.accept(event))
                self._members.add(self)
            elif isinstance(event, Frame):
                self._take(event)
        self._send()

    def eof_received(self) -> None:
        """Note that the client has sent its last."""
        self._socket.receive_eof()
        self._send()

    def connection_lost(self, _: Exception | None) -> None:
        """Leave."""
        self._members.discard(self)

    def hear(self, text: bytes) -> None:
        """Send the client what another has said."""
        if self._transport.get_write_buffer_size() > BEHIND:
            self._transport.abort()
        elif not self._transport.is_closing():
            self._socket.send_text(text)
            self._send()

    def dismiss(self) -> None:
        """Tell the client that the server goes away."""
        self._members.discard(self)
        self._socket.send_close(CloseCode.GOING_AWAY)
        self._send()

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:  # answered already, if it was not an answer
            self._members.discard(self)
            self._ended = True
        if frame.opcode not in (Opcode.TEXT, Opcode.CONT):
            return
        self._said += frame.data
        if frame.fin:
            said, self._said = bytes(self._said), bytearray()
            for other in list(self._members - {self}):
                other.hear(said)

    def _send(self) -> None:
        for data in self._socket.data_to_send():
            if data:
                self._transport.write(data)
            else:  # the library's word for the end
                self._ended = True
        if self._ended:
            self._transport.close()
        elif self._socket.close_expected():
            asyncio.get_running_loop().call_later(FAREWELL, self._transport.close)


@asynccontextmanager
async def chat() -> AsyncIterator[Callable[[], Member]]:
    """Give what makes a member of each client, and dismiss all of them at the end."""
    members: set[Member] = set()

    async def end() -> None:
        await activator.draining
        for member in list(members):
            member.dismiss()

    ending = asyncio.create_task(end())
    try:
        yield partial(Member, members)
    finally:
        ending.cancel()
