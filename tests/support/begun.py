"""Handlers of every kind that tell who their client is, and then send back all that comes."""

import asyncio
import json
import os
import socketserver
from typing import Any, cast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket


def line(peer: object, secure: object = None) -> bytes:
    """Return what a handler tells, on one line."""
    remote = [os.environ.get(name) for name in ("REMOTE_ADDR", "REMOTE_PORT")]
    return json.dumps({"peer": peer, "remote": remote, "secure": bool(secure)}).encode() + b"\n"


async def streams(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Tell, and send back."""
    about = writer.get_extra_info
    assert about("peername") == about("socket").getpeername()
    writer.write(line(about("peername"), about("ssl_object")))
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


def plain(sock: "socket") -> None:
    """Tell, and send back."""
    sock.sendall(line(sock.getpeername(), getattr(sock, "version", None)))
    while data := sock.recv(65536):
        sock.sendall(data)


class Protocol(asyncio.Protocol):
    """Tell, and send back."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Tell."""
        self.transport = cast("asyncio.Transport", transport)
        about = transport.get_extra_info
        self.transport.write(line(about("peername"), about("ssl_object")))

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        self.transport.write(data)


class Request(socketserver.StreamRequestHandler):
    """Tell, and send back."""

    def handle(self) -> None:
        """Do so."""
        self.wfile.write(line(self.client_address, getattr(self.request, "version", None)))
        while data := self.rfile.read1(65536):
            self.wfile.write(data)


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Tell."""
    assert scope["type"] == "http"
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    text = line(scope["client"], scope["scheme"] == "https") + body
    headers = [(b"content-length", b"%d" % len(text))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Tell."""
    start_response("200 OK", [("Content-Type", "application/json")])
    peer = [environ["REMOTE_ADDR"], int(environ["REMOTE_PORT"])]
    body = environ["wsgi.input"].read()
    return [line(peer, environ["wsgi.url_scheme"] == "https"), body]
