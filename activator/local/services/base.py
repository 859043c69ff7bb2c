"""What a service is, and what its processes are told: all but where it goes next.

Source: systemd.exec(5), "Environment variables in spawned processes"; systemd.service(5).
"""

import math
from collections.abc import Callable, Sequence

from activator.errors import ActivatorError
from activator.local.conditions.judge import Skipped
from activator.local.context import Context
from activator.local.events import Event
from activator.local.limits import RateLimit
from activator.local.services import results
from activator.local.services.directories import OwnDirectories
from activator.local.services.environment import PID_NAMES, listening
from activator.local.services.open_files import OpenFiles
from activator.local.services.processes import Processes
from activator.local.services.results import SUCCESS
from activator.local.services.spawn import EXITS, NotStarted, Passed, Spawner
from activator.local.services.states import ROWS, State
from activator.local.services.stored import Store
from activator.local.units.models import Rate
from activator.local.units.service_model import ExecCommand, ServiceUnit

NOTIFY_ACCESS = ("none", "main", "exec", "all")


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
        self.unit = unit
        self.state = State.DEAD
        self.result = SUCCESS
        self.client = client
        self.status_text = ""
        self.main_status: int | None = None
        self.restarts = 0
        self.store = Store(unit.store_max)
        self.notify_state = ""
        self.notify_access = unit.notify
        self.reload_failed = False
        self.refusal: ActivatorError | None = None
        self._context = context
        self._passed = passed
        self._connection = connection or {}
        self._next_unit = unit
        self._become(unit)
        self._main_pid = 0
        self._early = False
        self.dumped = False
        self._may_restart = True
        self._restarting = False

    def renew(self, unit: ServiceUnit) -> None:
        """Be another unit of the same name from the next start on."""
        self._next_unit = unit

    def forgive(self) -> None:
        """Forget how often it was started, as `systemctl reset-failed` does."""
        rules = self.unit.restarting
        self._starts = RateLimit(Rate(rules.interval, rules.burst))
        self.start_limit_hit = False

    def _become(self, unit: ServiceUnit) -> None:
        """Be a unit, while there is no process."""
        self.unit = unit
        self.limits = dict(unit.limits)
        self.processes = Processes(unit, self._context)
        self._spawner = Spawner(unit.name, unit.execution, self._context, self._on_line)
        self._directories = OwnDirectories(unit.execution.directories)
        self.forgive()

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

    # --- for its life ------------------------------------------------------------------

    def _spawn_main(self, command: ExecCommand) -> int:
        """Start a main process, or one that forks it; return its PID.

        Raises:
            NotStarted: It cannot be started.
        """
        try:
            with OpenFiles(self.unit.open_files) as opened:
                return self._spawn_with(command, [*self._descriptors(), *opened])
        except NotStarted:
            raise
        except ActivatorError as error:
            raise NotStarted(error, EXITS["prepare"]) from None

    def _spawn_with(self, command: ExecCommand, passed: Sequence[Passed]) -> int:
        """Start a main process with descriptors; return its PID.

        Raises:
            NotStarted: It cannot be started.
        """
        execution = self.unit.execution
        inetd = "socket" in (execution.stdin, execution.stdout, execution.stderr)
        numbered = [each for each in passed if each.opened or not inetd]
        given = self._given() | listening([each.name for each in numbered])
        names = list(PID_NAMES)
        if "LISTEN_FDS" not in given:
            names.remove("LISTEN_PID")
        if "WATCHDOG_USEC" not in given:
            names.remove("WATCHDOG_PID")
        nonblocking = self.unit.nonblocking
        return self._spawner.start(command, given, passed, nonblocking=nonblocking, pid_names=names)

    def _spawn_control(self, command: ExecCommand) -> int:
        """Start a command that goes along with the main process; return its PID.

        Raises:
            NotStarted: It cannot be started.
        """
        given = self._given(control=True)
        if self.state in (State.STOP, State.STOP_POST):
            given |= results.exit_variables(self.result, self.main_status, dumped=self.dumped)
        return self._spawner.start(command, given)

    def _descriptors(self) -> list[Passed]:
        """Return what a main process is passed: the sockets, then what it has stored."""
        return [*self._passed(), *(Passed(fd, name, socket=False) for fd, name in self.store)]

    def _given(self, *, control: bool = False) -> dict[str, str]:
        """Return what a process is told besides its unit's environment."""
        given = {"INVOCATION_ID": self.processes.invocation} | self._connection
        given |= self._context.told(self.unit.name)
        needed = ("exec", "all") if control else ("main", "exec", "all")
        if self._context.notify_path and self.notify_access in needed:
            given["NOTIFY_SOCKET"] = self._context.notify_path
            if self.unit.store_max:
                given["FDSTORE"] = str(self.unit.store_max)
        if self.main_pid:
            given["MAINPID"] = str(self.main_pid)
        if self.unit.pid_file:
            given["PIDFILE"] = self.unit.pid_file
        limit = self.limits.get("Watchdog", math.inf)
        if not control and not math.isinf(limit):
            given["WATCHDOG_USEC"] = str(round(limit * 1e6))
        return given | self._directories.environment

    def _tell_end(self) -> None:
        """Tell how its main process ended."""
        if not self._main_pid:
            return
        text = results.how(self.main_status)
        if self._early and self.unit.waits_for_ready:
            text += " before it said READY=1"
        self.say("ended", text, status=self.main_status)

    def _on_line(self, pid: int, line: str) -> None:
        """Pass a line of output on."""
        self._context.emit(Event("output", self.unit.name, line, pid))
