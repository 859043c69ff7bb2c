"""Greet whoever sends a name, in either mode, with a plain blocking socket."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket


def greet(sock: "socket") -> None:
    """Answer every line, a name, with a greeting until the client has sent its last."""
    with sock.makefile("rwb") as stream:
        for line in stream:
            stream.write(b"Hello, " + (line.strip() or b"world") + b"!\n")
            stream.flush()
