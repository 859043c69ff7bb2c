"""Use the handler classes of the standard library's socketserver as handlers."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket
    from socketserver import BaseRequestHandler
    from typing import Any

    from activator.runtime.listen import Listener
    from activator.runtime.serving.message import Message
    from activator.runtime.serving.receive import Channel


class Server:
    """What a handler's ``self.server`` has here, of all that socketserver's servers have.

    Attributes:
        RequestHandlerClass: The handler's class.
        server_address: The listening socket's address.
        socket: The listening socket; in the per-connection mode, the connection.
    """

    __slots__ = ("RequestHandlerClass", "server_address", "socket")

    def __init__(self, handler: "type[BaseRequestHandler]", listener: "Listener") -> None:
        self.RequestHandlerClass = handler
        self.socket = listener.socket()
        self.server_address = self.socket.getsockname()


class Replies:
    """What a handler of datagrams sends its answers through.

    Args:
        message: The message that it handles.
    """

    __slots__ = ("_message",)

    def __init__(self, message: "Message") -> None:
        self._message: Any = message  # of a socket, not of a queue

    def sendto(self, data: bytes, address: object) -> int:
        """Send a datagram; an answer leaves from the address that the message came to."""
        channel: Channel = self._message.channel
        if address != self._message.sender:
            return channel.sendto(data, address)
        channel.answer(data, self._message)
        return len(data)

    def __getattr__(self, name: str) -> "Any":
        """Be the socket in all else."""
        return getattr(self._message.channel.socket, name)


def _text(path: "str | bytes") -> str:
    return path if isinstance(path, str) else path.decode(errors="replace").replace("\0", "@")


def adapted(handler: "type[BaseRequestHandler]", listener: "Listener") -> "Callable[..., None]":
    """Return a plain handler that makes the object, which handles the request at once.

    For connections it is ``def h(sock)``; for datagrams ``def h(data, addr)``, where the object
    gets the message and something with ``sendto()`` as ``self.request``.
    """
    http = sys.modules.get("http.server")  # it is loaded if the handler is one of its
    if http and issubclass(handler, http.BaseHTTPRequestHandler):
        from activator.runtime.serving.http_server import ending_in_time  # noqa: PLC0415 - rarely needed

        handler = ending_in_time(handler)  # type: ignore[arg-type]  # checked right above
    server: Any = Server(handler, listener)

    def serve(request: "socket | Message", address: object = None) -> None:
        if isinstance(request, bytes):
            handler((bytes(request), Replies(request)), address, server)  # type: ignore[arg-type]
        else:
            # Raises if the client has left already, which costs nothing here.
            peer = request.getpeername()
            # That of a Unix socket is no pair, but http.server takes its first part for the host.
            handler(request, peer if isinstance(peer, tuple) else (_text(peer), 0), server)

    return serve
