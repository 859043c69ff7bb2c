"""A plain handler for bench/warm.py, in a module that loads nothing: each fork copies its pages."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket


def cat(sock: "socket") -> None:
    """Send back all that comes, as /bin/cat does."""
    while data := sock.recv(65536):
        sock.sendall(data)
