"""Handlers of each kind: they send back what comes, and do what a few words say."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from socket import socket
from typing import Any, cast

from aiohttp import web

END: dict[bytes, type[BaseException]] = {
    b"interrupt": KeyboardInterrupt,
    b"exit": SystemExit,
    b"generator": GeneratorExit,
    b"memory": MemoryError,
}


def obey(word: bytes) -> None:
    """Raise what a client has asked for; no exception that anything expects."""
    if word.strip() in END:
        raise END[word.strip()]


def plain(sock: socket) -> None:
    """Send back what comes."""
    while data := sock.recv(65536):
        obey(data)
        sock.sendall(data)


async def streams(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes."""
    while data := await reader.read(65536):
        obey(data)
        writer.write(data)
        await writer.drain()


class Protocol(asyncio.Protocol):
    """Send back what comes, and read no more while that is not taken."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        obey(data)
        self.transport.write(data)

    def pause_writing(self) -> None:
        """Read no more for now."""
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read again."""
        self.transport.resume_reading()


class Failing(Protocol):
    """Send back what comes, and raise in the method that is said first."""

    where = b""

    def __init__(self) -> None:
        if _next[-1:] == [b"factory"]:
            _next.clear()
            raise KeyboardInterrupt

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        self.where = data.strip()
        self._obey(b"data_received")
        self.transport.write(data)
        if self.where in (b"connection_lost", b"close"):
            self.transport.close()
        if self.where in (b"factory", b"connection_made", b"made wrongly"):
            _next.append(self.where)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        super().connection_made(transport)
        if _next and (word := _next.pop()) != b"factory":
            raise SystemExit if word == b"connection_made" else ValueError

    def eof_received(self) -> None:
        """Notice the end of what comes."""
        self._obey(b"eof_received")

    def connection_lost(self, exc: Exception | None) -> None:
        """Notice the end."""
        del exc
        self._obey(b"connection_lost")

    def _obey(self, here: bytes) -> None:
        if here == self.where:
            raise SystemExit


_next: list[bytes] = []


class Task(Protocol):
    """Send back what comes, and fail in a task if that is wanted."""

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        self.task = asyncio.ensure_future(self.work(data))
        self.transport.write(data)

    async def work(self, data: bytes) -> None:
        """Fail if that is wanted."""
        obey(data)


def message(data: bytes, addr: Any) -> bytes:
    """Answer."""
    del addr
    obey(data)
    return bytes(data)


class Messages(asyncio.DatagramProtocol):
    """Answer."""

    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """Keep the transport."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Answer."""
        obey(data)
        self.transport.sendto(bytes(data), addr)


def lines(stream: Any) -> None:
    """Write each line of a FIFO on stdout."""
    for line in stream:
        obey(line)
        sys.stdout.write(line.decode())
        sys.stdout.flush()


async def async_lines(reader: asyncio.StreamReader) -> None:
    """Write each line of a FIFO on stdout."""
    while line := await reader.readline():
        obey(line)
        sys.stdout.write(line.decode())
        sys.stdout.flush()


async def asgi(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answer, whatever the lifespan."""
    if scope["type"] != "http":
        raise RuntimeError("only http")
    await receive()
    obey(scope["path"].encode().lstrip(b"/"))
    body = b"x" * (1 << 20) if scope["path"] == "/big" else b"ok"
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer."""
    path = environ["PATH_INFO"]
    obey(path.encode().lstrip(b"/"))
    body = b"x" * (1 << 20) if path == "/big" else b"ok"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


async def _respond(request: web.Request) -> web.Response:
    obey(request.path.encode().lstrip(b"/"))
    return web.Response(body=b"x" * (1 << 20) if request.path == "/big" else b"ok")


@asynccontextmanager
async def aiohttp() -> AsyncIterator[Callable[[], asyncio.Protocol]]:
    """Give what makes aiohttp's protocols."""
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", _respond)
    runner = web.AppRunner(app, handle_signals=False)
    await runner.setup()
    try:
        assert runner.server
        yield runner.server
    finally:
        await runner.cleanup()
