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

from activator.common.peers import plain
from activator.errors import ActivatorError
from activator.runtime.serving.draining import draining
from activator.runtime.serving.report import place, summary
from activator.runtime.serving.web import health
from activator.runtime.serving.web.http import KEEP_ALIVE, Ending, made, missing

try:
    from uvicorn.config import Config
    from uvicorn.server import ServerState
except ImportError as error:
    raise missing(error, "asgi") from None

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from activator.runtime.serving.settings import Settings

# How long an application that failed to start may take to say why, in seconds.
EXPLAIN = 1.0
CLOSE = (b"connection", b"close")
RESTART = 1012  # the status of a WebSocket's end: RFC 6455, "service restart" of its registry
# How long before the drain is up WebSockets are told that the service restarts, in seconds.
FAREWELL = 1.0
# The longest head of a request, in bytes, as h11 has it.
HEAD_MAX = 65536
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"connection: close\r\ncontent-length: 0\r\n\r\n"
)
ARGUMENTS = 3  # of an application: scope, receive, send


class Application:
    """An ASGI application as a handler: a context manager that gives a factory of protocols.

    The headers that a proxy adds are left to the application: the client is the one that has
    connected, the scheme is that of the connection. ``uvicorn.middleware.proxy_headers`` is for
    those who trust their proxy.

    Args:
        app: The application, or a function that makes it.
        name: Its name, for messages.
        settings: How long WebSockets may go on.
    """

    def __init__(self, app: "Any", name: str, settings: "Settings") -> None:
        self.__qualname__ = name.partition(":")[2]
        self.__module__ = name.partition(":")[0]
        self._app = app
        self._name = name
        self._settings = settings
        self._websockets_end = self._drain_end = 0.0
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
        logging.getLogger("uvicorn.error").addFilter(_is_no_client)
        config.loaded_app = health.asgi(made(self._app, ARGUMENTS), self._settings.health)
        self._http: Any = _limited(_told_plainly(config.http_protocol_class))
        config.http_protocol_class = self._http
        if config.ws_protocol_class:
            config.ws_protocol_class = _told_plainly(config.ws_protocol_class)
        self._lifespan = _Lifespan(config.loaded_app, self._name)
        await self._lifespan.start()
        self._ending.start()
        more = {"app_state": self._lifespan.state}
        if not _takes(self._http, *more):
            config.loaded_app = _with_state(config.loaded_app, more.pop("app_state"))
        factory = partial(
            self._http,
            config=config,
            server_state=self.state,
            _loop=asyncio.get_running_loop(),
            **more,
        )
        factory()  # should uvicorn change, this fails now, and not with each client
        return factory

    async def __aexit__(self, *_: object) -> None:
        """Wait for tasks that go on after their answers, and shut the application down."""
        self._ending.stop()
        asyncio.get_running_loop().remove_reader(self._settings.lifeline)
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
        drain = self._settings.drain
        last = drain - min(FAREWELL, drain / 2)
        loop = asyncio.get_running_loop()
        self._drain_end = loop.time() + last
        if draining.is_hand_over():
            self._end_websockets(last)
            loop.add_reader(self._settings.lifeline, self._hurry)
        else:
            self._end_websockets(self._settings.websocket_drain)

    def _hurry(self) -> None:
        """Give WebSockets no more time than at a stop: after the hand-over, that has come too."""
        asyncio.get_running_loop().remove_reader(self._settings.lifeline)
        self._end_websockets(self._settings.websocket_drain)

    def _end_websockets(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._websockets_end = min(loop.time() + seconds, self._drain_end)
        if self._websockets_end > loop.time():
            loop.call_at(self._websockets_end, self._end, False)
        else:
            self._end(False)

    def _close_idle(self) -> None:
        self._end(True)
        if asyncio.get_running_loop().time() >= self._websockets_end:
            self._end(False)  # those that have begun since

    def _end(self, are_http: bool) -> None:  # noqa: FBT001 - which of the two kinds
        connections: list[Any] = list(self.state.connections)
        for connection in connections:
            if isinstance(connection, self._http) is are_http:
                if getattr(connection, "open", False):
                    connection.fail_connection(RESTART)  # before 0.20, uvicorn says nothing
                connection.shutdown()  # a WebSocket is told so


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


def _takes(protocol: "Any", name: str) -> bool:
    """Tell whether a class of uvicorn's protocols knows an argument, which older ones lack."""
    return any(
        name in base.__init__.__code__.co_varnames
        for base in protocol.__mro__
        if hasattr(base.__init__, "__code__")
    )


def _with_state(app: "Any", state: "dict[str, Any]") -> "Any":
    """Return an application that finds what its lifespan has left, as uvicorn has it from 0.22."""

    async def call(scope: "Any", receive: "Any", send: "Any") -> None:
        scope["state"] = state.copy()
        await app(scope, receive, send)

    return call


async def _no_application(scope: "Any", receive: "Any", send: "Any") -> None:
    """Stand in for the application until uvicorn has loaded what else it needs."""


def _is_no_client(record: logging.LogRecord) -> bool:
    """Tell whether a record is about more than a client that has left, as uvloop puts it."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, RuntimeError) and "the handler is closed" in str(error))


def _told_plainly(protocol: "Any") -> "Any":
    """Return a class of protocols that knows clients by their own addresses."""

    class Protocol(protocol):  # type: ignore[misc]  # whichever it is
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            client = cast("tuple[str, int] | None", vars(self)["client"])
            if client:
                self.client = (plain(client[0]), client[1])

    return Protocol


def _limited(protocol: "Any") -> "Any":
    """Return a class of protocols that take no endless request line, header or trailer.

    With httptools, uvicorn keeps whatever a client sends: 24 MB of headers took half a GB.
    """
    if not hasattr(protocol, "on_headers_complete"):
        return protocol  # h11 has a limit

    class Limited(protocol):  # type: ignore[misc]  # whichever it is
        unused = 0  # bytes that nothing has been made of yet

        def data_received(self, data: bytes) -> None:
            self.unused += len(data)
            super().data_received(data)
            if self.unused > HEAD_MAX and not self.transport.is_closing():
                if self.cycle is None or self.cycle.response_complete:
                    self.transport.write(TOO_LARGE)
                self.transport.close()

        def on_headers_complete(self) -> None:
            self.unused = 0
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            self.unused = 0
            super().on_body(body)

        def on_message_complete(self) -> None:
            self.unused = 0
            super().on_message_complete()

    return Limited
