"""Serve a FIFO or a special file with a plain handler, ``def h(stream)``.

There are no connections: one call can last as long as the service. It ends when the handler
returns, and the next one begins when there is more to read.

    reading    the handler waits for more, or works on what it has read
    draining   after the signal nothing more is read: at the end of what was, the stream ends
    over       the handler has returned

What was not read stays in the kernel for the next process. Nothing is torn by that: all that a
FIFO holds is read at once, and a writer's line is in there as a whole, or not at all (pipe(7),
PIPE_BUF). So several processes can read one, each some of the lines.
"""

import io
import os
from select import POLLIN, POLLOUT, epoll, poll
from time import monotonic

from activator.runtime.serving.draining import draining
from activator.runtime.serving.report import outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import ReadableBuffer, WriteableBuffer

    from activator.runtime.listen import Listener
    from activator.runtime.serving.route import Route
    from activator.runtime.serving.threads.pool import Pool

# How much to read at once: a FIFO holds 64 K, or PipeSize=.
SIZE = 65536
F_GETPIPE_SZ = 1032  # Python's fcntl has it, and would cost a module


def size_of(fd: int) -> int:
    """Return how many bytes to read so as to get all that waits."""
    import fcntl  # noqa: PLC0415 - rarely needed

    try:
        return max(fcntl.fcntl(fd, F_GETPIPE_SZ), SIZE)
    except OSError:
        return SIZE


def can_be_watched(fd: int) -> bool:
    """Tell whether the kernel says when there is something to read: not of a regular file."""
    with epoll() as watching:
        try:
            watching.register(fd, POLLIN)
        except PermissionError:
            return False
    return True


class Device(io.RawIOBase):
    """A special file for a handler: each ``read()`` is one read(2), as devices want it.

    Reading waits for data, and gives the end when the service drains. ``write()`` is for
    Writable=yes. Closing it leaves the descriptor open.

    Attributes:
        reads: How often something was read.
        given: How many bytes that were given to the stream.
        used: When something was read last, as time.monotonic().
        at_end: Whether the file itself is at its end.
    """

    def __init__(self, listener: "Listener") -> None:
        self.name = listener.address
        self.reads = self.given = 0
        self.used = 0.0
        self.at_end = False
        self._fd = listener.fd
        self._waiting = poll()
        self._waiting.register(self._fd, POLLIN)
        self._waiting.register(draining, POLLIN)

    def readable(self) -> bool:
        """Return that it can be read from."""
        return True

    def writable(self) -> bool:
        """Return that writing can be tried: the descriptor knows."""
        return True

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._fd

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Read once, and return how many bytes that gave; 0 is the end."""
        count = self._read(lambda: os.readv(self._fd, [buffer]))
        self.given += count
        return count

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write once, and return how many bytes that took."""
        while True:
            try:
                return os.write(self._fd, data)
            except BlockingIOError:
                room = poll()
                room.register(self._fd, POLLOUT)
                room.poll()

    def _read(self, once: "Callable[[], int]") -> int:
        while not draining.is_set():
            try:
                count = once()
            except BlockingIOError:
                self._waiting.poll()
                continue
            self.at_end = not count
            self.reads += bool(count)
            self.used = monotonic()
            return count
        return 0


class Fifo(Device):
    """A FIFO for a buffered reader: it reads all that waits, and then gives as much as asked."""

    def __init__(self, listener: "Listener") -> None:
        super().__init__(listener)
        self._buffer = bytearray(size_of(self._fd))
        self._whole = memoryview(self._buffer)
        self._left = self._whole[:0]
        self._may_wait = True

    def writable(self) -> bool:
        """Return that a service only reads it."""
        return False

    def readinto(self, buffer: "WriteableBuffer", /) -> int | None:  # type: ignore[override]
        """Give what is left of the last read, or read again."""
        if not self._left:
            if not self._may_wait:
                return None
            self._left = self._whole[: self._read(lambda: os.readv(self._fd, [self._buffer]))]
        with memoryview(buffer).cast("B") as target:
            count = min(len(target), len(self._left))
            target[:count] = self._left[:count]
        self._left = self._left[count:]
        self.given += count
        return count

    def rest_of(self, stream: io.BufferedReader) -> int:
        """Return how many bytes were given to a stream that the handler has not taken."""
        self._may_wait = False
        try:
            return len(stream.peek())
        finally:
            self._may_wait = True


class File:
    """A FIFO or special file, and the handler that reads it.

    To the services it is like an :class:`~activator.runtime.serving.threads.messages.Messages`.

    Attributes:
        count: How many times something was read in the last call.
        scarce: Why there is to be a pause before the next one; else empty.
        broken: Why there can be no next one; else empty.
        over: Whether the file is at its end.
        is_lasting: True: the call goes on while there is nothing to do.
    """

    is_lasting = True

    def __init__(self, route: "Route") -> None:
        self.count = 0
        self.scarce = self.broken = ""
        self.over = False
        self._route = route
        fd = route.listener.fd
        # The flag is shared with the service manager's copy, which wants it so too.
        os.set_blocking(fd, False)
        self._make = Fifo if route.listener.kind == "fifo" else Device
        self.can_be_watched = can_be_watched(fd)
        self._open()

    @property
    def used(self) -> float:
        """When something was read last, as time.monotonic()."""
        return self._raw.used

    def submit(self, pool: "Pool", freed: "Callable[[File], object]") -> None:
        """Have the handler called; then ``freed`` is called, in the thread."""
        self.count = 0
        self.scarce = self.broken = ""
        pool.run(self, self._serve, str(self._route), lambda: freed(self), is_lasting=True)

    def _open(self) -> None:
        self._raw: Device | Fifo = self._make(self._route.listener)
        self._stream: io.BufferedReader | Device = self._raw
        if isinstance(self._raw, Fifo):
            self._stream = io.BufferedReader(self._raw, SIZE)

    def _serve(self) -> None:
        while True:
            if self._stream.closed:
                self._open()
            reads, taken = self._raw.reads, self._raw.given - self._rest()
            self._call()
            self.count += self._raw.reads - reads
            self.over = self._raw.at_end
            rest = self._rest()
            if not self.over and self._raw.given - rest == taken:
                # Called again at once, it would leave it unread again.
                self.scarce = f"{self._route} leaves unread what waits there"
                return
            if not rest:
                return

    def _rest(self) -> int:
        raw, stream = self._raw, self._stream
        if stream.closed or not (isinstance(raw, Fifo) and isinstance(stream, io.BufferedReader)):
            return 0
        return raw.rest_of(stream)

    def _call(self) -> None:
        try:
            self._route.handler(self._stream)
        except BaseException as error:  # noqa: BLE001 - a handler may fail in any way
            outcome(error, self._route)
