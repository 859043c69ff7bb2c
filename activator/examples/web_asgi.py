"""A web application for ``--asgi``, made with Starlette (FastAPI's are served in the same way)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket


async def greet(request: Request) -> Response:
    """Tell the clients who they are and how they have asked."""
    client = list(request.client) if request.client else None
    body = (await request.body()).decode()
    return JSONResponse({"client": client, "scheme": request.url.scheme, "body": body})


async def count(request: Request) -> Response:
    """Count aloud, a line each tenth of a second."""

    async def lines() -> AsyncIterator[str]:
        for number in range(int(request.query_params.get("to", "3"))):
            yield f"{number}\n"
            await asyncio.sleep(0.1)

    return StreamingResponse(lines(), media_type="text/plain")


async def later(request: Request) -> Response:
    """Answer at once, and go on working for a while."""
    seconds = float(request.query_params.get("seconds", "0.5"))

    async def work() -> None:
        await asyncio.sleep(seconds)
        request.app.state.done += 1

    return PlainTextResponse("later\n", background=BackgroundTask(work))


async def echo(websocket: WebSocket) -> None:
    """Send each message back."""
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Prepare before the service is ready, clean up after its last request."""
    app.state.done = 0
    yield


app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/", greet, methods=["GET", "POST"]),
        Route("/count", count),
        Route("/later", later, methods=["GET", "POST"]),
        WebSocketRoute("/echo", echo),
    ],
)
