"""The service with an event loop: shared or per-connection, async handlers and plain ones.

    starting   handlers that are context managers are entered
    serving    the loop watches the listeners and accepts; each connection is a task, or a
               transport and a protocol
    leaving    after the first signal, where that is wanted: as before
    draining   after that: listeners left alone, running tasks may end
    expired    the time has passed: tasks cancelled, protocols' transports aborted, plain handlers'
               connections shut down
    over       none runs any more, or a cancelled one has not ended within GRACE either;
               context managers are left

How connections come and go is in connections.py.
"""

import asyncio
import logging
from contextlib import contextmanager, suppress
from time import sleep

from activator.runtime.journal import ERROR
from activator.runtime.log_handler import take_over
from activator.runtime.serving.accept import PAUSE, anything_waits
from activator.runtime.serving.contexts import Contexts
from activator.runtime.serving.handlers import (
    CALLED,
    CONNECTED,
    CONTEXT,
    DATAGRAMS,
    PROTOCOL,
    READER,
    STREAMS,
    TAKER,
)
from activator.runtime.serving.life import NEVER, Life
from activator.runtime.serving.loop.choose import new_loop
from activator.runtime.serving.loop.connections import Connections
from activator.runtime.serving.loop.watched_listeners import WatchedListeners
from activator.runtime.serving.memory import NO_MEMORY, is_scarcity
from activator.runtime.serving.report import Rarely, failure, line
from activator.runtime.serving.restored import forget_restored
from activator.runtime.serving.stop import StopSignals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from activator.runtime.serving.loop.datagrams import Transport
    from activator.runtime.serving.loop.messages import MessageCalls
    from activator.runtime.serving.loop.readers import Reading
    from activator.runtime.serving.route import Route
    from activator.runtime.serving.settings import Ending, Settings

# How long cancelled handlers may take to end, in seconds.
GRACE = 1.0
ON_STREAMS = frozenset({STREAMS, PROTOCOL, CONTEXT, TAKER})


def run(routes: "Sequence[Route]", settings: "Settings") -> "Ending":
    """Serve until a signal, or until the one connection has ended; listeners stay open.

    The status is 1 if a listener could accept no more; in the per-connection mode it is the
    handler's.
    """
    take_over(settings.log_level)
    connected = all(route.listener.kind == CONNECTED for route in routes)
    families = [route.listener.family for route in routes if route.sort in ON_STREAMS]
    proxied = any(route.is_proxied or route.client for route in routes)
    loop = new_loop(settings.loop, families, short=connected, proxied=proxied)
    service = _Service(loop, settings)
    loop.set_exception_handler(service.on_exception)
    try:
        with _quiet_asyncio():
            service.run(routes)
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
        self._listeners = WatchedListeners(loop)
        self._connections = Connections(
            loop, settings, self._life, self._listeners, ended=self._ended, broken=self._break
        )
        self._routes: Sequence[Route] = ()
        self._contexts = Contexts(loop)
        self._starting: asyncio.Task[list[Route]] | None = None
        self._heeds_signals = False
        self._deadline = 0.0
        self._transports: list[Transport] = []
        self._readings: list[Reading] = []
        self._calls: MessageCalls | None = None
        self._scarcity = Rarely()

    def run(self, routes: "Sequence[Route]") -> None:
        """Run the loop to the end of :meth:`main`.

        A SystemExit or a KeyboardInterrupt that a protocol, or a task of a handler's, raises ends
        the run of a loop. Here it ends the connection.
        """
        main = self._loop.create_task(self.main(routes))
        while not main.done():
            try:
                self._loop.run_until_complete(main)
            except BaseException as error:
                if main.done() or not self._heeds_signals:
                    raise
                self._tell("a handler failed", error)
                if self._connections.alone:
                    self.status = 1
                self._connections.end_failed(error)
                if isinstance(error, MemoryError):
                    sleep(PAUSE)  # the loop itself may have none

    # The states.

    async def main(self, routes: "Sequence[Route]") -> None:
        """Go through all states."""
        # Within the running loop: uvloop misses a signal that comes before it runs.
        with StopSignals(self.leave, self.expire, self._loop):
            self._heeds_signals = True
            try:
                if await self.start(routes):
                    await self.over
                    left = self._deadline - self._loop.time() if self._listeners.closed else None
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
        self._connections.alone = not self._routes
        if self._routes:
            forget_restored(routes)
        if not all(route.is_async for route in routes):
            from activator.runtime.serving.threads.pool import Pool  # noqa: PLC0415 - rarely needed

            self._connections.pool = Pool(self._settings.threads, self._announce_freed)
        for route in routes:
            if route.sort == READER:
                self._begin_reading(route)
            elif route.sort in CALLED:
                self._begin_calling(route)
            else:
                sock = route.listener.socket()
                sock.setblocking(False)
                if route.listener.kind == CONNECTED:
                    self._connections.restore(route, sock)
                elif route.sort == DATAGRAMS:
                    self._begin_datagrams(route)
                else:
                    self._connections.open(route)
        self._life.ready()

    def leave(self) -> None:
        """Begin to end, at the first signal."""
        delay = 0.0 if self._connections.alone else self._life.leave()
        if delay:
            self._loop.call_later(delay, self.stop)
        else:
            self.stop()

    def stop(self) -> None:
        """Begin to drain."""
        if self._listeners.closed:
            return
        self._listeners.close()
        self._deadline = self._loop.time() + self._settings.drain
        if self._starting:
            self._starting.cancel()
            return
        for transport in (*self._transports, *self._readings):
            transport.close()
        self._life.drain(slowly=bool(self._contexts))
        if self._connections.pool:
            self._connections.pool.watch()
        self._loop.call_later(self._settings.drain, self.expire)
        self._check_over()

    def expire(self) -> None:
        """End what still runs, when the time has passed or at the second SIGINT."""
        self.stop()
        self.in_time = False
        self._connections.end()
        for reading in self._readings:
            reading.abort()
        if self.over.done():
            self._contexts.cancel()
        self._loop.call_later(GRACE, self._finish)

    async def end(self) -> None:
        """Cancel what the handlers have left running, and let generators clean up."""
        self._contexts.cancel()
        await self._contexts.end(GRACE)
        self.status = self.status or self._connections.status or self._contexts.status
        # Handlers that are still here have had their time.
        left = asyncio.all_tasks(self._loop) - self._connections.tasks - {asyncio.current_task()}
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=GRACE)
        await self._loop.shutdown_asyncgens()
        if self._connections.pool:
            self._connections.pool.unwatch()
            self._connections.pool.close()
        self._life.stop()
        if self._timer:
            self._timer.cancel()
        # What has not ended by now is given up, and asyncio need not say so.
        self._loop.set_exception_handler(lambda *_: None)

    def _check_over(self) -> None:
        if not (self._listeners.closed or self._connections.alone) or self._busy():
            return
        pool = self._connections.pool
        # What lasts does not make it busy.
        if not any(reading.busy for reading in self._readings) and not (pool and pool.unfinished):
            # Not at once: a protocol hears of its end right after the connection has.
            self._loop.call_soon(self._finish)

    def _finish(self) -> None:
        if not self.over.done():
            self.over.set_result(None)

    def _busy(self) -> int:
        return len(self._connections)

    def _break(self, reason: str) -> None:
        line(reason, ERROR)
        self.status = 1
        self.stop()

    def _ended(self) -> None:
        if self._listeners.closed or self._connections.alone:
            self._check_over()
            return
        self._life.note()
        if self._listeners.waiting:
            self._listeners.resume_all()

    def _announce_freed(self) -> None:
        # A straggler may end when the loop is closed already.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._ended)

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
        if self._connections.pool:
            self._life.used(self._connections.pool.ended)
        if self._calls:
            self._life.used(self._calls.used)
        if self._life.is_idle():
            waits = anything_waits(route.listener.fd for route in self._routes)
            if not (waits or self._contexts.at_work()):
                self.stop()
                return
            self._life.note()
        self._schedule_tick()

    # Messages.

    def _begin_datagrams(self, route: "Route") -> None:
        from activator.runtime.serving.loop.datagrams import Transport  # noqa: PLC0415 - rarely needed
        from activator.runtime.serving.receive import Channel  # noqa: PLC0415 - the same

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

    def _begin_calling(self, route: "Route") -> None:
        if not self._calls:
            from activator.runtime.serving.loop.messages import MessageCalls  # noqa: PLC0415 - rarely needed

            self._calls = MessageCalls(
                self._loop,
                self._listeners,
                self._connections,
                traffic=self._count,
                broken=self._break,
                left=self._leave,
                ended=self._ended,
            )
        self._calls.open(route, self._settings.message_max)

    # Files.

    def _begin_reading(self, route: "Route") -> None:
        from activator.runtime.serving.loop.readers import Reading  # noqa: PLC0415 - rarely needed

        def ended() -> None:
            if reading.over and not self._listeners.closed:
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
        if self._connections.alone and "protocol" in context:
            self.status = 1
        if error is None:
            line(context["message"])
        else:
            self._tell(context["message"], error)
            self._connections.end_unmade(error)

    def _tell(self, what: str, error: BaseException) -> None:
        if is_scarcity(error):
            self._scarcity.line(f"a connection was ended: {NO_MEMORY}")
        else:
            failure(what, error)


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
