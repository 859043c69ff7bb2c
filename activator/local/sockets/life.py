"""One socket unit, from its first command to its last; the two modes are subclasses.

The states, of systemd's own names, and what leads from one to the next::

    dead --start()--> start-pre: ExecStartPre=, each within TimeoutSec=
    start-pre --done: all sockets are opened--> start-post: ExecStartPost=
    start-post --done--> listening
    listening --anything arrives, within the limits--> running (Accept=no; see shared.py)
    running --the service has gone--> listening
    listening, running --stop(), or fail()--> stop-pre: ExecStopPre=
    stop-pre --done: the sockets are closed, their files removed--> stop-post: ExecStopPost=
    stop-post --done--> dead, or failed

Source: systemd.socket(5).
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable

from activator.errors import ActivatorError
from activator.local.conditions.judge import Skipped, refusal
from activator.local.events import Event
from activator.local.limits import RateLimit
from activator.local.services.context import Context
from activator.local.services.environment import listening
from activator.local.services.results import SUCCESS
from activator.local.services.spawn import Passed, Spawner
from activator.local.sockets.commands import run_commands
from activator.local.sockets.listener import Listener, open_listener
from activator.local.sockets.renewing import Handed, renew
from activator.local.units.models import Listen, SocketUnit, same
from activator.local.units.paths import RuntimeDir

OVER = ("dead", "failed")
# State → systemd's ActiveState; those above are its SubStates.
_ACTIVITIES = {
    "dead": "inactive",
    "start-pre": "activating",
    "start-post": "activating",
    "stop-pre": "deactivating",
    "stop-post": "deactivating",
    "failed": "failed",
}


class SocketLife(ABC):
    """A socket unit and its open sockets.

    Args:
        unit: The unit.
        context: What all units share.
        runtime: Where paths below /run go.
        on_over: Called when it listens no more, and its last command has ended.

    Attributes:
        unit: The unit.
        state: See above.
        result: systemd's Result, such as ``trigger-limit-hit``.
        listeners: Those that are open.
        skipped: Why it was not opened; empty if it was.
    """

    def __init__(
        self,
        unit: SocketUnit,
        context: Context,
        runtime: RuntimeDir,
        on_over: "Callable[[SocketLife], None]",
    ) -> None:
        self.unit = unit
        self.state = "dead"
        self.result = SUCCESS
        self.listeners: list[Listener] = []
        self.skipped = ""
        self._context = context
        self._runtime = runtime
        self._on_over = on_over
        self._loop = asyncio.get_running_loop()
        self._spawner = Spawner(unit.name, unit.execution, context, self._on_line)
        self._trigger = RateLimit(unit.trigger)
        self._polls: dict[Listener, RateLimit] = {}
        self._ending: asyncio.Task[None] | None = None

    async def start(
        self, refuse: Callable[[SocketUnit, Listen], None], handed: Handed | None = None
    ) -> list[ActivatorError]:
        """Run its first commands and open its sockets; nobody is served yet.

        Args:
            refuse: Called with each line before it is opened; it may raise.
            handed: Open listeners of other units, taken where they fit.

        Returns:
            What went wrong; then :meth:`close` is to be called.
        """
        problems: list[ActivatorError] = []
        why = refusal(self.unit.conditions)
        if isinstance(why, Skipped):
            self.skipped = str(why)
            return []
        if why is not None:
            return [why]
        try:
            await self._commands("start-pre", "ExecStartPre")
        except ActivatorError as error:
            return [error]
        for listen in self.unit.listens:
            try:
                refuse(self.unit, listen)
                found = handed.take(self.unit, listen, self._runtime) if handed else None
                listener = found or open_listener(self.unit, listen, self._runtime)
            except ActivatorError as error:
                problems.append(error)
                continue
            self.listeners.append(listener)
            self._polls[listener] = RateLimit(self.unit.poll)
        if not problems:
            try:
                await self._commands("start-post", "ExecStartPost")
            except ActivatorError as error:
                problems.append(error)
        return problems

    def announce(self) -> None:
        """Tell that its sockets are open, and what could not be done."""
        if self.skipped:
            self._emit("note", self.skipped)
            self.state = "dead"
            return
        self.state = "listening"
        for listener in self.listeners:
            if not listener.announced:
                self._emit("listening", listener=listener)
                listener.announced = True
            self._tell_notes(listener)

    def look(self) -> None:
        """Tell of paths that have gone, each once."""
        for listener in self.listeners:
            if listener.has_vanished():
                what = f"{listener.address.path} has gone: no client can reach it"
                hint = f"find out who removed it, {self.unit.service} perhaps, and run this again"
                self._emit("note", f"{what}; {hint}", listener)

    def become(self, unit: SocketUnit) -> None:
        """Be another unit, which differs in nothing that is fixed, with all who wait.

        Args:
            unit: The unit, with the same addresses, mode and service; its users exist.
        """
        if not same(unit.execution, self.unit.execution):
            self._spawner.close()
            self._spawner = Spawner(unit.name, unit.execution, self._context, self._on_line)
        if unit.trigger != self.unit.trigger:
            self._trigger = RateLimit(unit.trigger)
        if unit.poll != self.unit.poll:
            self._polls = {listener: RateLimit(unit.poll) for listener in self.listeners}
        self.unit = unit
        for listener, listen in zip(self.listeners, unit.listens, strict=True):
            renew(listener, unit, listen, self._runtime)
            self._tell_notes(listener)

    def hand_over(self, handed: Handed) -> None:
        """Give away the listeners that another unit can use."""
        given = [listener for listener in self.listeners if handed.wants(listener)]
        for listener in given:
            self._loop.remove_reader(listener)
            self.listeners.remove(listener)
        handed.put(given)

    @property
    def activity(self) -> str:
        """Return systemd's ActiveState."""
        return _ACTIVITIES.get(self.state, "active")

    @property
    def _advice(self) -> str:
        """Return what to do about a service that leaves its clients waiting."""
        return "see its output: it must accept or read what started it"

    @property
    def busy(self) -> bool:
        """Tell whether it has processes of its own."""
        return False

    @abstractmethod
    def listen(self) -> None:
        """Wait for clients from now on."""

    def stop(self) -> None:
        """Close its sockets, with the commands that go with it."""
        if self.state in OVER or self._ending is not None:
            return
        self.unwatch()
        if "ExecStopPre" not in self.unit.commands:
            self._close_listeners()
        self._ending = self._loop.create_task(self._end())

    def fail(self, result: str, text: str) -> None:
        """Close its sockets for good, and say why."""
        if self._ending is not None or self.state in OVER:
            return
        self.result = result
        self.stop()
        self._emit("failed", text)

    def close(self) -> None:
        """Close its sockets and remove their files at once, without any command."""
        if self._ending is not None:
            self._ending.cancel()
        self._close_listeners()
        self._spawner.close()
        self.state = "dead"

    def passed(self) -> list[Passed]:
        """Return what its service is passed; the descriptors stay ours."""
        return [Passed(each.fileno(), self.unit.fdname) for each in self.listeners]

    # --- for the modes -----------------------------------------------------------------

    def unwatch(self) -> None:
        """Wait for nobody."""
        for listener in self.listeners:
            self._loop.remove_reader(listener)

    def _too_busy(self, listener: Listener) -> float:
        """Count a wake-up against the poll limit; return the seconds to rest, 0 for none."""
        limit = self._polls[listener]
        if limit.allows():
            return 0.0
        rest, burst = limit.remaining(), self.unit.poll.burst
        what = f"more than {burst} clients in {self.unit.poll.interval:g}s (poll limit)"
        self._emit("note", f"{what}: resting for {rest:.1f}s", listener)
        return rest

    def _triggered(self) -> bool:
        """Count a client against the trigger limit; fail if there are too many."""
        if self._trigger.allows():
            return True
        burst, interval = self.unit.trigger.burst, self.unit.trigger.interval
        times = f"{burst} time{'s' * (burst > 1)} in {interval:g}s"
        if self.unit.accept:
            what = f"more than {times} a client came"
            hint = "raise TriggerLimitBurst= if that is right"
        else:
            what = f"{self.unit.service} was started {times} and left its client waiting"
            hint = self._advice
        text = f"{what} (trigger-limit-hit): closed; {hint}, then run this again"
        self.fail("trigger-limit-hit", text)
        return False

    def _emit(self, kind: str, text: str = "", listener: Listener | None = None) -> None:
        """Tell what happens."""
        event = Event(kind, self.unit.name, text)
        if listener is not None:
            event = event._replace(address=listener.address, fdname=self.unit.fdname)
        self._context.emit(event)

    def _tell_notes(self, listener: Listener) -> None:
        """Tell what could not be done, once."""
        notes, listener.notes = listener.notes, []
        for note in notes:
            self._emit("note", note, listener)

    # --- inside ------------------------------------------------------------------------

    async def _end(self) -> None:
        """Stop, step by step; a command that fails is told and does not keep it."""
        for state, name in (("stop-pre", "ExecStopPre"), ("stop-post", "ExecStopPost")):
            try:
                await self._commands(state, name)
            except ActivatorError as error:
                self._emit("note", str(error))
                if self.result == SUCCESS:
                    self.result = "exit-code"
            if state == "stop-pre":
                self._close_listeners()
        self._spawner.close()
        self.state = "dead" if self.result == SUCCESS else "failed"
        self._on_over(self)

    async def _commands(self, state: str, name: str) -> None:
        """Run the commands of one directive."""
        self.state = state
        commands = self.unit.commands.get(name, ())
        if not commands:
            return
        passed = self.passed() if self.unit.pass_descriptors and name != "ExecStartPre" else []
        given = {"INVOCATION_ID": self._context.family.new_id()}
        given |= listening([each.name for each in passed])
        await run_commands(
            self._spawner, commands, given, passed, timeout=self.unit.timeout, context=self._context
        )

    def _close_listeners(self) -> None:
        """Close the sockets and remove their files."""
        self.unwatch()
        for listener in self.listeners:
            listener.close()
        self.listeners.clear()

    def _on_line(self, pid: int, line: str) -> None:
        """Pass a line of output on."""
        self._context.emit(Event("output", self.unit.name, line, pid))
