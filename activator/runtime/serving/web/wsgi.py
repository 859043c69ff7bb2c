"""Serve a WSGI application: waitress's channels on the connections that the engine accepts.

waitress reads requests and sends answers without blocking, so that neither slow clients nor
those that keep their connections open occupy a thread; threads only run the application. Its
channels expect a loop of their own kind: here they are driven by the runtime's event loop.
"""

import asyncio
import select
import socket
from contextlib import suppress
from threading import get_ident
from time import time

from activator.common.peers import plain
from activator.runtime.serving.accept import PAUSE, ScarceError
from activator.runtime.serving.loop.choose import is_uvloop
from activator.runtime.serving.memory import NO_MEMORY
from activator.runtime.serving.report import Rarely
from activator.runtime.serving.threads.pool import Pool
from activator.runtime.serving.web import health
from activator.runtime.serving.web.http import KEEP_ALIVE, Ending, made, missing

try:
    from waitress.adjustments import Adjustments
    from waitress.channel import HTTPChannel
    from waitress.task import WSGITask
except ImportError as error:
    raise missing(error, "wsgi") from None

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from activator.runtime.serving.loop.protocols import Connection

# How often to look for connections whose time has passed, in seconds.
SWEEP = 1.0
ARGUMENTS = 2  # of an application: environ, start_response
# What a client without an address is called, as those of Unix sockets.
NOBODY = ("", "")


class Application:
    """A WSGI application as a handler: a context manager that gives a taker of connections.

    The headers that a proxy adds are left to the application.

    Args:
        app: The application, or a function that makes it.
        name: Its name, for messages.
        threads: How many requests it works on at once.
        is_shared: Whether other processes serve it too.
        path: Where balancers ask how the service is; empty for nowhere.
    """

    def __init__(
        self, app: "Any", name: str, threads: int, *, is_shared: bool = False, path: str = ""
    ) -> None:
        self.__qualname__ = name.partition(":")[2]
        self.__module__ = name.partition(":")[0]
        self._app = app
        self._name = name
        self._threads = threads
        self._is_shared = is_shared
        self._path = path
        self._ending = Ending(self._begin_ending, self._close_idle)

    async def __aenter__(self) -> "Callable[[Connection], Channel]":
        """Begin to take connections."""
        self._loop = asyncio.get_running_loop()
        self._freed = asyncio.Event()
        self._pool = Pool(self._threads, self._announce_freed)
        app = health.wsgi(made(self._app, ARGUMENTS), self._path)
        self._server = Server(app, self._pool, self._name, self._path, is_shared=self._is_shared)
        self._ending.start()
        return self._server

    async def __aexit__(self, *_: object) -> None:
        """Wait for calls whose clients have left."""
        self._ending.stop()
        self._pool.watch()
        try:
            while self._pool.busy:
                self._freed.clear()
                await self._freed.wait()
        finally:
            self._pool.unwatch()
            self._pool.close()

    def at_work(self) -> bool:
        """Tell whether a call runs, though its connection may be closed."""
        return self._pool.busy > 0

    def _announce_freed(self) -> None:
        with suppress(RuntimeError):  # a straggler may end when the loop is closed already
            self._loop.call_soon_threadsafe(self._freed.set)

    def _begin_ending(self) -> None:
        self._server.ending = True

    def _close_idle(self) -> None:
        self._server.close_idle()


class Server:
    """What waitress's channels expect of their server.

    Attributes:
        adj: What can be adjusted.
        secure: The same for connections with TLS.
        application: The application.
        ending: Whether every answer is to end its connection.
        is_shared: Whether other processes serve the application too.
        active_channels: Kept by the channels themselves.
        scarcity: Says now and then what there is too little of.
    """

    takes_connections = True
    # What waitress gives as the server's name where it listens on more than one address.
    server_name = "waitress.invalid"

    def __init__(self, app: "Any", pool: Pool, name: str, path: str, *, is_shared: bool) -> None:
        # Who the client is, and what its proxy says, is for the application to judge.
        adjusted = {"ident": None, "clear_untrusted_proxy_headers": False}
        self.adj = Adjustments(**adjusted)
        self.secure = Adjustments(**adjusted, url_scheme="https")
        self.application = app
        self.ending = False
        self.is_shared = is_shared
        self.active_channels: dict[int, Channel] = {}
        self.loop = asyncio.get_running_loop()
        self._pool = pool
        self._name = name
        self._path = path
        self._sweeping = False
        self.scarcity = Rarely()

    def __call__(self, connection: "Connection") -> "Channel":
        """Take a connection, which is closed at its end."""
        client = NOBODY
        with suppress(OSError):  # it has gone already, or is not TCP
            address: Any = connection.getpeername()
            if isinstance(address, tuple):
                client = (plain(str(address[0])), str(address[1]))
                # An answer's head and body are sent one after the other.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        channel = Channel(self, connection, client)
        if not self._sweeping:
            self._sweeping = True
            self.loop.call_later(SWEEP, self._sweep)
        return channel

    def add_task(self, channel: "Channel") -> None:
        """Have the application called for the first of a channel's requests."""
        if self._path and getattr(channel.requests[0], "path", "") == self._path:
            # Not by a thread: all may be busy. Nor now: whoever calls this has a lock.
            with suppress(RuntimeError):  # the loop is closed
                self.loop.call_soon_threadsafe(self._answer, channel)
            return
        try:
            self._pool.run(channel.requests[0], channel.service, self._name)
        except ScarceError as error:
            self.scarcity.line(str(error))
            with suppress(RuntimeError):  # the loop is closed: a straggler's next request
                self.loop.call_soon_threadsafe(self.loop.call_later, PAUSE, self._again, channel)

    def _answer(self, channel: "Channel") -> None:
        if channel.connected and channel.requests:
            channel.service()

    def _again(self, channel: "Channel") -> None:
        if channel.connected and channel.requests:
            self.add_task(channel)

    def close_idle(self) -> None:
        """Close the connections that have no request."""
        for channel in list(self.active_channels.values()):
            if not channel.requests:
                channel.finish()

    def _sweep(self) -> None:
        if is_uvloop(self.loop):
            self._end_reset()
        now = time()
        for channel in list(self.active_channels.values()):
            # A request that is not complete yet has more time than none at all.
            limit = self.adj.channel_timeout if channel.request else KEEP_ALIVE
            if not channel.requests and channel.last_activity < now - limit:
                channel.finish()
        self._sweeping = bool(self.active_channels)
        if self._sweeping:
            self.loop.call_later(SWEEP, self._sweep)

    def _end_reset(self) -> None:
        """Close connections that were reset: uvloop stops to look at such a one without a word."""
        poll = select.poll()
        by_number = {channel.number: channel for channel in self.active_channels.values()}
        for number in by_number:
            poll.register(number, 0)
        for number, _ in poll.poll(0):
            by_number[number].abort()


class Task(WSGITask):  # type: ignore[misc]  # waitress has no types
    """A request's answer; while the service drains, the last of its connection."""

    def get_environment(self) -> "dict[str, Any]":
        """Return the WSGI environment, with the address that the client has reached."""
        if self.environ is None:
            environ = super().get_environment()
            environ["SERVER_NAME"], environ["SERVER_PORT"] = self.channel.server_address
            environ["SERVER_SOFTWARE"] = "waitress"
            environ["wsgi.multiprocess"] = self.channel.listening.is_shared
        return self.environ  # type: ignore[no-any-return]

    def execute(self) -> None:
        """Call the application; what no server expects it to raise is a failure like any other."""
        try:
            super().execute()
        except Exception:
            raise
        except BaseException as error:
            raise RuntimeError(f"it raised {type(error).__name__}: {error}") from error

    def build_response_header(self) -> bytes:
        """Return the answer's head."""
        if self.channel.listening.ending:
            # As if the client had asked for it: so waitress says it once, and nothing else.
            self.request.headers["CONNECTION"] = "close"
        return super().build_response_header()  # type: ignore[no-any-return]


class Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    """A connection, driven by the runtime's event loop instead of waitress's.

    Attributes:
        number: The descriptor.
        listening: The server; waitress's own code finds this channel there, which is how a
            thread's "something has changed" finds its way to the right one.
    """

    task_class = Task

    def __init__(self, server: Server, connection: "Connection", client: "Any") -> None:
        self.listening = server
        self.active_channels = server.active_channels
        self.application = server.application
        self.server_name = server.server_name
        self._loop = server.loop
        self._thread = get_ident()
        self.number = connection.fileno()
        self._reads = self._writes = False
        self.server_address = _server_address(connection)
        adjustments = server.secure if getattr(connection, "is_secure", False) else server.adj
        super().__init__(self, connection, client, adjustments, map={})
        self._read_on()

    # What waitress asks of a server.

    @property
    def effective_port(self) -> str:
        """The port that the client has reached."""
        return self.server_address[1]

    def add_task(self, channel: "Channel") -> None:
        """Have the application called."""
        self.listening.add_task(channel)

    def pull_trigger(self) -> None:
        """Look anew at what to wait for; for any thread."""
        if self.total_outbufs_len or self.will_close or self.close_when_flushed or not self._reads:
            try:
                self._loop.call_soon_threadsafe(self._look)
            except RuntimeError:
                self.connected = False  # the loop is closed: a straggler's answer

    def handle_read(self) -> None:
        """Take what is there; a loop may wake for nothing, which waitress takes for an error."""
        try:
            data = self.recv(self.adj.recv_bytes)
        except BlockingIOError:
            return
        except OSError:
            self.handle_close()
            return
        if data:
            self.last_activity = time()
            self.received(data)
        else:
            self.connected = False

    def handle_close(self) -> None:
        """Close the connection; for any thread."""
        if get_ident() == self._thread:
            super().handle_close()
        else:
            self.will_close = True
            self.pull_trigger()

    def service(self) -> None:
        """Answer the first request, in a thread."""
        try:
            super().service()
        except MemoryError:
            self.handle_close()
            raise

    # What the loop calls.

    def _look(self) -> None:
        if self._fileno is None:
            return
        try:
            if self.writable():
                self.handle_write()
            self._wait()
        except MemoryError:
            self._give_up()

    def _wait(self) -> None:
        if self._fileno is None:
            return
        if not self.connected:
            self.handle_close()
            return
        if bool(self.writable()) is not self._writes:
            self._writes = not self._writes
            if self._writes:
                try:
                    self._loop.add_writer(self.number, self._look)
                except RuntimeError:  # uvloop's: it was reset
                    self._writes = False
                    self.abort()
                    return
            else:
                self._loop.remove_writer(self.number)
        if not self._reads and self.readable():
            self._read_on()

    def _read_on(self) -> None:
        self._reads = True
        self._loop.add_reader(self.number, self._read)

    def _read(self) -> None:
        if not self.readable():
            # Most clients send nothing while they wait for an answer, and this is not reached.
            self._reads = False
            if not self.readable():  # a thread that has answered since looks at the flag
                self._loop.remove_reader(self.number)
                return
            self._reads = True
        try:
            self.handle_read()
            self._check_framing()
            self._wait()
        except MemoryError:
            self._give_up()

    def _check_framing(self) -> None:
        """End a connection whose chunk's size, or trailer, has no end: waitress limits neither."""
        receiver = self.request and self.request.body_rcv
        size = len(getattr(receiver, "control_line", b"")) + len(getattr(receiver, "trailer", b""))
        if size > self.adj.max_request_header_size:
            self.abort()

    def _give_up(self) -> None:
        self.abort()
        self.listening.scarcity.line(f"a connection was ended: {NO_MEMORY}")

    # What the engine calls.

    def finish(self) -> None:
        """Close the connection, now or when what waits to be sent is sent."""
        self.close_when_flushed = True
        self._look()

    def abort(self) -> None:
        """Close the connection at once."""
        if self._fileno is not None:
            self.handle_close()

    def del_channel(self, map: "Any" = None) -> None:  # noqa: A002 - waitress's name
        """Wait for nothing any more; called when the connection is closed."""
        if self._reads:
            self._loop.remove_reader(self.number)
        if self._writes:
            self._loop.remove_writer(self.number)
        self._reads = self._writes = False
        super().del_channel(map)


def _server_address(connection: "Connection") -> tuple[str, str]:
    """Return the host and the port that a client has reached."""
    address = connection.getsockname()
    if isinstance(address, tuple):
        return plain(str(address[0])), str(address[1])
    return "localhost", ""
