"""One service: a machine that goes from state to state as processes end and time passes.

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

from activator.local.services import late, results
from activator.local.services.entering import LOOK, SLOW_LOOK, WATCHED, ServiceStates
from activator.local.services.pid_file import PidFile
from activator.local.services.results import SUCCESS
from activator.local.services.spawn import Child
from activator.local.services.states import ENDING, GONE, RELOADING, ROWS, STARTING, STOPPING, State
from activator.local.units.service_model import Statuses


class Service(ServiceStates):
    """A service's life: what others ask of it, and what happens to it."""

    # --- what others ask for -----------------------------------------------------------

    def start(self) -> None:
        """Start it, unless it has started or will by itself."""
        if self.state in GONE:
            self.restarts = 0
            self._begin()

    def take_over(self, pid: int, invocation: str) -> None:
        """Go on with a main process that was started for it in another way.

        Args:
            pid: The process, a child of ours that leads its session and is not waited for.
            invocation: Its INVOCATION_ID.
        """
        self.processes.begin(invocation)
        self._main_command = self.unit.commands["ExecStart"][0]
        self._main_pid = pid
        self.processes.set_main(pid, self._on_main)
        self._set(State.RUNNING)

    def stop(self, *, restart: bool = False) -> None:
        """Ask it to end.

        Args:
            restart: Whether it is started again at once, so that what is kept over a
                restart is kept.
        """
        self._may_restart = False
        self._restarting = restart
        if self.state is State.AUTO_RESTART:
            self._deadline.clear()
            self._release()
            self._set(State.DEAD)
        elif self.state in STARTING or self.state in RELOADING:
            self._enter(State.STOP_SIGTERM)
        elif self.state in (State.RUNNING, State.EXITED):
            self._enter(State.STOP)

    def kill(self) -> None:
        """End its processes at once, without waiting for its time limits."""
        if self.state in GONE:
            return
        self.stop()
        if self.state in ENDING:
            self._enter(State.FINAL_SIGKILL)
        elif self.state not in GONE:
            self._enter(State.STOP_SIGKILL)

    def reload(self) -> bool:
        """Ask it to reload; tell whether it can."""
        if self.state is not State.RUNNING or not self.can_reload:
            return False
        self.reload_failed = False
        if self.unit.type == "notify-reload" and self.processes.main is not None:
            self._set(State.RELOAD_SIGNAL)
            self._arm()
            self.processes.main.signal(self.unit.reload_signal)
        else:
            self._enter(State.RELOAD)
        return True

    def abandon(self) -> None:
        """End it at once and wait for it, without the event loop's help."""
        for each in (self._deadline, self._watchdog, self._look):
            each.clear()
        self.processes.abandon()
        self._spawner.close()
        self.store.close()
        self._directories.remove()

    # --- what it says ------------------------------------------------------------------

    def ready(self) -> None:
        """Take READY=1: it has started, or reloaded."""
        self.notify_state = ""
        if self.state is State.START and self.unit.waits_for_ready:
            self.say("ready")
            self._enter(State.START_POST)
        elif self.state is State.RELOAD_NOTIFY:
            self.say("reloaded")
            self._enter(State.RUNNING)

    def reloading(self) -> None:
        """Take RELOADING=1."""
        self.notify_state = "reloading"
        if self.state in (State.RUNNING, State.RELOAD_SIGNAL):
            self._set(State.RELOAD_NOTIFY)
            self._arm()

    def stopping(self) -> None:
        """Take STOPPING=1: it ends by itself."""
        self.notify_state = "stopping"
        if self.state is State.RUNNING:
            self._enter(State.RUNNING)

    # --- what happens ------------------------------------------------------------------

    def _on_main(self, child: Child, status: int | None) -> None:
        """Take note of the main process's end."""
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
        if self.unit.exit_type == "cgroup" and self.processes.members():
            if not control:
                self._look.set(SLOW_LOOK)  # it lasts as long as they do
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
        """Take note of a command's end."""
        self._control_ended(status, dumped=child.dumped)

    def _on_no_command(self, status: int) -> None:
        """Go on after a command that could not be started."""
        self._control_ended(status)

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
        elif state is not State.STOP_POST or self.processes.main is None:
            self._enter(row.done)

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

    def _forked(self) -> None:
        """Find the main process of Type=forking."""
        if not self.unit.pid_file:
            members = self.processes.members()
            if self.unit.guess_main_pid and len(members) == 1:
                self.adopt(members[0])
            self._enter(State.START_POST)
            return
        pid = PidFile(self.unit.pid_file).read()
        if pid and self.processes.owns(pid):
            self.adopt(pid)
            self._enter(State.START_POST)
        elif not self.processes.members():
            what = f"it has ended without writing {self.unit.pid_file}"
            self.say("failed", f"{what} (protocol); correct PIDFile=, or set Type=exec")
            self._enter(State.STOP_SIGTERM, "protocol")
        else:
            self._look.set(LOOK)

    def _on_late(self) -> None:
        """Go on when a state has taken too long."""
        if self.state is State.AUTO_RESTART:
            self._begin()
            return
        told = late.after(self.state, self.unit)
        if told.kind:
            self.say(told.kind, told.text)
        if self.state in RELOADING:
            self.reload_failed = True
            self.notify_state = ""
            self.processes.kill_control()
            self._enter(told.next)
        else:
            self._enter(told.next, "timeout")

    def starve(self) -> None:
        """End it: it has sent no WATCHDOG=1 in time, or asks for the same."""
        if self.state not in WATCHED:
            return
        limit = self.limits.get("Watchdog", math.inf)
        what = f"no WATCHDOG=1 within {limit:g}s (watchdog)"
        self.say("failed", f"{what}; see why it hangs, or raise WatchdogSec=")
        self._enter(State.STOP_WATCHDOG, "watchdog")

    def _on_look(self) -> None:
        """Look whether what has no descriptor to wait for has happened: the last one has gone."""
        if self.state is State.START and self.unit.type == "forking":
            self._forked()
        elif self.processes.members():
            self._look.set(SLOW_LOOK if self.state is State.RUNNING else LOOK)
        elif self.state is State.START:
            self._main_ended_early(self.result)
        elif self.state is State.RUNNING:
            self._enter(State.RUNNING)
        else:
            self._enter(ROWS[self.state].done)
