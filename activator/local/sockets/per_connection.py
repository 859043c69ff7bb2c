"""The per-connection mode, Accept=yes: we accept, and each connection gets a service.

A listener is polled all the time. A connection above MaxConnections= or
MaxConnectionsPerSource= is accepted and closed, as systemd does; one above the trigger limit
ends the listening. When descriptors run out, accepting pauses for a moment.
"""

import socket
from collections.abc import Callable
from dataclasses import replace

from activator.errors import ActivatorError
from activator.local.limits import EXHAUSTED, exhausted
from activator.local.services.context import Context
from activator.local.services.service import Service
from activator.local.services.spawn import Passed
from activator.local.sockets.connection import Connection, describe
from activator.local.sockets.life import SocketLife
from activator.local.sockets.listener import Listener
from activator.local.sockets.options import apply
from activator.local.sockets.quick import Quick, QuickProcess, fits
from activator.local.units.models import SocketUnit, Template
from activator.local.units.paths import RuntimeDir
from activator.local.units.service_model import ServiceUnit

_PAUSE = 1.0  # seconds
_LAST = 4096  # connections, SOMAXCONN


class PerConnectionSocket(SocketLife):
    """A socket unit whose connections get an instance of a template each.

    Args:
        unit: The unit.
        context: What all units share.
        runtime: Where paths below /run go.
        on_over: See :class:`SocketLife`.
        template: The service's template.
        activate: Starts an instance.
        adopt: Takes note of an instance that has been started.

    Attributes:
        accepted: How many connections it has served.
    """

    def __init__(
        self,
        unit: SocketUnit,
        context: Context,
        runtime: RuntimeDir,
        on_over: Callable[[SocketLife], None],
        *,
        template: Template,
        activate: Callable[[Service], None],
        adopt: Callable[[Service], None],
    ) -> None:
        super().__init__(unit, context, runtime, on_over)
        self._template = template
        self._activate = activate
        self._adopt = adopt
        self._connections: dict[Service | QuickProcess, Connection] = {}
        self._quick: Quick | None = None
        self.accepted = 0

    def listen(self) -> None:
        """Wait for clients from now on."""
        self.renew(self._template)
        for listener in self.listeners:
            assert listener.sock is not None  # noqa: S101 - Accept=yes allows sockets alone
            listener.sock.setblocking(False)
            self._loop.add_reader(listener, self._on_connection, listener)

    @property
    def connections(self) -> int:
        """Return how many are served now."""
        return len(self._connections)

    def renew(self, template: Template) -> None:
        """Serve connections by a template from now on."""
        self._template = template
        if self._quick is not None:
            self._quick.close()
            self._quick = None
        if fits(template, self._context):
            self._quick = Quick(
                template,
                self._context,
                on_end=self._quickly_ended,
                on_left=self._take_over,
                on_failure=self._not_started,
            )

    @property
    def busy(self) -> bool:
        """Tell whether processes run that are not yet services of their own."""
        return any(isinstance(each, QuickProcess) for each in self._connections)

    def take_over(self) -> None:
        """Make services of all processes that run, to be stopped or looked at as such."""
        if self.busy:
            self._context.spawners.settle()
        for each in [*self._connections]:
            if isinstance(each, QuickProcess):
                each.quick.forget(each)
                self._take_over(each)

    def close(self) -> None:
        """Close its sockets, and what was prepared."""
        super().close()
        if self._quick is not None:
            self._quick.close()

    def finish(self) -> None:
        """Serve whoever waits already, before the sockets are closed."""
        for listener in [*self.listeners]:
            listener.made.remove()  # nobody finds it any more
            for _ in range(_LAST):
                sock = self._accept(listener) if self._ending is None else None
                if sock is None:
                    break
                if not self._serve(listener, sock):
                    sock.close()

    def gone(self, service: Service | QuickProcess) -> None:
        """Forget an instance that has ended, and close its connection."""
        if (connection := self._connections.pop(service, None)) is not None:
            connection.sock.close()

    def _on_connection(self, listener: Listener) -> None:
        """Accept one connection and start its service."""
        if rest := self._too_busy(listener):
            self._pause(listener, rest)
            return
        sock = self._accept(listener)
        if sock is not None and not self._serve(listener, sock):
            sock.close()

    def _accept(self, listener: Listener) -> socket.socket | None:
        """Accept one connection, None if there is none to be had now."""
        assert listener.sock is not None  # noqa: S101 - Accept=yes allows sockets alone
        try:
            return listener.sock.accept()[0]
        except (BlockingIOError, ConnectionAbortedError):
            return None
        except OSError as error:
            if listener.hung_up():
                what = "the socket was shut down; never shutdown() a listener"
                self.fail("resources", what)
            elif error.errno in EXHAUSTED:
                self._emit("note", f"cannot accept now: {exhausted(error)}")
                self._pause(listener, _PAUSE)
            # Otherwise it is the one connection's error (accept(2)): go on with the next.
            return None

    def _pause(self, listener: Listener, seconds: float) -> None:
        """Leave a listener alone for a while."""
        self._loop.remove_reader(listener)

        def resume() -> None:
            if listener in self.listeners and self._ending is None:
                self._loop.add_reader(listener, self._on_connection, listener)

        self._loop.call_later(seconds, resume)

    def _serve(self, listener: Listener, sock: socket.socket) -> bool:
        """Start the service of a connection; tell whether it has the socket now."""
        if not self._triggered():
            return False
        try:
            connection = describe(sock)
        except OSError:
            return False  # the client has gone already
        if refusal := self._refusal(connection):
            self._emit("refused", f"{connection.peer}: {refusal}", listener)
            return False
        for _ in apply(sock, self.unit.options):
            pass  # what cannot be set was told when the socket was opened
        number = self.accepted
        self.accepted += 1
        self._emit("traffic", connection.peer, listener)
        try:
            self._start(number, connection)
        except ActivatorError as error:
            self._emit("failed", str(error))
            cause = error.__cause__
            if isinstance(cause, OSError) and cause.errno in EXHAUSTED:
                self._pause(listener, _PAUSE)  # others may wait; this one is lost
            return False
        return True

    def _start(self, number: int, connection: Connection) -> None:
        """Start the service of a connection.

        Raises:
            ActivatorError: Its unit cannot be read, or its process not be started.
        """
        room = self._context.descriptors
        if self._quick is not None and room.suits(connection.sock.fileno()):
            self._connections[self._quick.start(number, connection)] = connection
            return
        room.look(connection.sock.fileno())
        unit = self._template.make(f"{number}-{connection.instance}")
        self._activate(self._service(unit, connection))

    def _service(self, unit: ServiceUnit, connection: Connection) -> Service:
        """Return the service of a connection, which is still to be started."""
        passed = [Passed(connection.sock.fileno(), self.unit.fdname)]
        service = Service(
            unit,
            self._context,
            lambda: passed,
            client=connection.peer,
            connection=connection.environment,
        )
        self._connections[service] = connection
        return service

    def _quickly_ended(self, process: QuickProcess) -> None:
        """Forget a process that has ended."""
        self.gone(process)
        if not self._connections and not self.listeners:
            self._on_over(self)

    def _not_started(self, process: QuickProcess, error: ActivatorError) -> None:
        """Tell why a process does not run, and close its connection."""
        self._emit("failed", str(error))
        self._quickly_ended(process)

    def _take_over(self, process: QuickProcess) -> None:
        """Make a service of a process that was started the quick way."""
        connection = self._connections.pop(process)
        unit = replace(self._template.sample, name=process.name)
        service = self._service(unit, connection)
        self._adopt(service)
        service.take_over(process.pid, process.invocation)

    def _refusal(self, connection: Connection) -> str:
        """Return why a connection is one too many, or nothing."""
        count = len(self._connections)
        if count >= self.unit.max_connections:
            return f"closed, {count} are being served (MaxConnections=)"
        most = self.unit.max_per_source
        if not most:
            return ""
        same = sum(each.source == connection.source for each in self._connections.values())
        if same >= most:
            return f"closed, {same} of its source are being served (MaxConnectionsPerSource=)"
        return ""
