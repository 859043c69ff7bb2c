"""Handlers of datagrams for the tests."""

import sys
import time

import activator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def tell(data: "activator.Message", addr: "Any") -> bytes | None:
    """Send back every message, with the address it came to."""
    del addr
    if data == b"boom":
        raise ValueError("boom")
    if data == b"leave":
        sys.exit(3)
    if data == b"nothing":
        return None
    return b"%s to %s" % (data, data.destination.encode())


def when(data: "activator.Message", addr: "Any") -> bytes:
    """Answer how old the message is, in nanoseconds, and the interface that it came by."""
    del addr
    age = time.time_ns() - data.timestamp_ns if data.timestamp_ns else -1
    return b"%d %d" % (age, data.interface)


def slow(data: "activator.Message", addr: "Any") -> bytes:
    """Say so on stderr, wait until the service drains, then answer."""
    del addr
    sys.stderr.write(f"took {bytes(data).decode()}\n")
    sys.stderr.flush()
    activator.draining.wait()
    return bytes(data)
