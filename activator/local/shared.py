"""The shared mode, Accept=no: one service for all clients.

The states, and what leads from one to the next::

    LISTENING --anything arrives at a socket, within the trigger limit--> SERVING
    LISTENING --the trigger limit is hit--> the unit's sockets are closed
    LISTENING --the poll limit is hit--> that socket is not polled for a while
    SERVING --the service ends, or cannot be started--> LISTENING
    any --stop()--> STOPPED, once the service has ended

While SERVING the sockets are not polled: they belong to the service. They stay open, so
clients queue in the kernel, and those that are left start the service again.
"""

import asyncio

from activator.errors import ActivatorError
from activator.local.context import Context
from activator.local.events import Event
from activator.local.group import Group
from activator.local.listener import Listener
from activator.local.models import Activation


class SharedGroup(Group):
    """A service and all sockets that it is passed."""

    def __init__(self, activation: Activation, listeners: list[Listener], context: Context) -> None:
        super().__init__(activation, listeners, context)
        self._arrival: asyncio.Future[Listener | None] | None = None
        self._resting: set[Listener] = set()

    async def run(self) -> None:
        """Serve until :meth:`stop`, or until nothing listens any more."""
        while self.listeners and not self.stopping:
            listener = await self._arrived()
            if listener is None:
                break
            if listener.hung_up():
                what = f"{self.activation.service} has called shutdown() on the socket: closed"
                self.fail(listener.unit, f"{what}; let it close() the descriptor instead")
            elif rest := self.too_busy(listener):
                self._resting.add(listener)
                asyncio.get_running_loop().call_later(rest, self._wake, listener)
            elif self.triggered(listener):
                self.context.emit(Event("traffic", listener.unit.name, address=listener.address))
                await self._serve()
        self.close()

    def stop(self) -> None:
        """Close the sockets and ask the service to end."""
        super().stop()
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    async def _arrived(self) -> Listener | None:
        """Wait until anything arrives; None when stopped."""
        loop = asyncio.get_running_loop()
        self._arrival = loop.create_future()
        for listener in self.listeners:
            if listener not in self._resting:
                loop.add_reader(listener, self._on_arrival, listener)
        try:
            return await self._arrival
        finally:
            for listener in self.listeners:
                loop.remove_reader(listener)

    def _on_arrival(self, listener: Listener) -> None:
        """Take the first arrival; of several at once the others come later."""
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(listener)

    def _wake(self, listener: Listener) -> None:
        """Poll a listener again that has rested."""
        self._resting.discard(listener)
        waiting = self._arrival is not None and not self._arrival.done()
        if waiting and listener in self.listeners:
            asyncio.get_running_loop().add_reader(listener, self._on_arrival, listener)

    async def _serve(self) -> None:
        """Run the service once, with all its sockets."""
        descriptors = [listener.fileno() for listener in self.listeners]
        names = [listener.unit.fdname for listener in self.listeners]
        try:
            run = self.new_run()
            run.start(descriptors, names, {})
        except ActivatorError as error:
            self.context.emit(Event("failed", self.activation.service, str(error)))
            return
        self.runs.add(run)
        try:
            await run.ended()
        finally:
            self.runs.discard(run)
