"""Web applications for the tests, in nothing but their interfaces' own terms."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler
from threading import Event
from typing import Any

from aiohttp import web

from activator.examples import web_aiohttp

Send = Callable[[dict[str, Any]], Any]


async def asgi(scope: dict[str, Any], receive: Any, send: Send) -> None:
    """Answer with the path, after so many seconds as the query says; knows no lifespan."""
    assert scope["type"] == "http"
    # All of it: to close a connection that has more to read resets it.
    while (await receive()).get("more_body"):
        pass
    await asyncio.sleep(float(scope["query_string"] or 0))
    body = scope["path"].encode()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer with the path, after so many seconds as the query says."""
    time.sleep(float(environ["QUERY_STRING"] or 0))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]


class Plain(BaseHTTPRequestHandler):
    """Answer with the path, after so many seconds as the query says, in one of the threads."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        path, _, query = self.path.partition("?")
        time.sleep(float(query or 0))
        self.send_response(200)
        self.send_header("Content-Length", str(len(path)))
        if self.headers["Connection"]:  # as those of HTTP/1.0 are told
            self.send_header("Connection", self.headers["Connection"])
        self.end_headers()
        self.wfile.write(path.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


async def aiohttp_path(request: web.Request) -> web.Response:
    """Answer with the path, after so many seconds as the query says."""
    await asyncio.sleep(float(request.query_string or 0))
    return web.Response(text=request.path)


def aiohttp_application() -> web.Application:
    """Make an application of it."""
    app = web.Application()
    app.router.add_get("/{path:.*}", aiohttp_path)
    return app


aiohttp = partial(web_aiohttp.serve, aiohttp_application)


def make_wsgi() -> Any:
    """Make the application."""
    return wsgi


def make_asgi() -> Any:
    """Make the application."""
    return asgi


def wsgi_woken(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Have the loop look for more of the request, of which there is nothing."""
    channel = environ["waitress.client_disconnected"].__self__
    looked = Event()

    def look() -> None:
        channel.handle_read()
        looked.set()

    channel.listening.loop.call_soon_threadsafe(look)
    looked.wait()
    return wsgi(environ, start_response)


def wsgi_broken(*_: Any) -> list[bytes]:
    """Fail."""
    raise RuntimeError("wsgi is broken")


async def refuses(scope: dict[str, Any], receive: Any, send: Send) -> None:
    """Fail to start, as frameworks tell it."""
    assert scope["type"] == "lifespan"
    await receive()
    await send(
        {"type": "lifespan.startup.failed", "message": "Traceback\n  File x\nOSError: no base\n"}
    )


async def raises(scope: dict[str, Any], receive: Any, send: Send) -> None:
    """Fail to start, and to say so and to raise."""
    await refuses(scope, receive, send)
    raise OSError("no base\nat all")


async def slow(*_: Any) -> None:
    """Take very long to start."""
    sys.stderr.write("starting\n")
    sys.stderr.flush()
    await asyncio.sleep(1000)


async def told(scope: dict[str, Any], receive: Any, send: Send) -> None:
    """Tell of the lifespan's end."""
    if scope["type"] == "lifespan":
        assert "lifespan.startup" == (await receive())["type"]
        scope["state"]["greeting"] = b"from the lifespan"
        await send({"type": "lifespan.startup.complete"})
        assert "lifespan.shutdown" == (await receive())["type"]
        sys.stderr.write("shut down\n")
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["state"]["greeting"]})


@asynccontextmanager
async def streams() -> AsyncIterator[Callable[[Any, Any], Any]]:
    """Give a handler of streams; say when it begins and ends."""
    sys.stderr.write("begin\n")

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hi\n")
        writer.write(await reader.readline())

    yield handle
    sys.stderr.write("end\n")


@asynccontextmanager
async def plain() -> AsyncIterator[Callable[[Any], None]]:
    """Give a plain handler."""
    yield lambda sock: sock.sendall(b"plain\n")


@asynccontextmanager
async def fails() -> AsyncIterator[None]:
    """Fail to begin."""
    raise LookupError("nothing there")
    yield


@asynccontextmanager
async def fails_late() -> AsyncIterator[Callable[[], asyncio.Protocol]]:
    """Fail to end."""
    yield asyncio.Protocol
    raise LookupError("nothing left")


@asynccontextmanager
async def stays() -> AsyncIterator[Callable[[], asyncio.Protocol]]:
    """Take very long to end."""
    yield asyncio.Protocol
    await asyncio.sleep(1000)
