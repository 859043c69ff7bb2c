"""The connections of a service with an event loop: accepted, served, counted, ended.

Accepting is our own, so that every connection is counted from its first moment, and none is
dropped between the kernel's queue and its handler.
"""

import os
from math import inf
from socket import socket

from activator.runtime.journal import journal
from activator.runtime.serving.accept import (
    PAUSE,
    BrokenListenerError,
    ScarceError,
    accept,
    sort_out,
)
from activator.runtime.serving.handlers import PROTOCOL, TAKER
from activator.runtime.serving.loop.choose import is_uvloop
from activator.runtime.serving.loop.protocols import (
    Accepted,
    Chain,
    Connection,
    accepted_by,
    connect,
)
from activator.runtime.serving.loop.streams import conversation
from activator.runtime.serving.report import failure
from activator.runtime.serving.sources import Sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task
    from collections.abc import Callable
    from typing import Any

    from activator.runtime.serving.before.proxied import Waiting
    from activator.runtime.serving.life import Life
    from activator.runtime.serving.loop.watched_listeners import WatchedListeners
    from activator.runtime.serving.route import Route
    from activator.runtime.serving.settings import Settings
    from activator.runtime.serving.threads.pool import Pool

# How many connections may hold what they needed to begin; most do not live longer.
FRESH = 64
WITH_TRANSPORT = frozenset({PROTOCOL, TAKER})


class Connections:
    """All connections that are open: a task of each, a transport and a protocol, or a thread.

    Attributes:
        alone: Whether there is but one, passed by the service manager.
        pool: The threads of plain handlers, if there are some.
        status: What the one connection's handler has ended with.
        tasks: The tasks of handlers.

    Args:
        loop: The event loop.
        settings: What was set.
        life: Is told of each.
        listeners: Whose listeners they come from.
        ended: Called when one has ended.
        broken: Called with the reason when a listener can accept no more.
    """

    def __init__(
        self,
        loop: "AbstractEventLoop",
        settings: "Settings",
        life: "Life",
        listeners: "WatchedListeners",
        *,
        ended: "Callable[[], object]",
        broken: "Callable[[str], object]",
    ) -> None:
        self.alone = False
        self.pool: Pool | None = None
        self.status = 0
        self.tasks: set[Task[int]] = set()
        self._loop = loop
        self._settings = settings
        self._life = life
        self._listeners = listeners
        self._ended = ended
        self._broken = broken
        self._limit = settings.max_connections or inf
        self._sources = Sources(settings.max_per_source) if settings.max_per_source else None
        self._connections: set[Connection] = set()
        self._accepted = Chain()
        self._light: dict[Route, type[Accepted]] = {}
        self._fresh: list[Accepted] = []
        self._handshakes: set[Task[int]] = set()
        self._waiting: Waiting | None = None
        if settings.trusted:
            self._waiting = self._wait_for_headers()
        self._is_light = is_uvloop(loop) and not (self._sources or settings.meter)
        if settings.meter:
            settings.meter.tallies.doubles = is_uvloop(loop)

    def __len__(self) -> int:
        busy = self.pool.busy if self.pool else 0
        waiting = len(self._waiting) if self._waiting is not None else 0
        return len(self.tasks) + len(self._connections) + len(self._accepted) + busy + waiting

    def is_full(self, route: "Route") -> bool:
        """Tell whether a listener has to wait."""
        if self._limit <= len(self):
            return True
        return self.pool is not None and not route.is_async and self.pool.full

    def end(self) -> None:
        """End all at once, their time having passed."""
        if self._waiting is not None:
            self._waiting.close()
        for task in self.tasks:
            task.cancel()
        for connection in [*self._connections, *self._accepted]:
            connection.abort()
        if self.pool:
            self.pool.abandon()

    def end_failed(self, error: BaseException) -> None:
        """End the connections whose transport or protocol an exception has come through."""
        self.end_unmade(error)
        found = set()
        frames = error.__traceback__
        while frames:
            code = frames.tb_frame.f_code
            if code.co_argcount:
                found.add(id(frames.tb_frame.f_locals.get(code.co_varnames[0])))
            frames = frames.tb_next
        for connection in [*self._connections, *self._accepted]:
            transport: Any = connection.transport
            if transport and not found.isdisjoint((id(transport), id(transport.get_protocol()))):
                connection.abort()

    def end_unmade(self, error: BaseException) -> None:
        """End the connection whose protocol has failed to begin, which asyncio leaves as it is."""
        frames = error.__traceback__
        while frames:
            code = frames.tb_frame.f_code
            if code.co_name == "connection_made" and code.co_argcount > 1:
                transport: Any = frames.tb_frame.f_locals.get(code.co_varnames[1])
                if hasattr(transport, "abort"):
                    transport.abort()
                return
            frames = frames.tb_next

    # From the kernel's queue.

    def open(self, route: "Route") -> None:
        """Accept from a listener."""
        if route.sort == PROTOCOL and self._is_light and not route.tls:
            self._light[route] = accepted_by(route, self._loop, self._ended_lightly)
            self._listeners.open(route, self._accept_lightly)
        else:
            self._listeners.open(route, self._accept)

    def _accept(self, route: "Route") -> None:
        listener = route.listener
        shared = listener.socket()
        make: Any = Connection if route.is_async else socket
        if self._settings.meter:
            make = self._settings.meter.tallies.kind(listener, make)
        if route.is_proxied:
            from activator.runtime.serving.before.proxied import kind  # noqa: PLC0415 - rarely needed

            make = kind(make)
        for _ in range(self._settings.batch):
            if self._listeners.closed:
                return
            if self.is_full(route):
                self._listeners.hold(route)
                return
            try:
                self._reserve(route)
                accepted = accept(shared, listener, make)
            except ScarceError as error:
                self._listeners.pause(route, str(error))
                return
            except BrokenListenerError as error:
                self._broken(str(error))
                return
            if accepted is None:
                return
            if self._waiting is not None and route.is_proxied:
                self._introduce(self._waiting, route, accepted[0])
            else:
                self.adopt(route, *accepted)

    # From a proxy: when it has told whose they are.

    def _wait_for_headers(self) -> "Waiting":
        from activator.runtime.serving.before import proxied  # noqa: PLC0415 - rarely needed

        loop = self._loop

        def ready(fd: int) -> None:
            if waiting.ready(fd):
                self._ended()

        def tick() -> None:
            had = len(waiting)
            waiting.tick(loop.time())
            if len(waiting) < had:
                self._ended()

        def watch(fd: int) -> None:
            loop.add_reader(fd, ready, fd)
            loop.call_later(proxied.PATIENCE, tick)

        introductions = proxied.Introductions(self._settings.trusted, self._life.refuse)
        waiting = proxied.Waiting(introductions, watch, loop.remove_reader)
        return waiting

    def _introduce(self, waiting: "Waiting", route: "Route", sock: "socket") -> None:
        if not waiting.add(sock, lambda known: self.adopt(route, known, known.client)):
            self._life.note()

    def adopt_one(self, route: "Route", sock: "socket") -> None:
        """Serve a connection that the service manager has accepted."""
        if not (route.is_proxied or route.client):
            self.adopt(route, sock)
            return
        from activator.runtime.serving.before import proxied  # noqa: PLC0415 - rarely needed

        known = proxied.converted(sock, route.client)
        if self._waiting is not None and route.is_proxied:
            introductions = proxied.Introductions(self._settings.trusted, self._life.refuse)
            if not introductions.wait(known):
                self._ended()
                return
            proxied.announce(known)
        self.adopt(route, known, known.client)

    def _accept_lightly(self, route: "Route") -> None:
        """Do what :meth:`_accept` does, for uvloop's protocols and without a limit by source.

        It is as much as can be left out: half of the time of a short connection is spent here.
        """
        listener, life, fresh = route.listener, self._life, self._fresh
        accept = listener.socket()._accept  # type: ignore[attr-defined]  # noqa: SLF001
        make = self._light[route]
        try:
            for _ in range(self._settings.batch):
                if self._limit != inf and self.is_full(route):
                    self._listeners.hold(route)
                    break
                fd, _ = accept()
                life.accepted += 1
                listener.accepted += 1
                try:
                    connection = make(fd)
                except BaseException as error:  # noqa: BLE001 - a factory may fail in any way
                    os.close(fd)
                    failure(f"{route} failed", error, skip=2)
                else:
                    self._accepted.add(connection)
                    fresh.append(connection)
        except OSError as error:
            try:
                sort_out(error, listener)
            except ScarceError as scarce:
                self._listeners.pause(route, str(scarce))
            except BrokenListenerError as broken:
                self._broken(str(broken))
        if len(fresh) > FRESH:
            for connection in fresh:
                connection.settle()
            fresh.clear()
        life.note()

    def _ended_lightly(self, accepted: Accepted) -> None:
        self._accepted.remove(accepted)
        listeners = self._listeners
        if listeners.closed or listeners.waiting or self._life.quiet or self._settings.idle_exit:
            self._ended()

    # To the handler.

    def restore(self, route: "Route", sock: "socket") -> None:
        """Serve a connection that was passed, as soon as that is possible."""
        try:
            self._reserve(route)
        except ScarceError as error:
            self._listeners.scarcity.line(str(error))
            self._loop.call_later(PAUSE, self.restore, route, sock)
        else:
            self.adopt_one(route, sock)

    def _reserve(self, route: "Route") -> None:
        if self.pool and not route.is_async:
            self.pool.reserve()

    def adopt(self, route: "Route", sock: "socket", peer: object = None) -> None:
        """Serve a connection.

        Args:
            route: Whose handler to serve it with.
            sock: The connection, which is closed at its end.
            peer: Where it comes from, if accept(2) has told.
        """
        release = None
        if self._sources and not self.alone:
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
            self.tasks.add(task)
            task.add_done_callback(self._task_ended)
            if release:
                task.add_done_callback(lambda _: release())
        elif self.pool:
            self.pool.submit(route, sock, release)
        life.note()

    def _admit(self, sources: Sources, sock: "socket") -> "Callable[[], object] | None":
        source = sources.admit(sock)
        if source:
            return lambda: sources.release(source)
        self._life.refuse()
        self._life.note()
        sock.close()
        return None

    def _connect(
        self, route: "Route", sock: "socket", release: "Callable[[], object] | None"
    ) -> None:
        connection = sock
        if not isinstance(connection, Connection):
            connection = _made_one(sock)
        connection.ended = self._connection_ended
        connection.release = release
        self._connections.add(connection)
        if route.tls:
            self._shake_hands(route, connection)
            return
        if not connect(route, connection, self._loop) and self.alone:
            self.status = 1

    def _shake_hands(self, route: "Route", connection: Connection) -> None:
        from activator.runtime.serving.loop.secured import connect as secure  # noqa: PLC0415 - rarely needed

        if journal.is_on:
            journal.about.set((route.listener, connection))
        task = self._loop.create_task(secure(route, connection, self._loop))
        if journal.is_on:
            journal.about.set(None)
        self._handshakes.add(task)
        task.add_done_callback(self._handshake_ended)

    def _handshake_ended(self, task: "Task[int]") -> None:
        self._handshakes.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error:
            failure("a handler failed", error)
        if self.alone:
            self.status = 1 if error else task.result()

    def _connection_ended(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if connection.release:
            connection.release()
        self._ended()

    def _task_ended(self, task: "Task[int]") -> None:
        self.tasks.discard(task)
        if not task.cancelled():
            error = task.exception()
            if error:  # no Exception, the handler's are all caught
                failure("a handler failed", error)
            elif self.alone:
                self.status = task.result()
        self._ended()


def _made_one(sock: "socket") -> Connection:
    """Return a connection that tells when it is closed, and take the other over."""
    make: Any = Connection
    client = getattr(sock, "client", None)
    if client is not None:
        from activator.runtime.serving.before.proxied import kind  # noqa: PLC0415 - rarely needed

        make = kind(make)
    made: Any = make(sock.family, sock.type, sock.proto, sock.detach())
    if client is not None:
        made.client = client
    return made  # type: ignore[no-any-return]  # its class is made at run time
