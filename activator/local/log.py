"""Write the log so that nobody who reads it, or ceases to, holds up what is run.

A file or a terminal is written as ever. A pipe or a socket is written without waiting, and what
it does not take is kept for later, in order::

    FLOWING --the pipe is full--> BEHIND: what comes is kept
    BEHIND --much is kept--> HELD: services' output is left in their pipes, so that whoever
        writes too much waits, as with the journal, and no line is lost
    HELD --nothing is taken for a while--> STALLED: their output is read again, so that they go
        on; what is more than the bound is dropped, and counted
    STALLED --something is taken--> HELD
    BEHIND, HELD --nearly all is written--> FLOWING, with a line on how many were dropped

Nothing is set on the descriptors that we were given, which others may share: a pipe is opened
once more (proc(5), /proc/PID/fd), and a socket is told with each write not to wait.
"""

import asyncio
import errno
import os
import select
import socket
import stat
import time
from collections.abc import Callable
from typing import Protocol, TextIO

_MOST = 1 << 20  # bytes that are kept
_HIGH = 1 << 18  # above this, services wait
_LOW = 1 << 16  # below this, all is well again
_CHUNK = 65536
_PATIENCE = 1.0  # seconds without a byte taken, after which nobody waits for the reader
_LAST = 10.0  # seconds for the rest, at the end
_GONE = (errno.EPIPE, errno.ECONNRESET)


class Valve(Protocol):
    """What lets services' output in, or leaves it in its pipes."""

    def hold(self, reason: object) -> None:
        """Leave it there, for one of perhaps several reasons."""

    def release(self, reason: object) -> None:
        """Let it in again, unless there is another reason."""


class Log:
    """What is written to one descriptor, in place of a text stream on it.

    Args:
        stream: The stream; it, and its descriptor, stay the caller's.
        form: Makes the line that says something of the log itself.

    Attributes:
        broken: Whether the reader has gone; then everything is dropped.
        on_broken: Called when that is found out.
        on_failed: Called with what to say, elsewhere, when it cannot be written for now.
    """

    def __init__(self, stream: TextIO, form: Callable[[str], str] = "{}\n".format) -> None:
        stream.flush()
        self._stream = stream
        self._form = form
        self._encoding = stream.encoding or "utf-8"
        self._writer = _writer(stream.fileno())
        self._kept = bytearray()
        self._dropped = 0
        self._failing = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._valve: Valve | None = None
        self._watching = False
        self._timer: asyncio.TimerHandle | None = None
        self.broken = False
        self.on_broken: Callable[[], None] = lambda: None
        self.on_failed: Callable[[str], None] = lambda _: None

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return self._stream.isatty()

    def write(self, text: str) -> int:
        """Write a whole line: now, if that is possible without waiting."""
        data = text.encode(self._encoding, "backslashreplace")
        if self.broken:
            pass
        elif self._dropped and not self._failing:
            self._dropped += 1
        elif self._kept:
            self._keep(data)
        elif rest := self._put(data):
            self._keep(rest)
        return len(text)

    def flush(self) -> None:
        """Do nothing: what could be written has been."""

    def attach(self, loop: asyncio.AbstractEventLoop, valve: Valve) -> None:
        """Write what is kept when there is room, while a loop runs."""
        self._loop, self._valve = loop, valve
        if self._kept:
            self._watch()

    def finish(self, seconds: float = 0.0) -> None:
        """Write what is kept, without a loop, as long as the reader takes something.

        Args:
            seconds: The most that it may take; 0 for no limit of the caller's.
        """
        self._calm()
        self._loop = self._valve = None
        end = time.monotonic() + min(seconds or _LAST, _LAST)
        poll = select.poll()
        poll.register(self._writer.descriptor, select.POLLOUT)
        while self._kept and (left := min(_PATIENCE, end - time.monotonic())) > 0:
            if not poll.poll(left * 1000):
                break
            self._on_room()
        self._writer.close()

    # --- inside ------------------------------------------------------------------------

    def _put(self, data: bytes) -> bytes:
        """Write as much as is taken now; return the rest."""
        failing, self._failing = self._failing, 0
        try:
            while data:
                data = data[self._writer.write(data) :]
        except BlockingIOError:
            return data
        except OSError as error:
            self._failed(error, failing)
            return b""
        if failing:
            self._tell(os.strerror(failing))
        return b""

    def _failed(self, error: OSError, before: int) -> None:
        """Take note that a line is lost, or that all will be."""
        self._kept.clear()
        self._calm()
        if error.errno in _GONE:
            self.broken = True
            self.on_broken()
            return
        self._dropped += 1
        self._failing = error.errno or errno.EIO
        # Where it was closed from the start, nobody wants it.
        if not before and self._failing != errno.EBADF:
            self.on_failed(f"cannot write the log: {error.strerror}; lines are dropped until I can")

    def _tell(self, why: str) -> None:
        """Say how many lines are missing here."""
        count, self._dropped = self._dropped, 0
        self.write(self._form(f"{count} line{'s' * (count != 1)} dropped here: {why}"))

    def _keep(self, data: bytes) -> None:
        """Keep what is to be written later, within the bound."""
        if self._kept and len(self._kept) + len(data) > _MOST:
            self._dropped = 1
            return
        self._kept += data
        if self._loop is not None:
            self._watch()

    def _watch(self) -> None:
        """Wait for room, and hold the services if there is much to be written."""
        assert self._loop is not None  # noqa: S101 - the callers have looked
        if not self._watching:
            self._watching = True
            self._loop.add_writer(self._writer.descriptor, self._on_room)
        if len(self._kept) > _HIGH and self._timer is None:
            self._hold()

    def _on_room(self) -> None:
        """Write of what is kept as much as is taken."""
        piece = bytes(self._kept[:_CHUNK])
        taken = len(piece) - len(self._put(piece))
        del self._kept[:taken]  # of nothing, if it has failed
        if len(self._kept) > _LOW or (self._kept and self._dropped):
            if taken and self._timer is not None:
                self._hold()
            return
        self._let_go()
        if not self._kept:
            self._calm()
            if self._dropped and not self._failing:
                self._tell("nobody has read them")

    def _hold(self) -> None:
        """Let services wait for the reader, but not for ever."""
        if self._loop is None or self._valve is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._valve.hold(self)
        self._timer = self._loop.call_later(_PATIENCE, self._valve.release, self)

    def _let_go(self) -> None:
        """Let services write again."""
        if self._timer is not None and self._valve is not None:
            self._timer.cancel()
            self._timer = None
            self._valve.release(self)

    def _calm(self) -> None:
        """Wait for nothing, and let nobody wait."""
        self._let_go()
        if self._watching and self._loop is not None:
            self._loop.remove_writer(self._writer.descriptor)
        self._watching = False


class _Plain:
    """Writes to a file, a terminal or a device, which may wait.

    Attributes:
        descriptor: What is written to; it stays the caller's.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def write(self, data: bytes) -> int:
        """Write; return how much was written.

        Raises:
            BlockingIOError: There is no room now.
            OSError: It cannot be written.
        """
        while True:
            try:
                return os.write(self.descriptor, data)
            except BlockingIOError:
                # Somebody who shares it has set O_NONBLOCK.
                select.select([], [self.descriptor], [])

    def close(self) -> None:
        """Close what is our own."""


class _Pipe(_Plain):
    """Writes to a pipe that it has opened once more, so that O_NONBLOCK is its own."""

    def __init__(self, descriptor: int) -> None:
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC
        super().__init__(os.open(f"/proc/self/fd/{descriptor}", flags))

    def write(self, data: bytes) -> int:
        return os.write(self.descriptor, data)

    def close(self) -> None:
        os.close(self.descriptor)


class _OthersPipe(_Plain):
    """Writes to a pipe that may not be opened: another user has made it."""

    def write(self, data: bytes) -> int:
        poll = select.poll()
        poll.register(self.descriptor, select.POLLOUT)
        if not poll.poll(0):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        # So much fits whenever there is any room.
        return os.write(self.descriptor, data[: select.PIPE_BUF])


class _Socket(_Plain):
    """Writes to a stream socket."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self._sock = socket.socket(fileno=os.dup(descriptor))
        self.streams = self._sock.type == socket.SOCK_STREAM

    def write(self, data: bytes) -> int:
        return self._sock.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)

    def close(self) -> None:
        self._sock.close()


def _writer(descriptor: int) -> _Plain:
    """Return what writes to a descriptor, by its kind."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(mode):
        try:
            return _Pipe(descriptor)
        except OSError:
            return _OthersPipe(descriptor)
    if stat.S_ISSOCK(mode):
        sock = _Socket(descriptor)
        if sock.streams:
            return sock
        sock.close()
    return _Plain(descriptor)


def logs(out: TextIO, err: TextIO, form: Callable[[str], str] = "{}\n".format) -> tuple[Log, Log]:
    """Return the logs of both streams, one if they lead to the same pipe, to keep the order.

    Args:
        out: Standard output.
        err: Standard error.
        form: See :class:`Log`, for standard output.
    """
    first = Log(out, form)
    one, other = (os.fstat(stream.fileno()) for stream in (out, err))
    same = (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
    queues = stat.S_ISFIFO(one.st_mode) or stat.S_ISSOCK(one.st_mode)
    if same and queues:
        return first, first
    second = Log(err)

    def tell(text: str) -> None:
        second.write(f"{text}\n")

    first.on_failed = tell
    return first, second
