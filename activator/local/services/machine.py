"""A service as a machine that goes from state to state as processes end and time passes.

:mod:`.states` has the table of what each state does and where it leads. What remains is here:

======================  =====================================================================
the main process ends   START: oneshot goes on, others fail or leave RUNNING at once;
                        START_POST, reloading: STOP; RUNNING: STOP, or EXITED with
                        RemainAfterExit=; with ExitType=cgroup not before the last process
                        has ended; stopping: the next state, once no control process is
                        left
a control process ends  the next command of the line, then ``done`` or ``failed``
READY=1                 START: START_POST; RELOAD_NOTIFY: RUNNING
RELOADING=1             RUNNING, RELOAD_SIGNAL: RELOAD_NOTIFY
STOPPING=1              RUNNING: STOP_SIGTERM, without the signal
no WATCHDOG=1 in time   STOP_WATCHDOG
stop()                  STOP, or STOP_SIGTERM while starting; never AUTO_RESTART after it
DEAD is reached         AUTO_RESTART if Restart= says so, FAILED if the result is no success
======================  =====================================================================

A result that is not ``success`` sticks; the first one counts. There are no control groups
here: what a service leaves behind is found by :mod:`.family`.
"""

import math
from functools import cached_property

from activator.errors import ActivatorError
from activator.local.services import results, timeouts
from activator.local.services.base import ServiceBase
from activator.local.services.before_exec import identity_of
from activator.local.services.pid_file import PidFile
from activator.local.services.results import SUCCESS
from activator.local.services.spawn import Child, NotStarted
from activator.local.services.states import ENDING, RELOADING, ROWS, STOPPING, State
from activator.local.services.timers import Deadline

_LOOK = 0.02  # seconds between looks at what is left, which no descriptor tells
_SLOW_LOOK = 0.2  # the same where nobody waits for it
_WATCHED = (State.START_POST, State.RUNNING, *RELOADING)
# Types that count as started once the program runs; its exec has been waited for.
_STARTED_AT_ONCE = ("simple", "exec", "idle", "dbus")


class Machine(ServiceBase):
    """A service that goes through its states."""

    _deadline = cached_property(lambda self: Deadline(self._on_late))
    _watchdog = cached_property(lambda self: Deadline(self.starve))
    _look = cached_property(lambda self: Deadline(self._on_look))

    # --- states ------------------------------------------------------------------------

    def _begin(self) -> None:
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
        self._forget_last()
        self.processes.begin()
        try:
            self._starter.directories.make(identity_of(self.unit.execution))
        except ActivatorError as error:
            self._set(State.CONDITION)  # so that it changes also if it has failed before
            self.say("failed", str(error.at(self.unit.place)))
            self._enter(State.DEAD, "exit-code")
            return
        self._enter(State.CONDITION)

    def _enter(self, state: State, result: str = SUCCESS) -> None:
        """Go to a state, or through it when it has nothing to do."""
        self._note(result)
        row = ROWS[state]
        if state is State.RUNNING:
            self._enter_running()
        elif state is State.DEAD:
            self._enter_dead()
        elif row.signal:
            self._enter_signal(state)
        else:
            if state is State.START_POST:
                self.feed()
            self._queue = list(self.unit.commands.get(row.commands, ()))
            if self._queue or state is State.START:
                self._set(state)
            if not self._queue:
                self._enter(row.done)
            elif state is State.START and self.unit.type != "forking":
                self._next_main()
            else:
                self._next_control()

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
                    self._look.set(_SLOW_LOOK)
        elif self.unit.remain_after_exit:
            self._set(State.EXITED)
        else:
            self._enter(State.STOP)

    def _enter_signal(self, state: State) -> None:
        row = ROWS[state]
        restart = self._restarting and state is State.STOP_SIGTERM
        if self.processes.kill("restart" if restart else row.signal):
            self._set(state)
            self._arm()
            if not self.processes.watched:
                self._look.set(_LOOK)
        elif self.unit.killing.send_sigkill:
            self._enter(row.late)
        else:
            self._enter(row.done)

    def _enter_dead(self) -> None:
        """End a life: once more from the start, or for good."""
        self._stop_clocks()
        self._starter.close()
        self.processes.forget()
        if self.unit.pid_file:
            PidFile(self.unit.pid_file).remove()
        rules = self.unit.restarting
        again = self._may_restart and results.restarts(
            rules, self.result, self.main_status, oneshot=self.unit.type == "oneshot"
        )
        preserve = self.unit.execution.preserve_runtime
        if preserve != "yes" and not (preserve == "restart" and (again or self._restarting)):
            self._starter.directories.remove()
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
        if self.unit.store_preserve != "yes":
            self.store.close()
        if self.unit.execution.preserve_runtime == "restart":
            self._starter.directories.remove()

    def _set(self, state: State) -> None:
        """Be in a state from now on, and tell whoever waits for it."""
        before, self.state = self.state, state
        if state not in _WATCHED:
            self._watchdog.clear()
        if ROWS[state].limit == "" or before is not state:
            self._deadline.clear()
        self._look.clear()
        if before is not state:
            self._context.changed(self, before)

    def _arm(self) -> None:
        self._deadline.set(self.limits.get(ROWS[self.state].limit, math.inf))

    def _stop_clocks(self) -> None:
        for each in (self._deadline, self._watchdog, self._look):
            each.clear()

    # --- processes ---------------------------------------------------------------------

    def _next_main(self) -> None:
        command = self._current = self._main_command = self._queue.pop(0)
        self._arm()
        try:
            self.adopt(self._start_main(command))
        except NotStarted as error:
            self.say("failed", str(error))
            self.main_status = error.exit_status
            self._enter(State.STOP_SIGTERM, SUCCESS if command.may_fail else "exit-code")
            return
        if self.unit.type in _STARTED_AT_ONCE:
            self._enter(State.START_POST)

    def _next_control(self) -> None:
        command = self._current = self._queue.pop(0)
        self._arm()
        try:
            pid = self._start_control(command)
        except NotStarted as error:
            if not command.may_fail:
                self.say("failed", str(error))
            self._control_ended(error.exit_status)
            return
        self.processes.set_control(pid, self._on_control)

    # --- what happens ------------------------------------------------------------------

    def _on_main(self, child: Child, status: int | None) -> None:
        if self._take_named():
            return  # it has moved on to another
        command = self._main_command
        self.main_status, self.dumped = status, child.dumped
        daemon = self.unit.type != "oneshot"
        result = results.judge(
            status, self.unit.restarting.success, daemon=daemon, dumped=child.dumped
        )
        if command is not None and command.may_fail:
            result = SUCCESS
        self._note(result)
        control = self.processes.control is not None
        lasts = self.unit.exit_type == "cgroup" or status is None  # its own parent waited for it
        if lasts and self.processes.members():
            if not control:
                self._look.set(_SLOW_LOOK)  # it lasts as long as they do
        elif self.state is State.START:
            self._main_ended_early(result)
        elif self.state is State.RUNNING:
            self._enter(State.RUNNING, result)
        elif self.state in (State.START_POST, *RELOADING):
            if not control:
                self._enter(State.STOP, result)
        elif self.state in (*STOPPING, *ENDING) and not control:
            self._enter(ROWS[self.state].done, result)

    def _main_ended_early(self, result: str) -> None:
        """Go on when the main process has ended before the service has started."""
        if self.unit.type == "oneshot":
            if result != SUCCESS:
                self._enter(State.STOP_SIGTERM, result)
            elif self._queue:
                self._next_main()
            else:
                self._enter(State.START_POST)
            return
        self._early = True
        if result == SUCCESS and self.unit.remain_after_exit and self.notify_access != "main":
            return  # somebody else may say READY=1
        self._enter(State.STOP_SIGTERM, "protocol" if result == SUCCESS else result)

    def _on_control(self, child: Child, status: int | None) -> None:
        self._control_ended(status, dumped=child.dumped)

    def _control_ended(self, status: int | None, *, dumped: bool = False) -> None:
        """Go on after a command: with the next one, or with the next state."""
        state = self.state
        row = ROWS[state]
        result = self._judge_control(status, dumped=dumped)
        if not row.commands:
            # It was overtaken by a signal.
            if self.processes.main is None:
                self._enter(row.done)
        elif result == SUCCESS and self._queue:
            self._next_control()
        elif state in RELOADING:
            self.reload_failed = result != SUCCESS
            if not self.reload_failed:
                self.say("reloaded")
            self._enter(State.RUNNING)
        elif result != SUCCESS:
            self._enter(row.failed, result)
        elif state is State.START:
            self._forked()
        elif state is State.START_POST and self.unit.pid_file and not self._named():
            return
        elif state is not State.STOP_POST or self.processes.main is None:
            self._enter(row.done)

    def _forked(self) -> None:
        if "ExecStartPost" in self.unit.commands and self.unit.pid_file:
            self._take_named()  # or it is written by these
        elif self.unit.pid_file:
            if not self._named():
                return
        elif self.unit.guess_main_pid and len(members := self.processes.members()) == 1:
            self.adopt(members[0])
        self._enter(State.START_POST)

    def _named(self) -> bool:
        """Take the process in PIDFile= for the main one, or else wait for it, if anybody lives."""
        if self._take_named():
            return True
        if self.processes.alive() or self.processes.members():
            self._look.set(_LOOK)
        else:
            what = f"it has ended without writing {self.unit.pid_file}"
            self.say("failed", f"{what} (protocol); correct PIDFile=, or set Type=exec")
            starting = self.state is State.START
            self._enter(State.STOP_SIGTERM if starting else State.STOP, "protocol")
        return False

    def _take_named(self) -> bool:
        if not self.unit.pid_file:
            return False
        pid, refused = PidFile(self.unit.pid_file).main_process(self.processes.owns)
        if refused and refused != self._distrusted:
            self._distrusted = refused
            self.say("note", refused)
        return pid > 0 and (pid == self.main_pid or self.adopt(pid))

    def _on_late(self) -> None:
        if self.state is State.AUTO_RESTART:
            self._begin()
            return
        told = timeouts.after(self.state, self.unit)
        if told.kind:
            self.say(told.kind, told.text)
        if self.state in RELOADING:
            self.reload_failed = True
            self.notify_state = ""
            self.processes.kill_control()
            self._enter(told.next)
        else:
            self._enter(told.next, "timeout")

    def _on_look(self) -> None:
        """Look whether what has no descriptor to wait for has happened: the last one has gone."""
        if self.state is State.START and self.unit.type == "forking":
            self._forked()
        elif self.state is State.START_POST:
            self._control_ended(0)
        elif self.processes.members():
            self._look.set(_SLOW_LOOK if self.state is State.RUNNING else _LOOK)
        elif self.state is State.START:
            self._main_ended_early(self.result)
        elif self.state is State.RUNNING:
            self._enter(State.RUNNING)
        else:
            self._enter(ROWS[self.state].done)

    # --- what is asked from inside and outside ----

    def adopt(self, pid: int) -> bool:
        """Take a process for the main one from now on; tell whether it has not ended yet."""
        try:
            self.processes.set_main(pid, self._on_main)
        except ProcessLookupError:
            return False
        self._main_pid = pid
        self.say("started", self.client)
        return True

    def feed(self, seconds: float | None = None) -> None:
        """Begin to count the watchdog's time again.

        Args:
            seconds: The limit from now on, None for that of the unit.
        """
        if seconds is not None:
            self.limits["Watchdog"] = seconds
        self._watchdog.set(self.limits.get("Watchdog", math.inf))

    def starve(self, *, asked: bool = False) -> None:
        """End it: it has sent no WATCHDOG=1 in time, or has asked for the same."""
        if self.state not in _WATCHED:
            return
        self.say("failed", timeouts.hung(self.limits.get("Watchdog", math.inf), asked=asked))
        self._enter(State.STOP_WATCHDOG, "watchdog")

    def fail(self, result: str, text: str) -> None:
        """Let it fail before it has started anything, as systemd does at its start limit."""
        self._note(result)
        self._main_pid = 0
        self.say("failed", text)
        before, self.state = self.state, State.FAILED
        self._context.changed(self, before)  # also if it had failed before
