"""What the two modes have in common: the listeners of one service, and their failure."""

import asyncio

from activator.local.context import Context
from activator.local.events import Event
from activator.local.limits import RateLimit
from activator.local.listener import Listener
from activator.local.models import Activation, SocketUnit
from activator.local.service_run import ServiceRun


class Group:
    """A service and its open sockets; the modes are subclasses.

    Args:
        activation: The units.
        listeners: Their sockets in order; closed by the group.
        context: What all groups share.

    Attributes:
        activation: The units.
        listeners: Those that still listen.
        runs: The processes that exist now.
    """

    def __init__(self, activation: Activation, listeners: list[Listener], context: Context) -> None:
        self.activation = activation
        self.listeners = listeners
        self.context = context
        self.runs: set[ServiceRun] = set()
        self.stopping = False
        self._triggers = {unit.name: RateLimit(unit.trigger) for unit in activation.sockets}
        self._polls = {listener: RateLimit(listener.unit.poll) for listener in listeners}

    async def run(self) -> None:
        """Serve until :meth:`stop`, or until nothing listens any more and all have ended."""
        raise NotImplementedError

    def stop(self) -> None:
        """Close the sockets and ask every process to end."""
        self.stopping = True
        self.close()
        for run in self.runs:
            run.stop()

    def kill(self) -> None:
        """End every process at once."""
        for run in self.runs:
            run.kill()

    def abandon(self) -> None:
        """End at once what is left when a run breaks off, and wait for it."""
        for run in self.runs:
            run.abandon()
        self.runs.clear()

    def close(self) -> None:
        """Close the sockets and remove their files."""
        loop = asyncio.get_running_loop()
        for listener in self.listeners:
            loop.remove_reader(listener)
            listener.close()
        self.listeners.clear()

    def new_run(self, instance: str = "", client: str = "") -> ServiceRun:
        """Return a process that is still to be started.

        Raises:
            ActivatorError: The instance's unit cannot be read.
        """
        return ServiceRun(self.activation.make(instance), self.context, client=client)

    def too_busy(self, listener: Listener) -> float:
        """Count a wake-up against the poll limit; return the seconds to rest, 0 for none."""
        limit = self._polls[listener]
        if limit.allows():
            return 0.0
        rest, burst = limit.remaining(), listener.unit.poll.burst
        what = f"more than {burst} clients in {listener.unit.poll.interval:g}s (poll limit)"
        text = f"{what}: resting for {rest:.1f}s"
        self.context.emit(Event("note", listener.unit.name, text, address=listener.address))
        return rest

    def triggered(self, listener: Listener) -> bool:
        """Count a client against the trigger limit; fail the socket if there are too many."""
        unit = listener.unit
        if self._triggers[unit.name].allows():
            return True
        burst, interval = unit.trigger.burst, unit.trigger.interval
        times = f"{burst} time{'s' * (burst > 1)} in {interval:g}s"
        if unit.accept:
            what = f"more than {times} a client came"
            hint = "raise TriggerLimitBurst= if that is right"
        else:
            what = f"{self.activation.service} was started {times} and left its client waiting"
            hint = "see its output: it must accept or read what started it"
        self.fail(unit, f"{what} (trigger limit): closed; {hint}, then run this again")
        return False

    def fail(self, unit: SocketUnit, text: str) -> None:
        """Close a unit's sockets for good."""
        loop = asyncio.get_running_loop()
        for listener in [each for each in self.listeners if each.unit is unit]:
            loop.remove_reader(listener)
            listener.close()
            self.listeners.remove(listener)
        self.context.emit(Event("failed", unit.name, text))
