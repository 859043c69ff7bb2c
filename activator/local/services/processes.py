"""The processes of one service: the main one, the control one, and what they leave behind.

Source: systemd.kill(5).
"""

import os
import signal
from collections.abc import Callable
from contextlib import suppress

from activator.local.services.context import Context
from activator.local.services.spawn import Child
from activator.local.services.states import SIGNALS
from activator.local.units.service_model import ServiceUnit

_OnExit = Callable[[Child, int | None], None]
# How often we look for processes that came while others were signalled.
_ROUNDS = 10


class Processes:
    """The processes of one service.

    Args:
        unit: Whose KillMode= and signals count.
        context: What all units share.

    Attributes:
        main: The main process, None if there is none.
        control: The process of ExecStartPre=, ExecStop= and so on, None if there is none.
        invocation: The INVOCATION_ID of this life.
        sessions: The sessions of the processes that were started in it.
    """

    def __init__(self, unit: ServiceUnit, context: Context) -> None:
        self.main: Child | None = None
        self.control: Child | None = None
        self.invocation = ""
        self._unit = unit
        self._context = context
        self._family = context.family
        self.sessions: set[int] = set()
        self._main_known = False
        self._gone = True

    def begin(self, invocation: str = "") -> None:
        """Begin a life: without processes, with an identifier of its own or a given one."""
        self.invocation = invocation or self._family.new_id()
        self.sessions.clear()
        self._main_known = False
        self._gone = True

    def forget(self) -> None:
        """Stop watching what is left."""
        for child in (self.main, self.control):
            if child is not None:
                child.forget()
        self.main = self.control = None

    @property
    def watched(self) -> list[Child]:
        """Return those whose end is told by a descriptor."""
        return [child for child in (self.main, self.control) if child is not None]

    def set_main(self, pid: int, on_exit: _OnExit) -> None:
        """Watch a main process, instead of any other.

        Raises:
            ProcessLookupError: It has ended, and is none of our children.
        """

        def ended(status: int | None) -> None:
            self.main = None
            on_exit(child, status)

        child = self._watch(pid, ended)
        if self.main is not None:
            self.main.forget()
        self._main_known = True
        self.main = child

    def set_control(self, pid: int, on_exit: _OnExit) -> None:
        """Watch a control process."""

        def ended(status: int | None) -> None:
            self.control = None
            on_exit(child, status)

        self.control = child = self._watch(pid, ended)

    def _watch(self, pid: int, on_exit: Callable[[int | None], None]) -> Child:
        """Watch a process that was just started, or found."""
        child = Child(pid, self._context, on_exit)
        self._gone = False
        self.sessions.add(pid)
        return child

    def alive(self) -> bool:
        """Tell whether the service still runs: its main process, or any if that is unknown."""
        if self._main_known and self._unit.exit_type == "main":
            return self.main is not None
        if self.main is not None:
            return True
        return bool(self.members())

    def members(self) -> list[int]:
        """Return the living processes that are not watched."""
        if self._gone:
            return []
        watched = [child.pid for child in self.watched]
        found = self._family.members(watched, self.sessions, self.invocation)
        self._gone = not watched and not found
        return found

    def owns(self, pid: int) -> bool:
        """Tell whether a process is one of the service's."""
        if any(child.pid == pid for child in self.watched):
            return True
        try:
            if os.getsid(pid) in self.sessions:
                return True
        except OSError:
            return False
        return self._family.invocation_of(pid) == self.invocation or pid in self.members()

    def kill(self, operation: str) -> bool:
        """Signal the processes, as far as KillMode= says so.

        Args:
            operation: A key of :data:`activator.local.services.states.SIGNALS`.

        Returns:
            Whether there is any whose end is to be waited for.
        """
        killing = self._unit.killing
        if killing.mode == "none" or self._gone:
            return False
        name, hangs_up = SIGNALS[operation]
        numbers = [killing.signals[name]]
        if hangs_up and killing.send_sighup:
            numbers.append(signal.SIGHUP)
        if signal.SIGKILL not in numbers:
            numbers.append(signal.SIGCONT)  # a stopped process would never get the others
        whole = killing.mode == "control-group" or (killing.mode == "mixed" and operation == "kill")
        signalled: set[int] = set()
        pids = {child.pid for child in self.watched}
        # One that forks and ends meanwhile leaves another behind, until all have the signal; but
        # one that ignores it may go on and on.
        for _ in range(_ROUNDS):
            new = (pids | set(self.members() if whole else ())) - signalled
            if not new:
                break
            for pid in new:
                for number in numbers:
                    with suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, number)
            signalled |= new
        return bool(signalled)

    def kill_control(self) -> None:
        """End the control process at once, and forget it."""
        if self.control is not None:
            self.control.signal(signal.SIGKILL)
            self.control.wait()
            self.control = None

    def abandon(self) -> None:
        """End all at once and wait for those that are ours to wait for."""
        for child in self.watched:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            child.signal(signal.SIGKILL)
            child.wait()
        self.main = self.control = None
