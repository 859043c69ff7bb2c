"""How the processes of a service are started, and what they are told.

Source: systemd.exec(5), "Environment variables in spawned processes"; systemd.service(5).
"""

import math
from collections.abc import Callable, Mapping, Sequence

from activator.errors import ActivatorError
from activator.local.services.context import Context
from activator.local.services.directories import OwnDirectories
from activator.local.services.environment import PID_NAMES, listening
from activator.local.services.open_files import OpenFiles
from activator.local.services.processes import Processes
from activator.local.services.spawn import EXITS, NotStarted, Passed, Spawner
from activator.local.units.service_model import ExecCommand, ServiceUnit

# A variable that gets the new process's PID → the one without which it means nothing.
_NEEDS = {"LISTEN_PID": "LISTEN_FDS", "WATCHDOG_PID": "WATCHDOG_USEC"}


class Starter:
    """Start the processes of one service while it is one unit.

    Args:
        unit: The unit.
        context: What all units share.
        processes: The service's processes.
        connection: REMOTE_ADDR and its kin, for a connection.
        on_line: Gets the PID and each line of what they write.

    Attributes:
        directories: The service's RuntimeDirectory= and its kin.
    """

    def __init__(
        self,
        unit: ServiceUnit,
        context: Context,
        processes: Processes,
        connection: Mapping[str, str],
        on_line: Callable[[int, str], None],
    ) -> None:
        self._unit = unit
        self._context = context
        self._processes = processes
        self._connection = connection
        self._spawner = Spawner(unit.name, unit.execution, context, on_line)
        self.directories = OwnDirectories(unit.execution.directories)

    def main(
        self, command: ExecCommand, passed: Sequence[Passed], access: str, watchdog: float
    ) -> int:
        """Start a main process, or one that forks it; return its PID.

        Args:
            command: What is run.
            passed: The descriptors it is given; they stay the caller's.
            access: NotifyAccess=, as it is now.
            watchdog: The watchdog's limit in seconds, math.inf for none.

        Raises:
            NotStarted: It cannot be started.
        """
        given = self._given() | self._notify(access, ("main", "exec", "all"))
        if not math.isinf(watchdog):
            given["WATCHDOG_USEC"] = str(round(watchdog * 1e6))
        try:
            with OpenFiles(self._unit.open_files) as opened:
                return self._start_main(command, [*passed, *opened], given)
        except NotStarted:
            raise
        except ActivatorError as error:
            raise NotStarted(error, EXITS["prepare"]) from None

    def _start_main(
        self, command: ExecCommand, passed: Sequence[Passed], given: dict[str, str]
    ) -> int:
        inetd = self._unit.execution.inetd
        given |= listening([each.name for each in passed if each.opened or not inetd])
        names = [name for name in PID_NAMES if _NEEDS.get(name, "INVOCATION_ID") in given]
        nonblocking = self._unit.nonblocking
        return self._spawner.start(command, given, passed, nonblocking=nonblocking, pid_names=names)

    def control(
        self, command: ExecCommand, passed: Sequence[Passed], access: str, told: dict[str, str]
    ) -> int:
        """Start a command that goes along with the main process; return its PID.

        Args:
            command: What is run.
            passed: What the main process is given: the socket, where a standard stream is that.
            access: NotifyAccess=, as it is now.
            told: More variables.

        Raises:
            NotStarted: It cannot be started.
        """
        given = self._given() | self._notify(access, ("exec", "all")) | told
        sockets = passed if self._unit.execution.inetd else ()
        return self._spawner.start(command, given, sockets, nonblocking=self._unit.nonblocking)

    def close(self) -> None:
        """Take note that nothing is started any more."""
        self._spawner.close()

    def _given(self) -> dict[str, str]:
        given = {"INVOCATION_ID": self._processes.invocation, **self._connection}
        given |= self._context.told(self._unit.name)
        if self._processes.main is not None:
            given["MAINPID"] = str(self._processes.main.pid)
        if self._unit.pid_file:
            given["PIDFILE"] = self._unit.pid_file
        return given | self.directories.environment

    def _notify(self, access: str, needed: Sequence[str]) -> dict[str, str]:
        if not self._context.notify_path or access not in needed:
            return {}
        given = {"NOTIFY_SOCKET": self._context.notify_path}
        if self._unit.store_max:
            given["FDSTORE"] = str(self._unit.store_max)
        return given
