"""A service: what others ask of it, and what it says of itself; see :mod:`.machine`."""

import time

from activator.local.services.machine import Machine
from activator.local.services.states import ENDING, GONE, RELOADING, STARTING, State
from activator.local.units.service_model import ServiceUnit


class Service(Machine):
    """A service, as sockets, jobs and messages know it."""

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
            self._asked_to_reload = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            self.processes.main.signal(self.unit.reload_signal)
        else:
            self._enter(State.RELOAD)
        return True

    def abandon(self) -> None:
        """End it at once and wait for it, without the event loop's help."""
        self._stop_clocks()
        self.processes.abandon()
        self._starter.close()
        self.store.close()
        self._starter.directories.remove()

    def renew(self, unit: ServiceUnit) -> None:
        """Be another unit of the same name from the next start on."""
        self._next_unit = unit

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

    def reloading(self, stamp: int) -> None:
        """Take RELOADING=1.

        Args:
            stamp: Its MONOTONIC_USEC=, 0 for none. As an answer to a signal it is needed: what
                was sent before the signal is none.
        """
        self.notify_state = "reloading"
        if self.state is State.RELOAD_SIGNAL and stamp < self._asked_to_reload:
            what = "RELOADING=1 has no MONOTONIC_USEC= of now, which Type=notify-reload needs"
            self.say("note", f"{what}: not taken; see sd_notify(3)")
        elif self.state in (State.RUNNING, State.RELOAD_SIGNAL):
            self._set(State.RELOAD_NOTIFY)
            self._arm()

    def stopping(self) -> None:
        """Take STOPPING=1: it ends by itself."""
        self.notify_state = "stopping"
        if self.state is State.RUNNING:
            self._enter(State.RUNNING)

    def extend(self, seconds: float) -> None:
        """Let the current state take at least so many seconds from now."""
        self._deadline.extend(seconds)
