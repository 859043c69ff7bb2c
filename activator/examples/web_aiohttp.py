"""A web application made with aiohttp, which makes asyncio protocols of its own.

So it needs no other server: a context manager gives the runtime what makes the protocols, and
has the application's own beginning and end around that.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

import activator

# How long a client may take to send what is on its way already, in seconds.
LINGER = 0.3


async def greet(request: web.Request) -> web.Response:
    """Tell the clients who they are, and send back what they have sent."""
    return web.json_response({"client": request.remote, "body": await request.text()})


async def close_when_draining(_: web.Request, response: web.StreamResponse) -> None:
    """Have the last answer of each connection say so, so that no client asks once more."""
    if activator.draining.is_set():
        response.force_close()
        response.headers["Connection"] = "close"


def application() -> web.Application:
    """Return the application."""
    app = web.Application()
    app.router.add_route("*", "/", greet)
    app.on_response_prepare.append(close_when_draining)
    return app


@asynccontextmanager
async def serve() -> AsyncIterator[Callable[[], asyncio.Protocol]]:
    """Give what makes a protocol for each connection, while the application runs."""
    runner = web.AppRunner(application(), handle_signals=False)
    await runner.setup()
    server = runner.server
    assert server is not None  # noqa: S101 - it is there after setup()

    async def close_idle() -> None:
        await activator.draining
        await asyncio.sleep(LINGER)
        server.pre_shutdown()

    closing = asyncio.create_task(close_idle())
    try:
        yield server
    finally:
        closing.cancel()
        await runner.cleanup()
