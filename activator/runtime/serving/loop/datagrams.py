"""Serve a datagram socket with an ``asyncio.DatagramProtocol`` class.

The transport is our own: the loops' own ones answer from whatever address the kernel chooses,
cannot stop reading and leave the rest to the next process, and cut long messages silently.
"""

import asyncio
from collections import deque
from socket import AF_UNIX, MSG_DONTWAIT

from activator.runtime.serving.accept import PAUSE, BrokenListenerError, ScarceError
from activator.runtime.serving.message import Message
from activator.runtime.serving.receive import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from activator.runtime.serving.receive import Ancillary

# How many messages to take before others have their turn.
BATCH = 64
# Of how many senders to remember the address that they wrote to.
SENDERS = 4096
# How many bytes may wait to be sent before the protocol is asked to pause, and to go on.
HIGH, LOW = 65536, 16384
# How many may wait at most, what a message takes besides its bytes; further ones are dropped.
MOST = 16 * HIGH
EXTRA = 128
# How often to try again to send to a Unix client that does not read, and for how long, in seconds.
AGAIN = 0.05
PATIENCE = 5.0


class Transport(asyncio.DatagramTransport):
    """Between one listener and one protocol; it leaves the socket open.

    Args:
        channel: The datagram socket.
        protocol: Gets a :class:`activator.Message` for each datagram.
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
        # An internet socket has one queue for all. That of a Unix socket is at the receiver, and
        # poll(2) calls the socket writable whoever's is full: so each receiver has one here.
        self._is_unix = channel.socket.family == AF_UNIX
        self._queues: dict[object, _Queue] = {}
        self._queued = 0
        self._timer: asyncio.TimerHandle | None = None
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
        message = bytes(data), addr
        if self._key(addr) in self._queues or not self._send(*message):
            self._enqueue(*message)

    def close(self) -> None:
        """Stop reading; what waits to be sent still leaves."""
        if not self._closing:
            self._closing = True
            self.pause_reading()
            if not self._queues:
                self._loop.call_soon(self._end, None)

    def abort(self) -> None:
        """Stop at once; what waits to be sent is lost."""
        self._queues.clear()
        self._queued = 0
        self._wait()
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
            self._tell("datagram_received", message, message.sender)
        self._traffic(count)

    def _tell(self, what: str, *arguments: "Any") -> None:
        """Call a method of the protocol's, which may fail in any way."""
        try:
            getattr(self._protocol, what)(*arguments)
        except BaseException as error:  # noqa: BLE001 - sys.exit() too ends no service
            text = f"{what}() failed on {self._channel.listener}"
            self._loop.call_exception_handler({"message": text, "exception": error})

    def _remember(self, message: Message) -> None:
        self._sources.pop(message.sender, None)
        if len(self._sources) >= SENDERS:
            del self._sources[next(iter(self._sources))]
        self._sources[message.sender] = list(message.source)

    def _send(self, data: bytes, addr: object) -> bool:
        """Send, or return False if there is no room for now."""
        unread = self._channel.unread
        if unread and not unread.allows(addr):
            return False
        try:
            self._channel.socket.sendmsg([data], self._sources.get(addr, ()), MSG_DONTWAIT, addr)  # type: ignore[arg-type]
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            self._tell("error_received", error)
        else:
            if unread:
                unread.sent(addr, len(data))
        return True

    def _key(self, addr: object) -> object:
        return addr if self._is_unix else None

    def _enqueue(self, data: bytes, addr: object) -> None:
        key = self._key(addr)
        size = len(data) + EXTRA
        queue = self._queues.get(key)
        most = HIGH if self._is_unix else MOST
        if self._queued + size > MOST or (queue and queue.size + size > most):
            return  # as any datagram may be lost
        if queue is None:
            queue = self._queues[key] = _Queue(self._loop.time() + PATIENCE)
        queue.messages.append((data, addr))
        queue.size += size
        self._queued += size
        # Where one client does not read, the others are not to wait.
        if self._queued > HIGH and not (self._paused or self._is_unix):
            self._paused = True
            self._tell("pause_writing")
        self._wait()

    def _flush(self) -> None:
        self._timer = None
        now = self._loop.time()
        for key, queue in list(self._queues.items()):
            if self._gone:
                return
            while queue.messages and self._send(*queue.messages[0]):
                size = len(queue.messages.popleft()[0]) + EXTRA
                queue.size -= size
                self._queued -= size
                queue.until = now + PATIENCE
            if not queue.messages or (self._is_unix and queue.until <= now):
                self._queued -= queue.size
                self._queues.pop(key, None)
        if self._paused and self._queued <= LOW:
            self._paused = False
            self._tell("resume_writing")
        self._wait()
        if not self._queues and self._closing:
            self._end(None)

    def _wait(self) -> None:
        """Have what waits sent later, if anything does."""
        if self._is_unix:
            if self._queues and not self._timer:
                self._timer = self._loop.call_later(AGAIN, self._flush)
        elif self._queues:
            self._loop.add_writer(self._channel.socket, self._flush)
        else:
            self._loop.remove_writer(self._channel.socket)

    def _end(self, error: Exception | None) -> None:
        if not self._gone:
            self._gone = True
            self._tell("connection_lost", error)


class _Queue:
    """What waits to be sent.

    Attributes:
        messages: The messages and their receivers.
        size: How much they take, in bytes.
        until: When to give up, in the loop's time.
    """

    __slots__ = ("messages", "size", "until")

    def __init__(self, until: float) -> None:
        self.messages: deque[tuple[bytes, object]] = deque()
        self.size = 0
        self.until = until
