"""Accept one connection, and sort the errors of accept(2) by what to do about them."""

import errno
from os import close
from select import POLLIN, poll
from socket import SOCK_SEQPACKET, SOCK_STREAM, socket

from activator.runtime.serving.memory import NO_MEMORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from activator.runtime.listen import Listener

# How long to leave a listener alone when descriptors or memory have run out, in seconds.
PAUSE = 0.1

MORE_THREADS = "a higher TasksMax=, LimitNPROC= or LimitAS= would help"
SCARCE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# Errors of the connection, not of the listener: accept(2) says to treat them like EAGAIN.
# EPERM is a firewall's.
PASSING = frozenset(
    {
        errno.EAGAIN,
        errno.ECONNABORTED,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EINTR,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENONET,
        errno.ENOPROTOOPT,
        errno.EOPNOTSUPP,
        errno.EPERM,
        errno.EPROTO,
        errno.ETIMEDOUT,
    }
)


def anything_waits(fds: "Iterable[int]") -> bool:
    """Tell whether a connection or message waits at any of these descriptors."""
    waiting = poll()
    for fd in fds:
        waiting.register(fd, POLLIN)
    return bool(waiting.poll(0))


class ScarceError(Exception):
    """Descriptors or memory have run out: wait for :data:`PAUSE` before the next accept."""


class BrokenListenerError(Exception):
    """The listener can accept no more, now and later."""


def accept(
    sock: socket, listener: "Listener", make: "Callable[[int, int, int, int], socket]" = socket
) -> "tuple[socket, Any] | None":
    """Accept one connection from a non-blocking listener.

    Args:
        sock: The listener's socket.
        listener: The listener.
        make: Makes the connection's socket: of its family, type, protocol and descriptor.

    Returns:
        The connection, which the caller closes, and where it comes from, as socket.accept()
        has it; None if there is none for now.

    Raises:
        ScarceError: Come back later; its text says why.
        BrokenListenerError: Never come back; its text says why.
    """
    try:
        # As socket.accept() does, which makes enumerations of the first two each time anew.
        fd, peer = sock._accept()  # type: ignore[attr-defined]  # noqa: SLF001
    except OSError as error:
        sort_out(error, listener)
        return None
    except MemoryError:
        raise ScarceError(no_memory(listener)) from None
    kind = SOCK_SEQPACKET if listener.kind == "seqpacket" else SOCK_STREAM
    try:
        return make(listener.family or -1, kind, sock.proto, fd), peer
    except MemoryError:
        close(fd)
        raise ScarceError(no_memory(listener)) from None


def no_memory(listener: "Listener") -> str:
    """Return the reason for a pause when there was no memory for a connection."""
    return f"cannot accept on {listener} for now: {NO_MEMORY}"


def sort_out(error: OSError, listener: "Listener") -> None:
    """Say what an error of accept(2) means, or nothing if it passes by itself.

    Raises:
        ScarceError: Come back later; its text says why.
        BrokenListenerError: Never come back; its text says why.
    """
    if error.errno in PASSING:
        return
    if error.errno in SCARCE:
        raise ScarceError(
            f"cannot accept on {listener} for now: {error.strerror}; "
            "a higher LimitNOFILE= or fewer connections would help"
        ) from None
    raise BrokenListenerError(
        f"cannot accept on {listener} any more: {error.strerror}; "
        "has a process that shares this socket called shutdown() on it?"
    ) from None
