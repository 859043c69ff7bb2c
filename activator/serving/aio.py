"""The service with an event loop: shared or per-connection, async handlers and plain ones.

    serving    the loop watches the listeners and accepts; each connection is a task
    draining   after the first signal: listeners left alone, running tasks may end
    expired    the time has passed: tasks cancelled, plain handlers' connections shut down
    over       none runs any more, or a cancelled one has not ended within GRACE either

Accepting is our own, so that every accepted connection is counted from its first moment
and none is dropped between the kernel's queue and its task.
"""

import asyncio
import logging
from contextlib import contextmanager, suppress

from activator import notify
from activator.serving.accept import PAUSE, BrokenListenerError, ScarceError, accept
from activator.serving.handlers import CONNECTED
from activator.serving.loops import new_loop
from activator.serving.report import Rarely, failure, line
from activator.serving.stop import StopSignals
from activator.serving.streams import converse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from socket import socket
    from typing import Any

    from activator.serving.engine import Ending, Settings
    from activator.serving.handlers import Route
    from activator.serving.pool import Pool

# How long cancelled handlers may take to end, in seconds.
GRACE = 1.0
# How many connections to accept from one listener before others have their turn.
BATCH = 64


def run(routes: "Sequence[Route]", settings: "Settings") -> "Ending":
    """Serve until a signal, or until the one connection has ended; listeners stay open.

    The status is 1 if a listener could accept no more; in the per-connection mode it is the
    handler's.
    """
    connected = any(route.listener.kind == CONNECTED for route in routes)
    families = [route.listener.family for route in routes if route.is_async]
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
        self._tasks: set[asyncio.Task[int]] = set()
        self._pool: Pool | None = None
        self._connected = False  # the per-connection mode
        self._watched: set[Route] = set()  # whose listeners are looked at now
        self._waiting: set[Route] = set()  # whose listeners wait for a thread
        self._draining = False
        self._scarcity = Rarely()

    # The states.

    async def main(self, routes: "Sequence[Route]") -> None:
        """Go through all states."""
        # Within the running loop: uvloop misses a signal that comes before it runs.
        with StopSignals(self.stop, self.expire, self._loop):
            self.begin(routes)
            await self.over
            await self.end()

    def begin(self, routes: "Sequence[Route]") -> None:
        if not all(route.is_async for route in routes):
            from activator.serving.pool import Pool  # noqa: PLC0415 - rarely needed

            self._pool = Pool(self._settings.threads, self._announce_freed)
        for route in routes:
            sock = route.listener.socket()
            sock.setblocking(False)
            if route.listener.kind == CONNECTED:
                self._connected = True
                self._adopt(route, sock)
            else:
                self._watch(route)
        notify.ready()

    def stop(self) -> None:
        """Begin to drain, at the first signal."""
        if self._draining:
            return
        self._draining = True
        for route in list(self._watched):
            self._unwatch(route)
        self._waiting.clear()
        notify.stopping()
        if self._pool:
            self._pool.watch()
        self._loop.call_later(self._settings.drain, self.expire)
        self._check_over()

    def expire(self) -> None:
        """End what still runs, when the time has passed or at the second SIGINT."""
        self.in_time = False
        for task in self._tasks:
            task.cancel()
        if self._pool:
            self._pool.abandon()
        self._loop.call_later(GRACE, self._finish)

    async def end(self) -> None:
        """Cancel what the handlers have left running, and let generators clean up."""
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
        # What has not ended by now is given up, and asyncio need not say so.
        self._loop.set_exception_handler(lambda *_: None)

    def _check_over(self) -> None:
        busy = self._tasks or (self._pool and self._pool.busy)
        if not busy and (self._draining or self._connected):
            self._finish()

    def _finish(self) -> None:
        if not self.over.done():
            self.over.set_result(None)

    # Listeners.

    def _watch(self, route: "Route") -> None:
        if not self._draining and route not in self._watched:
            self._watched.add(route)
            self._loop.add_reader(route.listener.fd, self._accept, route)

    def _unwatch(self, route: "Route") -> None:
        self._watched.discard(route)
        self._loop.remove_reader(route.listener.fd)

    def _accept(self, route: "Route") -> None:
        listener = route.listener
        for _ in range(BATCH):
            if self._draining:
                return
            if self._pool and not route.is_async and self._pool.full:
                self._unwatch(route)
                self._waiting.add(route)
                return
            try:
                sock = accept(listener.socket(), listener)
            except ScarceError as error:
                self._pause(route, str(error))
                return
            except BrokenListenerError as error:
                line(str(error))
                self.status = 1
                self.stop()
                return
            if sock is None:
                return
            self._adopt(route, sock)

    def _pause(self, route: "Route", reason: str) -> None:
        self._unwatch(route)
        self._waiting.add(route)
        self._loop.call_later(PAUSE, self._resume, route)
        self._scarcity.line(reason)

    def _resume(self, route: "Route") -> None:
        self._waiting.discard(route)
        self._watch(route)

    # Connections.

    def _adopt(self, route: "Route", sock: "socket") -> None:
        if route.is_async:
            task = self._loop.create_task(converse(route, sock, self._loop))
            self._tasks.add(task)
            task.add_done_callback(self._task_ended)
        elif self._pool:
            self._pool.submit(route, sock)

    def _task_ended(self, task: "asyncio.Task[int]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            error = task.exception()
            if error:  # no Exception, the handler's are all caught
                failure("a handler failed", error)
            elif self._connected:
                self.status = task.result()
        if self._draining or self._connected:
            self._check_over()

    def _announce_freed(self) -> None:
        # A straggler may end when the loop is closed already.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._thread_freed)

    def _thread_freed(self) -> None:
        if self._draining:
            self._check_over()
            return
        for route in list(self._waiting):
            self._resume(route)

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
