"""Receive from a POSIX message queue, mq_overview(7)."""

import ctypes
import errno
import os

from activator.runtime.serving.accept import BrokenListenerError
from activator.runtime.serving.message import Message
from activator.runtime.serving.report import Rarely

TYPE_CHECKING = False
if TYPE_CHECKING:
    from activator.runtime.listen import Listener
    from activator.runtime.serving.message import MessageHandler

# There is none for now: the time to wait, which is over, has passed.
PASSING = frozenset({errno.EAGAIN, errno.EINTR, errno.ETIMEDOUT})


class Attributes(ctypes.Structure):
    """``struct mq_attr`` of mq_getattr(3)."""

    _fields_ = (
        ("flags", ctypes.c_long),
        ("maxmsg", ctypes.c_long),
        ("msgsize", ctypes.c_long),
        ("curmsgs", ctypes.c_long),
        ("pad", ctypes.c_long * 4),
    )


def attributes(fd: int) -> Attributes:
    """Return how long a queue and its messages may be, and how many wait.

    Raises:
        OSError: It is no message queue.
    """
    found = Attributes()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mq_getattr(fd, ctypes.byref(found)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return found


class Queue:
    """A message queue; it does not own it.

    The service manager opens it for reading only, so that there are no answers. Its own
    limit, MessageQueueMessageSize=, says how long a message can be.

    Args:
        listener: The queue's descriptor.
    """

    def __init__(self, listener: "Listener") -> None:
        self.listener = listener
        self._libc = ctypes.CDLL(None, use_errno=True)
        size = attributes(listener.fd).msgsize
        self._buffer = ctypes.create_string_buffer(size)
        self._view = memoryview(self._buffer)
        self._priority = ctypes.c_uint()
        self._no_answer = Rarely()
        # The time by which it gives up: the beginning of 1970.
        self._now = (ctypes.c_long * 2)(0, 0)

    def receive(self) -> Message | None:
        """Return the next message, the oldest one of the highest priority; None if none waits.

        Raises:
            BrokenListenerError: Never come back; its text says why.
        """
        length = self._libc.mq_timedreceive(
            self.listener.fd,
            self._buffer,
            ctypes.c_size_t(len(self._buffer)),
            ctypes.byref(self._priority),
            self._now,
        )
        if length < 0:
            number = ctypes.get_errno()
            if number in PASSING:
                return None
            raise BrokenListenerError(
                f"cannot receive on {self.listener} any more: {os.strerror(number)}"
            )
        message = Message(self._view[:length])
        message.channel = self
        message.priority = self._priority.value
        return message

    def hand(self, message: Message, handler: "MessageHandler") -> bytes | None:
        """Call a handler with a message and its priority."""
        return handler(message, message.priority)

    def answer(self, data: bytes, message: Message) -> None:
        """Say, now and then, that there is nowhere to send an answer to."""
        del data, message
        self._no_answer.line(f"cannot answer on {self.listener}: a queue goes one way only")
