"""The local activator as a whole: open everything or nothing, serve, stop cleanly.

The states, and what leads from one to the next::

    NEW --open(): all sockets of all units, or an error and none--> OPEN
    OPEN --run()--> SERVING: one group a service, see shared.py and per_connection.py
    SERVING --stop()--> STOPPING: sockets closed and removed, processes asked to end
    STOPPING --stop() again--> processes are killed
    SERVING, STOPPING --every group is done--> CLOSED
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping

from activator.address import Address
from activator.errors import ActivatorError, Problems
from activator.local.context import Context
from activator.local.events import Event
from activator.local.family import Family
from activator.local.listener import Listener, open_listener
from activator.local.models import Listen, Plan, SocketUnit
from activator.local.notify import NotifySocket
from activator.local.paths import RuntimeDir
from activator.local.per_connection import PerConnectionGroup
from activator.local.shared import SharedGroup

_POLL = 0.02  # seconds


class Supervisor:
    """Run a plan.

    Args:
        plan: What :func:`activator.local.load.load` returned.
        on_event: Gets every event, in the order in which things happen, from the event
            loop's thread; it must not block or raise.
        runtime: Where paths below /run go.
        environment: Variables for every service, below the units' own.
    """

    def __init__(
        self,
        plan: Plan,
        on_event: Callable[[Event], None],
        *,
        runtime: RuntimeDir | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._plan = plan
        self._emit = on_event
        self._runtime = runtime or RuntimeDir()
        self._environment = dict(environment or {})
        self._listeners: list[Listener] = []
        self._groups: list[SharedGroup | PerConnectionGroup] = []
        self._notify: NotifySocket | None = None
        self._stopping = False

    @property
    def addresses(self) -> list[Address]:
        """Return what is open, as bound here, in the units' order."""
        return [listener.address for listener in self._listeners]

    def open(self) -> None:
        """Open all sockets of all units.

        Raises:
            ActivatorError: One or more cannot be opened; then none is left open.
        """
        problems: list[ActivatorError] = []
        opened: list[tuple[SocketUnit, Listen]] = []
        for unit, listen in self._plan.listens():
            try:
                _refuse_twice(unit, listen, opened)
                self._listeners.append(open_listener(unit, listen, self._runtime))
                opened.append((unit, listen))
            except ActivatorError as error:
                problems.append(error)
        if problems:
            self.close()
            raise problems[0] if len(problems) == 1 else Problems(problems)
        for listener in self._listeners:
            name, address = listener.unit.name, listener.address
            self._emit(Event("listening", name, address=address))
            for note in listener.notes:
                self._emit(Event("note", name, note, address=address))

    async def run(self) -> bool:
        """Serve until :meth:`stop` is called, or until nothing is left to serve.

        :meth:`open` must have been called.

        Returns:
            Whether it ended because it was asked to.
        """
        if self._stopping:
            self.close()
            return True
        family = Family()
        context = Context(self._emit, family, extra=self._environment)
        try:
            await self._serve(context)
        finally:
            self.close()
            for group in self._groups:
                group.abandon()
            # KillMode=process leaves processes to a system that goes on, but this one ends.
            while family.signal(signal.SIGKILL):
                time.sleep(_POLL)  # noqa: ASYNC251 - the loop has nothing left to do
            family.close()
        self._emit(Event("stopped"))
        return self._stopping

    async def _serve(self, context: Context) -> None:
        """Serve every service in a group of its own, until all groups are done."""
        loop = asyncio.get_running_loop()
        if any(each.sample.notify != "none" for each in self._plan.activations):
            self._notify = NotifySocket(self._on_message)
            context.notify_path = self._notify.path
            loop.add_reader(self._notify, self._notify.receive)
        for activation in self._plan.activations:
            mode = PerConnectionGroup if activation.accept else SharedGroup
            mine = [each for each in self._listeners if each.unit in activation.sockets]
            self._groups.append(mode(activation, mine, context))
        try:
            async with asyncio.TaskGroup() as tasks:
                for group in self._groups:
                    tasks.create_task(group.run())
        finally:
            if self._notify is not None:
                loop.remove_reader(self._notify)

    def stop(self) -> None:
        """Close the sockets and let every process end; called again, kill them."""
        for group in self._groups:
            if self._stopping:
                group.kill()
            else:
                group.stop()
        if not self._stopping:
            self._stopping = True
            self._emit(Event("stopping"))

    def close(self) -> None:
        """Close what is open and remove its files; processes are not touched."""
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        if self._notify is not None:
            self._notify.close()
            self._notify = None

    def _on_message(self, sender: int, fields: dict[str, str]) -> None:
        """Give a notification to the process in whose session its sender is."""
        try:
            session = os.getsid(sender)
        except ProcessLookupError:
            return  # it has gone, and with it what it belonged to
        for group in self._groups:
            for run in group.runs:
                if run.pid == session:
                    run.notified(sender, fields)


def _refuse_twice(
    unit: SocketUnit, listen: Listen, opened: list[tuple[SocketUnit, Listen]]
) -> None:
    """Refuse an address that another line of this run has, rather than blame a stranger."""
    for other_unit, other in opened:
        reuse = "ReusePort" in unit.options.values and "ReusePort" in other_unit.options.values
        same = listen.address.resolved() == other.address.resolved()
        if same and not (reuse and listen.address.is_ip):
            raise ActivatorError(
                f"{listen.address.human()} is the same address as in {other.place}",
                f"change {listen.address.directive}=",
                place=listen.place,
            )
