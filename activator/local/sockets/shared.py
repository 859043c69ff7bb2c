"""The shared mode, Accept=no: one service for all clients.

While the service runs the sockets are not polled: they belong to it. They stay open, so
clients queue in the kernel, and those that are left start it again. A socket that hits its
poll limit is not polled for a while.
"""

import os
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from activator.local.services.context import Context
from activator.local.services.service import Service
from activator.local.services.states import GONE, State
from activator.local.sockets import elsewhere
from activator.local.sockets.life import SocketLife
from activator.local.sockets.listener import Listener
from activator.local.units.models import SocketUnit
from activator.local.units.paths import RuntimeDir

if TYPE_CHECKING:
    import asyncio

_CHUNK = 65536
# Seconds after which a client should have been taken, if the service has its socket; a service
# that has not listened anywhere by then is looked at again after twice the time, and so on.
_TAKEN_WITHIN = 2.0


class SharedSocket(SocketLife):
    """A socket unit whose service gets all its sockets.

    Args:
        unit: The unit.
        context: What all units share.
        runtime: Where paths below /run go.
        on_over: See :class:`SocketLife`.
        service: The service.
        activate: Starts it.

    Attributes:
        held: Whether clients wait, since the service cannot start until its files change.
    """

    def __init__(
        self,
        unit: SocketUnit,
        context: Context,
        runtime: RuntimeDir,
        on_over: Callable[[SocketLife], None],
        *,
        service: Service,
        activate: Callable[[str], None],
    ) -> None:
        super().__init__(unit, context, runtime, on_over)
        self._service = service
        self._activate = activate
        self._resting: set[Listener] = set()
        self._looks: dict[Listener, asyncio.TimerHandle] = {}
        self.held = False

    def listen(self) -> None:
        """Wait for clients from now on."""
        if self._ending is not None or not self.listeners:
            return
        self.state = "listening"
        if self.held:
            return
        if self.unit.flush:
            self._flush()
        for listener in self.listeners:
            if listener not in self._resting:
                self._loop.add_reader(listener, self._on_arrival, listener)

    @property
    def awaited(self) -> bool:
        """Tell whether anything has arrived that nobody has taken."""
        return any(_readable(listener.fileno()) for listener in self.listeners)

    @property
    def _advice(self) -> str:
        """Return what to do about a service that leaves its clients waiting."""
        if self._service.refusal is not None:
            return "see above what keeps it from starting"
        return super()._advice

    def service_changed(self, *, waits: bool) -> None:
        """Take note that the service is in another state.

        Args:
            waits: Whether it has a job that is not done.
        """
        if self._ending is not None or self.state not in ("listening", "running"):
            return
        service = self._service
        if service.state not in GONE:
            self.state = "running"
            self.unwatch()
        elif service.start_limit_hit:
            what = f"{service.unit.name} was started too often (service-start-limit-hit): closed"
            self.fail("service-start-limit-hit", f"{what}; see why it ends, then run this again")
        elif not waits and self.state == "running":
            self.listen()

    def _on_arrival(self, listener: Listener) -> None:
        """Start the service for what has arrived."""
        if listener.hung_up():
            what = f"{self.unit.service} has called shutdown() on the socket: closed"
            self.fail("resources", f"{what}; let it close() the descriptor instead")
        elif rest := self._too_busy(listener):
            self._resting.add(listener)
            self._loop.remove_reader(listener)
            self._loop.call_later(rest, self._wake, listener)
        elif self._triggered():
            self._emit("traffic", listener=listener)
            self.state = "running"
            self.unwatch()
            self._activate(self.unit.service)
            if listener.address.accepts:
                self._look_later(listener, _TAKEN_WITHIN)

    def _look_later(self, listener: Listener, seconds: float) -> None:
        if listener in self._looks:
            self._looks[listener].cancel()
        look = self._loop.call_later(seconds, self._look_whether_taken, listener, seconds)
        self._looks[listener] = look

    def _look_whether_taken(self, listener: Listener, seconds: float) -> None:
        """Say so if the client waits still, and the service listens somewhere else."""
        service = self._service
        del self._looks[listener]
        if self.state != "running" or service.state is not State.RUNNING:
            return
        if listener not in self.listeners or not _readable(listener.fileno()):
            return
        ours = {os.fstat(each.fileno()).st_ino for each in self.listeners}
        others = elsewhere.listening([service.main_pid, *service.processes.members()], ours)
        if others:
            what = f"a client waits, and {service.unit.name} has not taken the socket it was passed"
            hint = 'see mode = "proxy" for such programs, or `activator exec` for {fd:NAME}'
            self._emit("note", f"{what}: it listens on {', '.join(others)}; {hint}", listener)
        else:
            self._look_later(listener, 2 * seconds)  # it may take its time to start

    def _wake(self, listener: Listener) -> None:
        """Poll a listener again that has rested."""
        self._resting.discard(listener)
        if self.state == "listening" and not self.held and listener in self.listeners:
            self._loop.add_reader(listener, self._on_arrival, listener)

    def _flush(self) -> None:
        """Drop what is queued: connections are closed, data is read."""
        for listener in self.listeners:
            sock = listener.sock
            with suppress(OSError):
                if sock is None:
                    self._drain(listener.fileno())
                elif listener.address.accepts:
                    self._refuse_all(sock)
                else:
                    self._drain(sock.fileno())

    def _refuse_all(self, sock: socket.socket) -> None:
        """Accept and close every connection that waits."""
        sock.setblocking(False)
        while True:
            sock.accept()[0].close()

    def _drain(self, descriptor: int) -> None:
        """Read all that is there."""
        os.set_blocking(descriptor, False)
        while os.read(descriptor, _CHUNK):
            pass


def _readable(descriptor: int) -> bool:
    """Tell whether there is anything to accept."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
