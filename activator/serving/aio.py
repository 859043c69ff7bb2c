"""The service with an event loop: shared or per-connection, async handlers and plain ones.

    starting   handlers that are context managers are entered
    serving    the loop watches the listeners and accepts; each connection is a task, or a
               transport and a protocol
    draining   after the first signal: listeners left alone, running tasks may end
    expired    the time has passed: tasks cancelled, protocols' transports aborted, plain handlers'
               connections shut down
    over       none runs any more, or a cancelled one has not ended within GRACE either;
               context managers are left

Accepting is our own, so that every accepted connection is counted from its first moment
and none is dropped between the kernel's queue and its task.
"""

import asyncio
import logging
import os
from contextlib import contextmanager, suppress
from math import inf
from socket import socket

from activator.journal import ERROR, journal
from activator.serving.accept import (
    PAUSE,
    BrokenListenerError,
    ScarceError,
    accept,
    anything_waits,
    sort_out,
)
from activator.serving.contexts import Contexts
from activator.serving.handlers import (
    CALLED,
    CONNECTED,
    CONTEXT,
    DATAGRAMS,
    PROTOCOL,
    READER,
    STREAMS,
    TAKER,
)
from activator.serving.life import NEVER, Life
from activator.serving.loops import is_uvloop, new_loop
from activator.serving.protocols import Accepted, Connection, accepted_by, connect
from activator.serving.report import Rarely, failure, line
from activator.serving.restored import forget_restored
from activator.serving.sources import Sources
from activator.serving.stop import StopSignals
from activator.serving.streams import conversation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from activator.serving.datagrams import Transport
    from activator.serving.engine import Ending, Settings
    from activator.serving.files import File
    from activator.serving.handlers import Route
    from activator.serving.inbox import Inbox
    from activator.serving.pool import Pool
    from activator.serving.readers import Reading

# How long cancelled handlers may take to end, in seconds.
GRACE = 1.0
# How many connections may hold what they needed to begin; most do not live longer.
FRESH = 64
ON_STREAMS = frozenset({STREAMS, PROTOCOL, CONTEXT, TAKER})
WITH_TRANSPORT = frozenset({PROTOCOL, TAKER})


def run(routes: "Sequence[Route]", settings: "Settings") -> "Ending":
    """Serve until a signal, or until the one connection has ended; listeners stay open.

    The status is 1 if a listener could accept no more; in the per-connection mode it is the
    handler's.
    """
    journal.look()  # once more: logging is loaded now
    connected = all(route.listener.kind == CONNECTED for route in routes)
    families = [route.listener.family for route in routes if route.sort in ON_STREAMS]
    loop = new_loop(settings.loop, families, short=connected)
    service = _Service(loop, settings)
    loop.set_exception_handler(service.on_exception)
    try:
        with _quiet_asyncio():
            loop.run_until_complete(service.main(routes))
    finally:
        loop.close()
    return service.status, service.in_time


class _Service:
    def __init__(self, loop: asyncio.AbstractEventLoop, settings: "Settings") -> None:
        self.status = 0
        self.in_time = True
        self.over = loop.create_future()
        self._loop = loop
        self._settings = settings
        self._life = Life(settings, self._busy, self._schedule_tick)
        self._timer: asyncio.TimerHandle | None = None
        self._limit = settings.max_connections or inf
        self._sources = Sources(settings.max_per_source) if settings.max_per_source else None
        self._routes: Sequence[Route] = ()
        self._contexts = Contexts(loop)
        self._starting: asyncio.Task[list[Route]] | None = None
        self._deadline = 0.0
        self._tasks: set[asyncio.Task[int]] = set()
        self._connections: set[Connection | Accepted] = set()
        self._transports: list[Transport] = []
        self._readings: list[Reading] = []
        self._inboxes: dict[Route, Inbox | File] = {}
        self._pool: Pool | None = None
        self._light: dict[Route, type[Accepted]] = {}
        self._fresh: list[Accepted] = []
        self._is_light = is_uvloop(loop) and not (self._sources or settings.meter)
        if settings.meter:
            settings.meter.tallies.doubles = is_uvloop(loop)
        self._connected = False  # the per-connection mode
        self._watched: set[Route] = set()  # whose listeners are looked at now
        self._waiting: set[Route] = (
            set()
        )  # whose listeners wait for a thread, or a connection's end
        self._draining = False
        self._scarcity = Rarely()

    # The states.

    async def main(self, routes: "Sequence[Route]") -> None:
        """Go through all states."""
        # Within the running loop: uvloop misses a signal that comes before it runs.
        with StopSignals(self.stop, self.expire, self._loop):
            try:
                if await self.start(routes):
                    await self.over
                    left = self._deadline - self._loop.time() if self._draining else None
                    await self._contexts.leave(self._settings.drain if left is None else left)
            finally:
                await self.end()

    async def start(self, routes: "Sequence[Route]") -> bool:
        """Begin; return False if a signal came first."""
        if any(route.sort == CONTEXT for route in routes):
            self._starting = self._loop.create_task(self._contexts.enter(routes))
            await asyncio.wait([self._starting])
            if self._starting.cancelled():
                return False
            routes = self._starting.result()
            self._starting = None
        self.begin(routes)
        return True

    def begin(self, routes: "Sequence[Route]") -> None:
        self._routes = [route for route in routes if route.listener.kind != CONNECTED]
        self._connected = not self._routes
        if not self._connected:
            forget_restored(routes)
        if not all(route.is_async for route in routes):
            from activator.serving.pool import Pool  # noqa: PLC0415 - rarely needed

            self._pool = Pool(self._settings.threads, self._announce_freed)
        for route in routes:
            if route.sort == READER:
                self._begin_reading(route)
                continue
            if route.sort in CALLED:
                from activator.serving.inbox import inbox  # noqa: PLC0415 - rarely needed

                self._inboxes[route] = inbox(route, self._settings.message_max)
                self._watch(route)
                continue
            sock = route.listener.socket()
            sock.setblocking(False)
            if route.listener.kind == CONNECTED:
                self._adopt(route, sock)
            elif route.sort == DATAGRAMS:
                self._begin_datagrams(route)
            else:
                self._watch(route)
        self._life.ready()

    def stop(self) -> None:
        """Begin to drain, at the first signal."""
        if self._draining:
            return
        self._draining = True
        self._deadline = self._loop.time() + self._settings.drain
        if self._starting:
            self._starting.cancel()
            return
        for route in list(self._watched):
            self._unwatch(route)
        self._waiting.clear()
        for transport in (*self._transports, *self._readings):
            transport.close()
        self._life.drain(slowly=bool(self._contexts))
        if self._pool:
            self._pool.watch()
        self._loop.call_later(self._settings.drain, self.expire)
        self._check_over()

    def expire(self) -> None:
        """End what still runs, when the time has passed or at the second SIGINT."""
        self.in_time = False
        for task in self._tasks:
            task.cancel()
        for connection in list(self._connections):
            connection.abort()
        for reading in self._readings:
            reading.abort()
        if self._pool:
            self._pool.abandon()
        if self.over.done():
            self._contexts.cancel()
        self._loop.call_later(GRACE, self._finish)

    async def end(self) -> None:
        """Cancel what the handlers have left running, and let generators clean up."""
        self._contexts.cancel()
        await self._contexts.end(GRACE)
        self.status = self.status or self._contexts.status
        # Handlers that are still here have had their time.
        left = asyncio.all_tasks(self._loop) - self._tasks - {asyncio.current_task()}
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=GRACE)
        await self._loop.shutdown_asyncgens()
        if self._pool:
            self._pool.unwatch()
            self._pool.close()
        self._life.stop()
        if self._timer:
            self._timer.cancel()
        # What has not ended by now is given up, and asyncio need not say so.
        self._loop.set_exception_handler(lambda *_: None)

    def _check_over(self) -> None:
        if not (self._draining or self._connected) or self._busy():
            return
        # What lasts does not make it busy.
        if not any(reading.busy for reading in self._readings) and not (
            self._pool and self._pool.unfinished
        ):
            # Not at once: a protocol hears of its end right after the connection has.
            self._loop.call_soon(self._finish)

    def _finish(self) -> None:
        if not self.over.done():
            self.over.set_result(None)

    def _busy(self) -> int:
        return len(self._tasks) + len(self._connections) + (self._pool.busy if self._pool else 0)

    # What goes by the clock.

    def _schedule_tick(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = None
        left = self._life.tick()
        if left < NEVER:
            self._timer = self._loop.call_later(left, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._pool:
            self._life.used(max([self._pool.ended, *(box.used for box in self._inboxes.values())]))
        if self._life.is_idle():
            if not (anything_waits(self._routes) or self._contexts.at_work()):
                self.stop()
                return
            self._life.note()
        self._schedule_tick()

    # Listeners.

    def _watch(self, route: "Route") -> None:
        if not self._draining and route not in self._watched:
            box = self._inboxes.get(route)
            if box and not box.can_be_watched:
                self._take(route)
                return
            self._watched.add(route)
            ready = self._take if box else self._accept
            if route.sort == PROTOCOL and self._is_light:
                if route not in self._light:
                    self._light[route] = accepted_by(route, self._loop, self._ended_lightly)
                ready = self._accept_lightly
            self._loop.add_reader(route.listener.fd, ready, route)

    def _unwatch(self, route: "Route") -> None:
        if route not in self._watched:
            return
        self._watched.discard(route)
        self._loop.remove_reader(route.listener.fd)

    def _hold(self, route: "Route") -> None:
        self._unwatch(route)
        self._waiting.add(route)

    def _accept(self, route: "Route") -> None:
        listener = route.listener
        shared = listener.socket()
        make: Any = Connection if route.is_async else socket
        if self._settings.meter:
            make = self._settings.meter.tallies.kind(listener, make)
        for _ in range(self._settings.batch):
            if self._draining:
                return
            if self._full(route):
                self._hold(route)
                return
            try:
                accepted = accept(shared, listener, make)
            except ScarceError as error:
                self._pause(route, str(error))
                return
            except BrokenListenerError as error:
                self._break(str(error))
                return
            if accepted is None:
                return
            self._adopt(route, *accepted)

    def _accept_lightly(self, route: "Route") -> None:
        """Do what :meth:`_accept` does, for uvloop's protocols and without a limit by source.

        It is as much as can be left out: half of the time of a short connection is spent here.
        """
        listener, life, fresh = route.listener, self._life, self._fresh
        accept = listener.socket()._accept  # type: ignore[attr-defined]  # noqa: SLF001
        make = self._light[route]
        try:
            for _ in range(self._settings.batch):
                if self._limit != inf and self._full(route):
                    self._hold(route)
                    break
                fd, _ = accept()
                life.accepted += 1
                listener.accepted += 1
                try:
                    connection = make(fd)
                except Exception as error:  # noqa: BLE001 - a factory may fail in any way
                    os.close(fd)
                    failure(f"{route} failed", error, skip=2)
                else:
                    self._connections.add(connection)
                    fresh.append(connection)
        except OSError as error:
            try:
                sort_out(error, listener)
            except ScarceError as scarce:
                self._pause(route, str(scarce))
            except BrokenListenerError as broken:
                self._break(str(broken))
        if len(fresh) > FRESH:
            for connection in fresh:
                connection.settle()
            fresh.clear()
        life.note()

    def _ended_lightly(self, connection: Accepted) -> None:
        self._connections.discard(connection)
        if self._draining or self._waiting or self._life.quiet or self._settings.idle_exit:
            self._ended()

    def _full(self, route: "Route") -> bool:
        if self._limit <= self._busy():
            return True
        return self._pool is not None and not route.is_async and self._pool.full

    def _pause(self, route: "Route", reason: str) -> None:
        self._hold(route)
        self._loop.call_later(PAUSE, self._resume, route)
        self._scarcity.line(reason)

    def _break(self, reason: str) -> None:
        line(reason, ERROR)
        self.status = 1
        self.stop()

    def _resume(self, route: "Route") -> None:
        self._waiting.discard(route)
        self._watch(route)

    def _resume_all(self) -> None:
        for route in list(self._waiting):
            self._resume(route)

    # Connections.

    def _adopt(self, route: "Route", sock: "socket", peer: object = None) -> None:
        release = None
        if self._sources and not self._connected:
            release = self._admit(self._sources, sock)
            if release is None:
                return
        life = self._life
        life.accepted += 1
        route.listener.accepted += 1
        if route.sort in WITH_TRANSPORT:
            self._connect(route, sock, release)
        elif route.is_async:
            task = self._loop.create_task(conversation(route, sock, self._loop, peer))
            self._tasks.add(task)
            task.add_done_callback(self._task_ended)
            if release:
                task.add_done_callback(lambda _: release())
        elif self._pool:
            self._pool.submit(route, sock, release)
        life.note()

    def _admit(self, sources: Sources, sock: "socket") -> "Callable[[], object] | None":
        source = sources.admit(sock)
        if source:
            return lambda: sources.release(source)
        self._life.refused += 1
        self._life.note()
        sock.close()
        return None

    def _connect(
        self, route: "Route", sock: "socket", release: "Callable[[], object] | None"
    ) -> None:
        connection = sock
        if not isinstance(connection, Connection):
            connection = Connection(sock.family, sock.type, sock.proto, sock.detach())
        connection.ended = self._connection_ended
        connection.release = release
        self._connections.add(connection)
        if not connect(route, connection, self._loop) and self._connected:
            self.status = 1

    def _connection_ended(self, connection: "Connection | Accepted") -> None:
        self._connections.discard(connection)
        if connection.release:
            connection.release()
        self._ended()

    def _task_ended(self, task: "asyncio.Task[int]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            error = task.exception()
            if error:  # no Exception, the handler's are all caught
                failure("a handler failed", error)
            elif self._connected:
                self.status = task.result()
        self._ended()

    def _ended(self) -> None:
        if self._draining or self._connected:
            self._check_over()
            return
        self._life.note()
        if self._waiting:
            self._resume_all()

    def _announce_freed(self) -> None:
        # A straggler may end when the loop is closed already.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._ended)

    # Messages.

    def _begin_datagrams(self, route: "Route") -> None:
        from activator.serving.datagrams import Transport  # noqa: PLC0415 - rarely needed
        from activator.serving.messages import Channel  # noqa: PLC0415 - the same

        transport = Transport(
            Channel(route.listener, self._settings.message_max),
            route.handler(),
            self._loop,
            traffic=self._count,
            broken=self._break,
        )
        self._transports.append(transport)
        transport.begin()

    def _count(self, messages: int) -> None:
        self._life.messages += messages
        self._life.note()

    def _take(self, route: "Route") -> None:
        if self._pool and not self._full(route):
            self._unwatch(route)
            self._inboxes[route].submit(self._pool, lambda _: self._announce_answered(route))
        else:
            self._hold(route)

    def _announce_answered(self, route: "Route") -> None:
        with suppress(RuntimeError):  # as above
            self._loop.call_soon_threadsafe(self._answered, route)

    def _answered(self, route: "Route") -> None:
        box = self._inboxes[route]
        self._count(box.count)
        if box.broken:
            self._break(box.broken)
        elif box.over:
            self._leave(route)
        elif box.scarce:
            self._pause(route, box.scarce)
        else:
            self._watch(route)
        self._ended()

    # Files.

    def _begin_reading(self, route: "Route") -> None:
        from activator.serving.readers import Reading  # noqa: PLC0415 - rarely needed

        def ended() -> None:
            if reading.over and not self._draining:
                self._leave(route)
            self._check_over()

        reading = Reading(route, self._loop, traffic=self._count, broken=self._break, ended=ended)
        self._readings.append(reading)
        reading.resume_reading()

    def _leave(self, route: "Route") -> None:
        """Serve a file no more that is at its end; without others, the service ends."""
        self._routes = [other for other in self._routes if other is not route]
        if not self._routes:
            self.stop()

    def on_exception(self, _: asyncio.AbstractEventLoop, context: "dict[str, Any]") -> None:
        """Report what no handler caught, as the exception of a task that it started."""
        error = context.get("exception")
        if isinstance(error, ConnectionError):
            return
        if error is None:
            line(context["message"])
        else:
            failure(context["message"], error)


@contextmanager
def _quiet_asyncio() -> "Iterator[None]":
    """Keep asyncio from logging that a client has left while the handler still writes."""

    def worth_it(record: logging.LogRecord) -> bool:
        return record.msg != "socket.send() raised exception."

    logger = logging.getLogger("asyncio")
    logger.addFilter(worth_it)
    try:
        yield
    finally:
        logger.removeFilter(worth_it)
