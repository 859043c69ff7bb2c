"""POSIX message queues, which Python does not know: mq_open(3) by ctypes.

A queue's descriptor is one of the kernel's, and can be polled and passed like any other.
"""

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


class _Attributes(ctypes.Structure):
    """struct mq_attr."""

    _fields_ = [
        ("flags", ctypes.c_long),
        ("most", ctypes.c_long),
        ("size", ctypes.c_long),
        ("current", ctypes.c_long),
        ("reserved", ctypes.c_long * 4),
    ]


def create(name: str, mode: int, most: int = 0, size: int = 0) -> int:
    """Open a queue for reading, and make it if there is none.

    Args:
        name: Its name, which begins with ``/``.
        mode: The access mode, which the umask cuts.
        most: How many messages it holds; counts with size alone.
        size: The longest message in bytes; counts with most alone.

    Returns:
        Its descriptor, non-blocking; the caller closes it.

    Raises:
        OSError: It cannot be opened.
    """
    attributes = _Attributes(most=most, size=size) if most > 0 and size > 0 else None
    pointer = ctypes.byref(attributes) if attributes is not None else None
    found = _open(name, _FLAGS | os.O_CREAT, mode, pointer)
    if found < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), name)
    return found


def exists(name: str) -> bool:
    """Tell whether there is a queue of a name that we may read."""
    found = _open(name, _FLAGS, 0, None)
    if found >= 0:
        os.close(found)
    return found >= 0


def remove(name: str) -> None:
    """Remove a queue; who has it open keeps it."""
    _libc.mq_unlink(os.fsencode(name))


def _open(name: str, flags: int, mode: int, attributes: object) -> int:
    """Call mq_open(3)."""
    found: int = _libc.mq_open(os.fsencode(name), flags, ctypes.c_uint(mode), attributes)
    return found
