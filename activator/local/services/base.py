"""What a service is: its unit, what is known of its life, and how its processes are started.

Source: systemd.service(5).
"""

import math
from collections.abc import Callable, Sequence

from activator.local.conditions.judge import Skipped, refusal
from activator.local.events import Event
from activator.local.limits import RateLimit
from activator.local.services import results
from activator.local.services.context import Context
from activator.local.services.fd_store import Store
from activator.local.services.processes import Processes
from activator.local.services.results import SUCCESS
from activator.local.services.spawn import Passed
from activator.local.services.starting import Starter
from activator.local.services.states import ROWS, State
from activator.local.units.models import Rate
from activator.local.units.service_model import ExecCommand, ServiceUnit, Statuses


class ServiceBase:
    """One service, or one instance of a template; :class:`.service.Service` is its life.

    Args:
        unit: The unit.
        context: What all units share.
        passed: Returns the socket units' descriptors, which stay theirs.
        client: The client it serves, for people; empty in the shared mode.
        connection: REMOTE_ADDR and its kin, for a connection.

    Attributes:
        unit: The unit.
        state: See :mod:`.states`.
        result: systemd's Result, such as ``exit-code``.
        client: The client it serves, for people; empty in the shared mode.
        status_text: What it said with STATUS= last.
        dumped: Whether its main process left a core dump.
        main_status: How its main process ended: the exit status, negative for a signal;
            None if none has.
        restarts: How often it was started again by itself since it was started by others.
        store: Its fd store.
        notify_state: ``reloading`` or ``stopping`` if it said so, else empty.
        notify_access: Who may notify, see the unit; it may be changed by a message.
        reload_failed: Whether the last reload did.
        start_limit_hit: Whether it was to be started too often.
        refusal: What kept it from its last start: a condition or assertion; None for nothing.
        limits: The unit's time limits; that of the watchdog may be changed by a message.
        processes: Its processes.
    """

    def __init__(
        self,
        unit: ServiceUnit,
        context: Context,
        passed: Callable[[], Sequence[Passed]],
        *,
        client: str = "",
        connection: dict[str, str] | None = None,
    ) -> None:
        self.state = State.DEAD
        self.result = SUCCESS
        self.client = client
        self.restarts = 0
        self.store = Store(unit.store_max)
        self.reload_failed = False
        self.refusal: Exception | None = None
        self._context = context
        self._passed = passed
        self._connection = connection or {}
        self._next_unit = unit
        self._become(unit)
        self._forget_last()

    def _become(self, unit: ServiceUnit) -> None:
        """Be a unit, while there is no process."""
        self.unit = unit
        self.limits = dict(unit.limits)
        self.processes = Processes(unit, self._context)
        self._starter = Starter(
            unit, self._context, self.processes, self._connection, self._on_line
        )
        self.forgive()

    def _forget_last(self) -> None:
        """Be as before the first start: nothing is known of the life before."""
        self.status_text = self.notify_state = ""
        self.notify_access = self.unit.notify
        self.main_status: int | None = None
        self.dumped = False
        self._main_pid = 0
        self._distrusted = ""  # why what a PID file names is not taken, as it was told
        self._main_command: ExecCommand | None = None
        self._queue: list[ExecCommand] = []
        self._current: ExecCommand | None = None
        self._early = False
        self._asked_to_reload = 0  # microseconds of CLOCK_MONOTONIC
        self._may_restart = True
        self._restarting = False

    @property
    def activity(self) -> str:
        """Return systemd's ActiveState."""
        return ROWS[self.state].activity

    @property
    def skipped(self) -> bool:
        """Tell whether its last start was, as a condition does not hold."""
        return isinstance(self.refusal, Skipped)

    @property
    def main_pid(self) -> int:
        """Return the main process, 0 if there is none now."""
        return self.processes.main.pid if self.processes.main is not None else 0

    @property
    def can_reload(self) -> bool:
        """Tell whether :meth:`reload` does anything."""
        return bool(self.unit.commands.get("ExecReload")) or self.unit.type == "notify-reload"

    def say(self, kind: str, text: str = "", *, status: int | None = None) -> None:
        """Tell what happens."""
        self._context.emit(Event(kind, self.unit.name, text, self._main_pid, status))

    def forgive(self) -> None:
        """Forget how often it was started, as `systemctl reset-failed` does."""
        rules = self.unit.restarting
        self._starts = RateLimit(Rate(rules.interval, rules.burst))
        self.start_limit_hit = False

    def _on_line(self, pid: int, line: str) -> None:
        self._context.emit(Event("output", self.unit.name, line, pid))

    def _note(self, result: str) -> None:
        """Remember the first result that is no success."""
        if self.result == SUCCESS:
            self.result = result

    def _start_main(self, command: ExecCommand) -> int:
        stored = (Passed(fd, name, socket=False) for fd, name in self.store)
        watchdog = self.limits.get("Watchdog", math.inf)
        return self._starter.main(command, [*self._passed(), *stored], self.notify_access, watchdog)

    def _start_control(self, command: ExecCommand) -> int:
        if self.state is State.START:
            return self._start_main(command)
        told = {}
        if self.state in (State.STOP, State.STOP_POST):
            told = results.exit_variables(self.result, self.main_status, dumped=self.dumped)
        return self._starter.control(command, self._passed(), self.notify_access, told)

    def _tell_end(self) -> None:
        """Tell how its main process ended."""
        if not self._main_pid:
            return
        text = results.how(self.main_status)
        if self._early and self.unit.waits_for_ready:
            text += " before it said READY=1"
        self.say("ended", text, status=self.main_status)

    def _refused(self) -> bool:
        """Tell whether the unit's conditions or assertions keep it from starting."""
        self.refusal = refusal(self.unit.conditions)
        if self.refusal is None:
            return False
        self._main_pid = 0
        self.say("note" if self.skipped else "failed", str(self.refusal))
        before = self.state
        if before is State.AUTO_RESTART:
            self.state = State.DEAD
        self._context.changed(self, before)  # nothing runs, but whoever waits may go on
        return True

    def _judge_control(self, status: int | None, *, dumped: bool) -> str:
        """Return what the end of a command means, and tell of its failure."""
        if self._current is not None and self._current.may_fail:
            return SUCCESS
        if self.state is State.CONDITION:
            result = results.judge_condition(status)
        else:
            result = results.judge(status, Statuses(), daemon=False, dumped=dumped)
        if result not in (SUCCESS, results.SKIPPED):
            self.say("note", f"{ROWS[self.state].commands or 'command'}= {results.how(status)}")
        return result
