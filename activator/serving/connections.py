"""The connections of a service with an event loop: accepted, served, counted, ended.

Accepting is our own, so that every connection is counted from its first moment, and none is
dropped between the kernel's queue and its handler.
"""

import os
from math import inf
from socket import socket

from activator.serving.accept import BrokenListenerError, ScarceError, accept, sort_out
from activator.serving.handlers import PROTOCOL, TAKER
from activator.serving.loops import is_uvloop
from activator.serving.protocols import Accepted, Connection, accepted_by, connect
from activator.serving.report import failure
from activator.serving.sources import Sources
from activator.serving.streams import conversation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task
    from collections.abc import Callable, Sequence
    from typing import Any

    from activator.serving.engine import Settings
    from activator.serving.gates import Gates
    from activator.serving.handlers import Route
    from activator.serving.life import Life
    from activator.serving.pool import Pool

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
        gates: Whose listeners they come from.
        ended: Called when one has ended.
        broken: Called with the reason when a listener can accept no more.
    """

    def __init__(
        self,
        loop: "AbstractEventLoop",
        settings: "Settings",
        life: "Life",
        gates: "Gates",
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
        self._gates = gates
        self._ended = ended
        self._broken = broken
        self._limit = settings.max_connections or inf
        self._sources = Sources(settings.max_per_source) if settings.max_per_source else None
        self._connections: set[Connection] = set()
        self._light: dict[Route, type[Accepted]] = {}
        self._light_count = 0  # how many of those there are: a set would be most of their memory
        self._fresh: list[Accepted] = []
        self._is_light = is_uvloop(loop) and not (self._sources or settings.meter)
        if settings.meter:
            settings.meter.tallies.doubles = is_uvloop(loop)

    def __len__(self) -> int:
        busy = self.pool.busy if self.pool else 0
        return len(self.tasks) + len(self._connections) + self._light_count + busy

    def is_full(self, route: "Route") -> bool:
        """Tell whether a listener has to wait."""
        if self._limit <= len(self):
            return True
        return self.pool is not None and not route.is_async and self.pool.full

    def end(self) -> None:
        """End all at once, their time having passed."""
        for task in self.tasks:
            task.cancel()
        for connection in list(self._connections):
            connection.abort()
        for accepted in self._find_light():
            accepted.abort()
        if self.pool:
            self.pool.abandon()

    def _find_light(self) -> "Sequence[Accepted]":
        if not self._light_count:
            return ()
        from gc import get_objects  # noqa: PLC0415 - rarely needed

        return [each for each in get_objects() if isinstance(each, Accepted)]

    # From the kernel's queue.

    def open(self, route: "Route") -> None:
        """Accept from a listener."""
        if route.sort == PROTOCOL and self._is_light:
            self._light[route] = accepted_by(route, self._loop, self._ended_lightly)
            self._gates.open(route, self._accept_lightly)
        else:
            self._gates.open(route, self._accept)

    def _accept(self, route: "Route") -> None:
        listener = route.listener
        shared = listener.socket()
        make: Any = Connection if route.is_async else socket
        if self._settings.meter:
            make = self._settings.meter.tallies.kind(listener, make)
        for _ in range(self._settings.batch):
            if self._gates.closed:
                return
            if self.is_full(route):
                self._gates.hold(route)
                return
            try:
                accepted = accept(shared, listener, make)
            except ScarceError as error:
                self._gates.pause(route, str(error))
                return
            except BrokenListenerError as error:
                self._broken(str(error))
                return
            if accepted is None:
                return
            self.adopt(route, *accepted)

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
                    self._gates.hold(route)
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
                    self._light_count += 1
                    fresh.append(connection)
        except OSError as error:
            try:
                sort_out(error, listener)
            except ScarceError as scarce:
                self._gates.pause(route, str(scarce))
            except BrokenListenerError as broken:
                self._broken(str(broken))
        if len(fresh) > FRESH:
            for connection in fresh:
                connection.settle()
            fresh.clear()
        life.note()

    def _ended_lightly(self, _: Accepted) -> None:
        self._light_count -= 1
        gates = self._gates
        if gates.closed or gates.waiting or self._life.quiet or self._settings.idle_exit:
            self._ended()

    # To the handler.

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
        if not connect(route, connection, self._loop) and self.alone:
            self.status = 1

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
