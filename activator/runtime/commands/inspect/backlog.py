"""Tell what waits on a descriptor, and how much can: connections, messages or bytes."""

import fcntl
import struct
import termios
from socket import SOL_SOCKET

from activator.common.queue_length import queue_length

TYPE_CHECKING = False
if TYPE_CHECKING:
    from activator.runtime.listener import Listener

    # How many wait, how many can (0 if that is not known), and of what.
    Backlog = tuple[int, int, str]

CONNECTIONS, MESSAGES, BYTES = "connections", "messages", "bytes"
SO_MEMINFO = 55


def backlog(listener: "Listener") -> "Backlog | None":
    """Return what waits, or None where the kernel does not tell."""
    try:
        if listener.kind in ("stream", "seqpacket"):
            found = queue_length(listener.socket())
            return found and (*found, CONNECTIONS)
        if listener.kind == "mqueue":
            from activator.runtime.serving.queues import attributes  # noqa: PLC0415 - loads ctypes

            queue = attributes(listener.fd)
            return queue.curmsgs, queue.maxmsg, MESSAGES
        if listener.kind == "fifo":
            return _unread(listener.fd), fcntl.fcntl(listener.fd, fcntl.F_GETPIPE_SZ), BYTES
        if listener.kind == "connection":
            return _unread(listener.fd), 0, BYTES
        if listener.family is not None:
            used, most = struct.unpack(
                "@II", listener.socket().getsockopt(SOL_SOCKET, SO_MEMINFO, 8)
            )
            return used, most, BYTES
    except OSError:
        pass
    return None


def _unread(fd: int) -> int:
    return int(struct.unpack("@i", fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))[0])
