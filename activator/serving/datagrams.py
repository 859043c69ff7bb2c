"""Serve a datagram socket with an ``asyncio.DatagramProtocol`` class.

The transport is our own: the loops' own ones answer from whatever address the kernel chooses,
cannot stop reading and leave the rest to the next process, and cut long messages silently.
"""

import asyncio
from collections import deque

from activator.serving.accept import PAUSE, BrokenListenerError, ScarceError
from activator.serving.messages import Channel, Message

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from activator.serving.messages import Ancillary

# How many messages to take before others have their turn.
BATCH = 64
# Of how many senders to remember the address that they wrote to.
SENDERS = 4096
# How many bytes may wait to be sent before the protocol is asked to pause, and to go on.
HIGH, LOW = 65536, 16384


class Transport(asyncio.DatagramTransport):
    """Between one listener and one protocol; it leaves the socket open.

    Args:
        channel: The datagram socket.
        protocol: Gets a :class:`~activator.serving.messages.Message` for each datagram.
        loop: The event loop.
        traffic: Called after each batch of messages, with their number.
        broken: Called with the reason when nothing can be received any more.
    """

    def __init__(
        self,
        channel: Channel,
        protocol: asyncio.DatagramProtocol,
        loop: asyncio.AbstractEventLoop,
        *,
        traffic: "Callable[[int], object]",
        broken: "Callable[[str], object]",
    ) -> None:
        super().__init__(
            {"socket": channel.socket, "sockname": channel.socket.getsockname(), "peername": None}
        )
        self._channel = channel
        self._protocol: Any = protocol
        self._loop = loop
        self._traffic = traffic
        self._broken = broken
        self._sources: dict[object, Ancillary] = {}
        self._queue: deque[tuple[bytes, object]] = deque()
        self._queued = 0
        self._paused = False
        self._reading = False
        self._closing = False
        self._gone = False

    # What the service calls.

    def begin(self) -> None:
        """Introduce the protocol, and read."""
        self._protocol.connection_made(self)
        self.resume_reading()

    def pause_reading(self) -> None:
        """Leave messages in the kernel's queue."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._channel.socket)

    def resume_reading(self) -> None:
        """Take messages from the kernel's queue again."""
        if not self._reading and not self._closing:
            self._reading = True
            self._loop.add_reader(self._channel.socket, self._read)

    # What the protocol calls.

    def sendto(self, data: "Any", addr: "Any | None" = None) -> None:
        """Send a datagram, from the address that the receiver has last written to."""
        if self._gone:
            return
        if self._queue or not self._send(bytes(data), addr):
            self._enqueue(bytes(data), addr)

    def close(self) -> None:
        """Stop reading; what waits to be sent still leaves."""
        if not self._closing:
            self._closing = True
            self.pause_reading()
            if not self._queue:
                self._loop.call_soon(self._end, None)

    def abort(self) -> None:
        """Stop at once; what waits to be sent is lost."""
        self._queue.clear()
        self._loop.remove_writer(self._channel.socket)
        self._closing = True
        self.pause_reading()
        self._end(None)

    def is_closing(self) -> bool:
        """Tell whether close() or abort() was called."""
        return self._closing

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        return self._protocol  # type: ignore[no-any-return]

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Serve another protocol from now on."""
        self._protocol = protocol

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait to be sent."""
        return self._queued

    # Its own steps.

    def _read(self) -> None:
        count = 0
        for _ in range(BATCH):
            if not self._reading:
                break
            try:
                message = self._channel.receive()
            except ScarceError:
                self.pause_reading()
                self._loop.call_later(PAUSE, self.resume_reading)
                break
            except BrokenListenerError as error:
                self.pause_reading()
                self._broken(str(error))
                break
            if message is None:
                break
            count += 1
            if message.source:
                self._remember(message)
            try:
                self._protocol.datagram_received(message, message.sender)
            except Exception as error:  # noqa: BLE001 - a protocol may fail in any way
                self._loop.call_exception_handler(
                    {
                        "message": f"datagram_received() failed on {self._channel.listener}",
                        "exception": error,
                    }
                )
        self._traffic(count)

    def _remember(self, message: Message) -> None:
        self._sources.pop(message.sender, None)
        if len(self._sources) >= SENDERS:
            del self._sources[next(iter(self._sources))]
        self._sources[message.sender] = list(message.source)

    def _send(self, data: bytes, addr: object) -> bool:
        """Send, or return False if there is no room for now."""
        try:
            self._channel.socket.sendmsg([data], self._sources.get(addr, ()), 0, addr)  # type: ignore[arg-type]
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            self._protocol.error_received(error)
        return True

    def _enqueue(self, data: bytes, addr: object) -> None:
        if not self._queue:
            self._loop.add_writer(self._channel.socket, self._flush)
        self._queue.append((data, addr))
        self._queued += len(data)
        if self._queued > HIGH and not self._paused:
            self._paused = True
            self._protocol.pause_writing()

    def _flush(self) -> None:
        while self._queue and self._send(*self._queue[0]):
            self._queued -= len(self._queue.popleft()[0])
        if self._paused and self._queued <= LOW:
            self._paused = False
            self._protocol.resume_writing()
        if not self._queue:
            self._loop.remove_writer(self._channel.socket)
            if self._closing:
                self._end(None)

    def _end(self, error: Exception | None) -> None:
        if not self._gone:
            self._gone = True
            self._protocol.connection_lost(error)
