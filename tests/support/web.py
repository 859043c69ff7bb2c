"""Web applications for the tests, in nothing but their interfaces' own terms."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

Send = Callable[[dict[str, Any]], Any]


async def asgi(scope: dict[str, Any], receive: Any, send: Send) -> None:
    """Answer with the path, after so many seconds as the query says; knows no lifespan."""
    assert scope["type"] == "http"
    # All of it: to close a connection that has more to read resets it.
    while (await receive()).get("more_body"):
        pass
    await asyncio.sleep(float(scope["query_string"] or 0))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer with the path, after so many seconds as the query says."""
    time.sleep(float(environ["QUERY_STRING"] or 0))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]


def make_wsgi() -> Any:
    """Make the application."""
    return wsgi


def make_asgi() -> Any:
    """Make the application."""
    return asgi


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
