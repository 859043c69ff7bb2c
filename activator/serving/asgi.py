"""Serve an ASGI application: uvicorn's protocols on the connections that the engine accepts.

uvicorn speaks HTTP and WebSocket with each connection; all that its own server would do besides
(listeners, signals, processes, logs) is the runtime's. The application's lifespan is that of
the service: started before READY=1, shut down when the last connection and task have ended.
"""

import asyncio
import logging
from email.utils import formatdate
from functools import partial
from time import time
from typing import cast

from activator.errors import ActivatorError
from activator.serving.http import KEEP_ALIVE, Ending, made, missing, plain
from activator.serving.report import place, summary

try:
    from uvicorn.config import Config
    from uvicorn.server import ServerState
except ImportError as error:
    raise missing(error, "asgi", "python3-uvicorn", "--asgi") from None

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# How long an application that failed to start may take to say why, in seconds.
EXPLAIN = 1.0
CLOSE = (b"connection", b"close")
ARGUMENTS = 3  # of an application: scope, receive, send


class Application:
    """An ASGI application as a handler: a context manager that gives a factory of protocols.

    The headers that a proxy adds are left to the application: the client is the one that has
    connected, the scheme is that of the connection. ``uvicorn.middleware.proxy_headers`` is for
    those who trust their proxy.

    Args:
        app: The application, or a function that makes it.
        name: Its name, for messages.
    """

    def __init__(self, app: "Any", name: str) -> None:
        self.__qualname__ = name.partition(":")[2]
        self.__module__ = name.partition(":")[0]
        self._app = app
        self._name = name
        self.state = _State()
        self._ending = Ending(self._begin_ending, self._close_idle)

    async def __aenter__(self) -> "Callable[..., asyncio.Protocol]":
        """Start the application.

        Raises:
            ActivatorError: It refused.
        """
        # uvicorn would call it without arguments, to see whether it is what makes one.
        config = Config(
            _no_application,
            interface="asgi3",
            log_config=None,
            access_log=logging.getLogger("uvicorn.access").isEnabledFor(logging.INFO),
            lifespan="off",
            loop="none",
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=int(KEEP_ALIVE),
        )
        config.load()
        config.loaded_app = made(self._app, ARGUMENTS)
        self._http: Any = _told_plainly(config.http_protocol_class)
        config.http_protocol_class = self._http
        if config.ws_protocol_class:
            config.ws_protocol_class = _told_plainly(config.ws_protocol_class)
        self._lifespan = _Lifespan(config.loaded_app, self._name)
        await self._lifespan.start()
        self._ending.start()
        return partial(
            self._http,
            config=config,
            server_state=self.state,
            app_state=self._lifespan.state,
            _loop=asyncio.get_running_loop(),
        )

    async def __aexit__(self, *_: object) -> None:
        """Wait for tasks that go on after their answers, and shut the application down."""
        self._ending.stop()
        try:
            while self.state.tasks:
                await asyncio.wait(self.state.tasks)
        finally:
            for task in list(self.state.tasks):
                task.cancel()
            await self._lifespan.stop()

    def at_work(self) -> bool:
        """Tell whether a task runs, though its connection may be closed."""
        return bool(self.state.tasks)

    def _begin_ending(self) -> None:
        self.state.close_all()
        for connection in list(self.state.connections):
            if not isinstance(connection, self._http):
                connection.shutdown()  # a WebSocket, which is told so: 1012, service restart

    def _close_idle(self) -> None:
        for connection in list(self.state.connections):
            connection.shutdown()


class _State(ServerState):
    """What uvicorn's protocols share, with headers that are made when they are needed.

    uvicorn's server renews the date ten times a second, also where nobody asks for it.
    """

    # Each response reads the list when it starts, so all get what it has then.
    _headers: list[tuple[bytes, bytes]]
    _second = 0

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        now = int(time())
        if now != self._second:
            self._second = now
            self._headers[0] = (b"date", formatdate(now, usegmt=True).encode())
        return self._headers

    @default_headers.setter
    def default_headers(self, headers: list[tuple[bytes, bytes]]) -> None:
        self._headers = [(b"date", b""), *headers]

    def close_all(self) -> None:
        """Have every answer from now on end its connection."""
        self._headers.append(CLOSE)


class _Lifespan:
    """The application's lifespan, as the ASGI specification has it."""

    def __init__(self, app: "Any", name: str) -> None:
        self.state: dict[str, Any] = {}
        self._name = name
        self._app = app
        self._queue: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def start(self) -> None:
        """Tell the application to start.

        One that knows no lifespan raises an exception, which is no failure.

        Raises:
            ActivatorError: It said that it failed.
        """
        self._task: asyncio.Task[None] = asyncio.create_task(self._run())
        answer = await self._tell("lifespan.startup")
        if answer.get("type") == "lifespan.startup.failed":
            await asyncio.wait([self._task], timeout=EXPLAIN)
            raise self._failed("start", answer)

    async def stop(self) -> None:
        """Tell the application to shut down, if it has not ended.

        Raises:
            ActivatorError: It said that it failed.
        """
        if self._task.done():
            return
        answer = await self._tell("lifespan.shutdown")
        if answer.get("type") == "lifespan.shutdown.failed":
            await asyncio.wait([self._task], timeout=EXPLAIN)
            raise self._failed("shut down", answer)

    async def _run(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        await self._app(scope, self._queue.get, self._answers.put)

    async def _tell(self, what: str) -> "dict[str, Any]":
        """Send an event and return the answer; an empty one if there will be none."""
        self._queue.put_nowait({"type": what})
        answer = asyncio.ensure_future(self._answers.get())
        await asyncio.wait([answer, self._task], return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            return answer.result()
        answer.cancel()
        return {}

    def _failed(self, what: str, answer: "dict[str, Any]") -> ActivatorError:
        # Frameworks send a whole traceback, whose last line says what it was.
        told = str(answer.get("message", "")).strip().splitlines()[-1:]
        text, where = "".join(told) or "it gives no reason", ""
        if self._task.done() and not self._task.cancelled() and (error := self._task.exception()):
            text, where = summary(error), place(error)
        return ActivatorError(f"{self._name} failed to {what}: {text}", place=where)


async def _no_application(scope: "Any", receive: "Any", send: "Any") -> None:
    """Stand in for the application until uvicorn has loaded what else it needs."""


def _told_plainly(protocol: "Any") -> "Any":
    """Return a class of protocols that knows clients by their own addresses."""

    class Protocol(protocol):  # type: ignore[misc]  # whichever it is
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            client = cast("tuple[str, int] | None", vars(self)["client"])
            if client:
                self.client = (plain(client[0]), client[1])

    return Protocol
