"""The states of a service as code: how each is entered, as :mod:`.states` has it.

The events that lead on are answered by :class:`activator.local.services.service.Service`.
"""

import math
from collections.abc import Callable, Sequence

from activator.errors import ActivatorError
from activator.local.conditions.judge import refusal
from activator.local.context import Context
from activator.local.services import results
from activator.local.services.base import ServiceBase
from activator.local.services.pid_file import PidFile
from activator.local.services.results import SUCCESS
from activator.local.services.settings import identity_of
from activator.local.services.spawn import Child, NotStarted, Passed
from activator.local.services.states import RELOADING, ROWS, State
from activator.local.services.timers import Deadline
from activator.local.units.service_model import ExecCommand, ServiceUnit

LOOK = 0.02  # seconds between looks at what is left, which no descriptor tells
SLOW_LOOK = 0.2  # the same where nobody waits for it
WATCHED = (State.START_POST, State.RUNNING, *RELOADING)
# Types that count as started once the program runs; its exec has been waited for.
_STARTED_AT_ONCE = ("simple", "exec", "idle", "dbus")


class ServiceStates(ServiceBase):
    """A service that can enter its states."""

    def __init__(
        self,
        unit: ServiceUnit,
        context: Context,
        passed: Callable[[], Sequence[Passed]],
        *,
        client: str = "",
        connection: dict[str, str] | None = None,
    ) -> None:
        super().__init__(unit, context, passed, client=client, connection=connection)
        self._queue: list[ExecCommand] = []
        self._current: ExecCommand | None = None
        self._main_command: ExecCommand | None = None
        self._deadline = Deadline(self._on_late)
        self._watchdog = Deadline(self.starve)
        self._look = Deadline(self._on_look)

    # --- the events, which a subclass answers ------------------------------------------

    def _on_main(self, child: Child, status: int | None) -> None:
        """Answer the main process's end."""
        raise NotImplementedError

    def _on_control(self, child: Child, status: int | None) -> None:
        """Answer the end of a command."""
        raise NotImplementedError

    def _on_no_command(self, status: int) -> None:
        """Answer a command that could not be started, as if it had ended."""
        raise NotImplementedError

    def _on_late(self) -> None:
        """Answer the end of a state's time."""
        raise NotImplementedError

    def _on_look(self) -> None:
        """Look whether something has happened that no descriptor tells."""
        raise NotImplementedError

    def starve(self) -> None:
        """Answer that the watchdog was not fed in time."""
        raise NotImplementedError

    # --- states ------------------------------------------------------------------------

    def _begin(self) -> None:
        """Begin a life."""
        if self._next_unit is not self.unit:
            self._become(self._next_unit)
        if self._refused():
            return
        rules = self.unit.restarting
        if not self._starts.allows():
            times = f"{rules.burst} time{'s' * (rules.burst > 1)} in {rules.interval:g}s"
            hint = "see why it ends, or set StartLimitIntervalSec=0 in [Unit]"
            self.start_limit_hit = True
            self.fail("start-limit-hit", f"was started {times} (start-limit-hit); {hint}")
            return
        self.start_limit_hit = False
        self.result = SUCCESS
        self.main_status = None
        self.status_text = self.notify_state = ""
        self.notify_access = self.unit.notify
        self._main_pid = 0
        self._early = self.dumped = False
        self._may_restart = True
        self._restarting = False
        self.processes.begin()
        try:
            self._directories.make(identity_of(self.unit.execution))
        except ActivatorError as error:
            self._set(State.CONDITION)  # so that it changes also if it has failed before
            self.say("failed", str(error.at(self.unit.place)))
            self._enter(State.DEAD, "exit-code")
            return
        self._enter(State.CONDITION)

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

    def _enter(self, state: State, result: str = SUCCESS) -> None:
        """Go to a state, or through it when it has nothing to do."""
        self._note(result)
        row = ROWS[state]
        if state is State.START:
            self._enter_start()
        elif state is State.RUNNING:
            self._enter_running()
        elif state is State.DEAD:
            self._enter_dead()
        elif row.signal:
            self._enter_signal(state)
        else:
            if state is State.START_POST:
                self.feed()
            self._queue = list(self.unit.commands.get(row.commands, ()))
            if self._queue:
                self._set(state)
                self._next_control()
            else:
                self._enter(row.done)

    def _enter_start(self) -> None:
        """Start the main process, or that which forks it."""
        self._queue = list(self.unit.commands.get("ExecStart", ()))
        self._set(State.START)
        if not self._queue:
            self._enter(State.START_POST)
        elif self.unit.type == "forking":
            self._next_control()
        else:
            self._next_main()

    def _enter_running(self) -> None:
        """Run on, remain after exit, or stop: whatever its processes allow."""
        if self.result != SUCCESS:
            self._enter(State.STOP_SIGTERM)
        elif self.processes.alive():
            if self.notify_state == "stopping":
                self._set(State.STOP_SIGTERM)
                self._arm()
            else:
                reloading = self.notify_state == "reloading"
                self._set(State.RELOAD_NOTIFY if reloading else State.RUNNING)
                self._arm()
                if self.processes.main is None:
                    self._look.set(SLOW_LOOK)
        elif self.unit.remain_after_exit:
            self._set(State.EXITED)
        else:
            self._enter(State.STOP)

    def _enter_signal(self, state: State) -> None:
        """Signal the processes; go on where there are none."""
        row = ROWS[state]
        restart = self._restarting and state is State.STOP_SIGTERM
        if self.processes.kill("restart" if restart else row.signal):
            self._set(state)
            self._arm()
            if not self.processes.watched:
                self._look.set(LOOK)
        elif self.unit.killing.send_sigkill:
            self._enter(row.late)
        else:
            self._enter(row.done)

    def _enter_dead(self) -> None:
        """End a life: once more from the start, or for good."""
        for each in (self._deadline, self._watchdog, self._look):
            each.clear()
        self._spawner.close()
        self.processes.forget()
        if self.unit.pid_file:
            PidFile(self.unit.pid_file).remove()
        rules = self.unit.restarting
        again = self._may_restart and results.restarts(
            rules, self.result, self.main_status, oneshot=self.unit.type == "oneshot"
        )
        preserve = self.unit.execution.preserve_runtime
        if preserve != "yes" and not (preserve == "restart" and (again or self._restarting)):
            self._directories.remove()
        if again:
            wait = results.delay(rules, self.restarts)
            self.restarts += 1
            self._set(State.AUTO_RESTART)
            self._deadline.set(wait)
            self._tell_end()
            self.say("restarting", f"{wait:g}s")
            return
        if not self._restarting:
            self._release()
        failed = self.result not in (SUCCESS, results.SKIPPED)
        self._set(State.FAILED if failed else State.DEAD)
        self._tell_end()

    def _release(self) -> None:
        """Drop what is kept over restarts only."""
        if self.unit.store_preserve != "yes":
            self.store.close()
        if self.unit.execution.preserve_runtime == "restart":
            self._directories.remove()

    def _set(self, state: State) -> None:
        """Be in a state from now on, and tell whoever waits for it."""
        before, self.state = self.state, state
        if state not in WATCHED:
            self._watchdog.clear()
        if ROWS[state].limit == "" or before is not state:
            self._deadline.clear()
        self._look.clear()
        if before is not state:
            self._context.changed(self, before)

    def _note(self, result: str) -> None:
        """Remember the first result that is no success."""
        if self.result == SUCCESS:
            self.result = result

    # --- processes ---------------------------------------------------------------------

    def _next_main(self) -> None:
        """Start the next main process."""
        command = self._current = self._queue.pop(0)
        self._main_command = command
        self._arm()
        try:
            self.adopt(self._spawn_main(command))
        except NotStarted as error:
            self.say("failed", str(error))
            self.main_status = error.exit_status
            self._enter(State.STOP_SIGTERM, SUCCESS if command.may_fail else "exit-code")
            return
        if self.unit.type in _STARTED_AT_ONCE:
            self._enter(State.START_POST)

    def _next_control(self) -> None:
        """Start the next command of the state."""
        command = self._current = self._queue.pop(0)
        self._arm()
        forks = self.state is State.START
        try:
            pid = self._spawn_main(command) if forks else self._spawn_control(command)
        except NotStarted as error:
            if not command.may_fail:
                self.say("failed", str(error))
            self._on_no_command(error.exit_status)
            return
        self.processes.set_control(pid, self._on_control)

    def adopt(self, pid: int) -> None:
        """Take a process for the main one from now on."""
        self._main_pid = pid
        self.processes.set_main(pid, self._on_main)
        self.say("started", self.client)

    def fail(self, result: str, text: str) -> None:
        """Let it fail before it has started anything, as systemd does at its start limit."""
        self._note(result)
        self._main_pid = 0
        self.say("failed", text)
        before, self.state = self.state, State.FAILED
        self._context.changed(self, before)  # also if it had failed before

    # --- time --------------------------------------------------------------------------

    def _arm(self) -> None:
        """Begin to count the time limit of the state."""
        limit = ROWS[self.state].limit
        self._deadline.set(self.limits.get(limit, math.inf) if limit else math.inf)

    def extend(self, seconds: float) -> None:
        """Let the current state take at least so many seconds from now."""
        self._deadline.extend(seconds)

    def feed(self, seconds: float | None = None) -> None:
        """Begin to count the watchdog's time again.

        Args:
            seconds: The limit from now on, None for that of the unit.
        """
        if seconds is not None:
            self.limits["Watchdog"] = seconds
        self._watchdog.set(self.limits.get("Watchdog", math.inf))
