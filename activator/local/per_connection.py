"""The per-connection mode, Accept=yes: we accept, and each connection gets a process.

A listener is polled all the time. A connection above MaxConnections= or
MaxConnectionsPerSource= is accepted and closed, as systemd does; one above the trigger limit
ends the listening. When descriptors run out, accepting pauses for a moment.
"""

import asyncio
import errno
import socket

from activator.errors import ActivatorError
from activator.local.connection import Connection, describe
from activator.local.context import Context
from activator.local.events import Event
from activator.local.group import Group
from activator.local.listener import Listener
from activator.local.models import Activation, SocketUnit
from activator.local.options import apply
from activator.local.service_run import ServiceRun

_PAUSE = 1.0  # seconds
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN)


class PerConnectionGroup(Group):
    """A template and the sockets whose connections get its instances."""

    def __init__(self, activation: Activation, listeners: list[Listener], context: Context) -> None:
        super().__init__(activation, listeners, context)
        self._changed = asyncio.Event()
        self._tasks = asyncio.TaskGroup()
        self._sources: dict[ServiceRun, tuple[SocketUnit, str]] = {}
        self._accepted = dict.fromkeys((unit.name for unit in activation.sockets), 0)

    async def run(self) -> None:
        """Serve until :meth:`stop`, or until nothing listens and all have ended."""
        loop = asyncio.get_running_loop()
        async with self._tasks:
            for listener in self.listeners:
                assert listener.sock is not None  # noqa: S101 - Accept=yes allows sockets alone
                listener.sock.setblocking(False)
                loop.add_reader(listener, self._on_connection, listener)
            while self.listeners and not self.stopping:
                await self._changed.wait()
                self._changed.clear()
        self.close()

    def stop(self) -> None:
        """Close the sockets and ask every process to end."""
        super().stop()
        self._changed.set()

    def fail(self, unit: SocketUnit, text: str) -> None:
        """Close a unit's sockets for good; those who are served stay."""
        super().fail(unit, text)
        self._changed.set()

    def _on_connection(self, listener: Listener) -> None:
        """Accept one connection and start its process."""
        if rest := self.too_busy(listener):
            self._pause(listener, rest)
            return
        sock = self._accept(listener)
        if sock is None:
            return
        with sock:
            if not self.triggered(listener):
                return
            try:
                connection = describe(sock)
            except OSError:
                return  # the client has gone already
            unit = listener.unit
            if refusal := self._refusal(unit, connection):
                text = f"{connection.peer}: {refusal}"
                self.context.emit(Event("refused", unit.name, text, address=listener.address))
                return
            for _ in apply(sock, unit.options):
                pass  # what cannot be set was told when the socket was opened
            where = listener.address
            self.context.emit(Event("traffic", unit.name, connection.peer, address=where))
            self._serve(unit, connection)

    def _accept(self, listener: Listener) -> socket.socket | None:
        """Accept one connection, None if there is none to be had now."""
        assert listener.sock is not None  # noqa: S101 - Accept=yes allows sockets alone
        try:
            return listener.sock.accept()[0]
        except (BlockingIOError, ConnectionAbortedError):
            return None
        except OSError as error:
            if listener.hung_up():
                self.fail(listener.unit, "the socket was shut down; never shutdown() a listener")
            elif error.errno in _EXHAUSTED:
                what = f"cannot accept now: {error.strerror}"
                self.context.emit(
                    Event("note", listener.unit.name, f"{what}; raise `ulimit -n`, or serve fewer")
                )
                self._pause(listener, _PAUSE)
            # Otherwise it is the one connection's error (accept(2)): go on with the next.
            return None

    def _pause(self, listener: Listener, seconds: float) -> None:
        """Leave a listener alone for a while."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(listener)

        def resume() -> None:
            if listener in self.listeners:
                loop.add_reader(listener, self._on_connection, listener)

        loop.call_later(seconds, resume)

    def _refusal(self, unit: SocketUnit, connection: Connection) -> str:
        """Return why a connection is one too many, or nothing."""
        mine = [source for other, source in self._sources.values() if other is unit]
        if len(mine) >= unit.max_connections:
            return f"closed, {len(mine)} are being served (MaxConnections=)"
        same = sum(source == connection.source for source in mine)
        if 0 < unit.max_per_source <= same:
            return f"closed, {same} of its source are being served (MaxConnectionsPerSource=)"
        return ""

    def _serve(self, unit: SocketUnit, connection: Connection) -> None:
        """Start the process of a connection, which holds its socket from then on."""
        number = self._accepted[unit.name]
        self._accepted[unit.name] += 1
        try:
            run = self.new_run(f"{number}-{connection.instance}", connection.peer)
            run.start([connection.sock.fileno()], [unit.fdname], connection.environment)
        except ActivatorError as error:
            self.context.emit(Event("failed", self.activation.service, str(error)))
            return
        self.runs.add(run)
        self._sources[run] = (unit, connection.source)
        self._tasks.create_task(self._until_ended(run))

    async def _until_ended(self, run: ServiceRun) -> None:
        """See a process through."""
        try:
            await run.ended()
        finally:
            self.runs.discard(run)
            del self._sources[run]
