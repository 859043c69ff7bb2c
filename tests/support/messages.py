"""Handlers of datagrams for the tests, and a class of socketserver's for both."""

import socketserver
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


class Shout(socketserver.StreamRequestHandler):
    """Answer a line, or a message, in upper case."""

    def handle(self) -> None:
        """Answer one of them."""
        if isinstance(self.request, tuple):
            data, channel = self.request
            channel.sendto(data.upper(), self.client_address)
        else:
            self.wfile.write(self.rfile.readline().upper() + repr(self.client_address).encode())

    def setup(self) -> None:
        """Make files of a connection."""
        if not isinstance(self.request, tuple):
            super().setup()

    def finish(self) -> None:
        """Flush a connection's file."""
        if not isinstance(self.request, tuple):
            super().finish()
