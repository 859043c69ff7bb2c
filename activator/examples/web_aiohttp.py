"""A web application made with aiohttp, which makes asyncio protocols of its own.

So it needs no other server: a context manager gives the runtime what makes the protocols, and
has the application's own beginning and end around that.
"""

import asyncio
import collections
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

import activator

# How long a client may take to send what is on its way already, in seconds.
LINGER = 0.3

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def greet(request: web.Request) -> web.Response:
    """Tell the clients who they are, and send back what they have sent."""
    return web.json_response({"client": request.remote, "body": await request.text()})


class Ending:
    """Ends the connections when the service drains, so that no client loses a request."""

    def __init__(self) -> None:
        self._at_work = collections.Counter[object]()

    @web.middleware
    async def watch(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Know which connections have a request."""
        connection = request.protocol
        self._at_work[connection] += 1
        try:
            response = await handler(request)
            await response.prepare(request)  # sends a file's whole content, for one
        finally:
            self._at_work -= collections.Counter([connection])
        return response

    async def close_when_draining(self, _: web.Request, response: web.StreamResponse) -> None:
        """Have the last answer of each connection say so, so that no client asks once more."""
        if activator.draining.is_set():
            response.force_close()
            response.headers["Connection"] = "close"

    async def close_idle(self, server: web.Server) -> None:
        """Close the connections that have no request soon after the drain has begun."""
        await activator.draining
        await asyncio.sleep(LINGER)
        for connection in server.connections:
            if connection not in self._at_work:
                # Its pre_shutdown() leaves them open, and takes no request that comes then.
                connection.force_close()


def application() -> web.Application:
    """Return the application."""
    app = web.Application()
    app.router.add_route("*", "/", greet)
    return app


@asynccontextmanager
async def serve(
    make: Callable[[], web.Application] = application,
) -> AsyncIterator[Callable[[], asyncio.Protocol]]:
    """Give what makes a protocol for each connection, while the application runs."""
    ending = Ending()
    app = make()
    app.middlewares.insert(0, ending.watch)
    app.on_response_prepare.append(ending.close_when_draining)
    runner = web.AppRunner(app, handle_signals=False)
    await runner.setup()
    server = runner.server
    assert server is not None  # noqa: S101 - it is there after setup()
    closing = asyncio.create_task(ending.close_idle(server))
    try:
        yield server
    finally:
        closing.cancel()
        await runner.cleanup()
