"""From a command and its unit's settings to a running process that is watched.

Source: systemd.service(5), systemd.exec(5), "Process Exit Codes".
"""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from activator.errors import ActivatorError
from activator.local.limits import EXHAUSTED, exhausted
from activator.local.services.before_exec import identity_of, settings_for
from activator.local.services.context import Context
from activator.local.services.environment import PID_NAMES, build
from activator.local.services.output import Output
from activator.local.services.process import Launch, StartFailed, start
from activator.local.services.streams import Streams
from activator.local.units.command import expand_variables, find_program
from activator.local.units.service_model import ExecCommand, Execution

_LOOK = 0.02  # seconds
# systemd.exec(5): what a process ends with that could not become the program.
EXITS = {
    "chdir": 200,
    "Nice": 201,
    "prepare": 202,
    "exec": 203,
    "limits": 205,
    "OOMScoreAdjust": 206,
    "stdin": 208,
    "IOSchedulingClass": 211,
    "TimerSlackNSec": 212,
    "SecureBits": 213,
    "CPUSchedulingPolicy": 214,
    "CPUAffinity": 215,
    "Group": 216,
    "User": 217,
    "CapabilityBoundingSet": 218,
    "AmbientCapabilities": 218,
    "NoNewPrivileges": 227,
    "Personality": 230,
    "directories": 233,
}


class NotStarted(ActivatorError):  # noqa: N818 - what happened, as Problems is
    """A command could not be started.

    Attributes:
        exit_status: What systemd's process would have ended with.
    """

    def __init__(self, error: ActivatorError, exit_status: int) -> None:
        super().__init__(error.message, error.hint, place=error.place)
        self.exit_status = exit_status


class Passed(NamedTuple):
    """A descriptor for a process; it stays with whoever passes it.

    Attributes:
        fd: The descriptor.
        name: Its name in LISTEN_FDNAMES.
        socket: Whether it is a socket unit's, and not from the fd store.
        opened: Whether it is a file of OpenFile=.
    """

    fd: int
    name: str
    socket: bool = True
    opened: bool = False


class Child:
    """A process that is ours to wait for, watched through its pidfd.

    Args:
        pid: The process.
        context: What all runs share.
        on_exit: Called with its exit status, negative for a signal; None for a process that
            is no child of ours, of which only its end can be seen.

    Attributes:
        pid: The process.
        dumped: Whether it left a core dump.
    """

    def __init__(self, pid: int, context: Context, on_exit: Callable[[int | None], None]) -> None:
        self.pid = pid
        self.dumped = False
        self._family = context.family
        self._on_exit = on_exit
        self._loop = asyncio.get_running_loop()
        self._fd = os.pidfd_open(pid)
        self._later: asyncio.TimerHandle | None = None
        context.descriptors.look(self._fd)
        self._family.add(pid)
        self._loop.add_reader(self._fd, self._ended)

    def forget(self) -> None:
        """Stop watching it."""
        if self._later is not None:
            self._later.cancel()
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
            self._family.remove(self.pid)

    def wait(self) -> int | None:
        """Wait for its end, without the event loop; return its exit status."""
        try:
            _, wait_status = os.waitpid(self.pid, 0)
        except ChildProcessError:
            self.forget()
            return None
        self.dumped = os.WCOREDUMP(wait_status)
        self.forget()
        return os.waitstatus_to_exitcode(wait_status)

    def signal(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        with suppress(ProcessLookupError, PermissionError):
            os.kill(self.pid, number)

    def _ended(self) -> None:
        """Tell that it has ended, with its status if it is or becomes a child of ours."""
        try:
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            # Its parent may go without having waited for it: then it is for us to do so.
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._fd, 0)
                self._loop.remove_reader(self._fd)
                self._later = self._loop.call_later(_LOOK, self._ended)
                return
        self._on_exit(self.wait())


class Spawner:
    """Starts the processes of one unit.

    Args:
        unit: The unit's name, for messages.
        execution: How they are run.
        context: What all units share.
        on_line: Called with a process's PID and each line that it writes.
    """

    def __init__(
        self, unit: str, execution: Execution, context: Context, on_line: Callable[[int, str], None]
    ) -> None:
        self._unit = unit
        self._execution = execution
        self._context = context
        self._on_line = on_line
        self._outputs: list[Output] = []

    def start(
        self,
        command: ExecCommand,
        given: Mapping[str, str],
        descriptors: Sequence[Passed] = (),
        *,
        nonblocking: bool = False,
        pid_names: Sequence[str] = PID_NAMES[2:],
    ) -> int:
        """Start a command.

        Args:
            command: What is started.
            given: What the activator adds to the environment.
            descriptors: What becomes 3 and up, or the standard streams.
            nonblocking: Whether sockets are passed with O_NONBLOCK.
            pid_names: The variables that get its PID.

        Returns:
            Its PID; the caller watches it.

        Raises:
            NotStarted: It cannot be started.
        """
        output = Output(self._show) if self._journals else None
        launch: Launch | None = None
        try:
            with Streams(
                self._execution,
                {passed.name: passed.fd for passed in descriptors if passed.socket},
                output.writing if output is not None else -1,
            ) as streams:
                launch = self._launch(command, given, streams, descriptors, pid_names)
                for passed in descriptors:
                    if passed.socket:
                        os.set_blocking(passed.fd, not nonblocking)
                pid = start(launch)
        except (ActivatorError, StartFailed, OSError) as error:
            if output is not None:
                output.close()
            raise self._explained(command, error) from error
        if output is not None:
            output.pid = pid
            output.close_writing()
            self._outputs.append(output)
            self._context.intake.watch(output, partial(self._close, output))
        return pid

    def close(self) -> None:
        """Show the rest of all output and close the pipes."""
        for output in list(self._outputs):
            self._close(output)

    # --- inside ------------------------------------------------------------------------

    @property
    def _journals(self) -> bool:
        """Tell whether a pipe is needed."""
        return "journal" in {self._execution.stdout, self._execution.stderr}

    def _launch(
        self,
        command: ExecCommand,
        given: Mapping[str, str],
        streams: tuple[int, int, int],
        descriptors: Sequence[Passed],
        pid_names: Sequence[str],
    ) -> Launch:
        """Prepare all that the child needs."""
        execution = self._execution
        identity = identity_of(execution)
        extra = self._context.extra
        environment = build(execution, given, identity=identity, extra=extra)
        argv: Sequence[str] = command.argv
        if ":" not in command.prefixes:
            argv = expand_variables(argv, environment)
        directory = execution.working_directory
        if directory == "~":
            directory = environment.get("HOME", "/")
        return Launch(
            program=find_program(command.path, environment.get("PATH", "")),
            argv=list(argv),
            environment=environment,
            pid_names=pid_names,
            streams=streams,
            descriptors=[each.fd for each in descriptors if each.opened or not execution.inetd],
            directory=directory or os.curdir,  # which may have been removed
            directory_optional=execution.working_directory_optional,
            umask=execution.umask,
            ignore_sigpipe=execution.ignore_sigpipe,
            settings=list(settings_for(execution, command, identity)),
        )

    def _explained(
        self, command: ExecCommand, error: ActivatorError | StartFailed | OSError
    ) -> NotStarted:
        """Say why a command could not be started."""
        if isinstance(error, ActivatorError):
            return NotStarted(error, EXITS["exec"]).at(command.place)  # type: ignore[return-value]
        if isinstance(error, OSError) and error.errno in EXHAUSTED:
            told = exhausted(error).at(command.place)
            return NotStarted(told, EXITS["limits"])
        step = error.step if isinstance(error, StartFailed) else "prepare"
        status = EXITS.get(step, EXITS["limits"])
        reason = os.strerror(error.errno or 0)
        place = command.place
        if step == "chdir":
            what = f"cannot go to {self._execution.working_directory}: {reason}"
            told = ActivatorError(what, "correct WorkingDirectory=", place=place)
        elif step == "exec":
            what = f"{command.path} cannot be executed: {reason}"
            told = ActivatorError(what, "check its first line (#!)", place=place)
        elif step != "prepare":
            told = ActivatorError(f"cannot set {step}=: {reason}", "correct it", place=place)
        else:
            where = getattr(error, "filename", None) or self._unit
            told = ActivatorError(f"{where}: {reason}", "see why it cannot be", place=place)
        return NotStarted(told, status)

    def _close(self, output: Output) -> None:
        """Show the rest of an output and close its pipe."""
        self._context.intake.forget(output)
        output.close()
        self._outputs.remove(output)

    def _show(self, output: Output, line: str) -> None:
        """Pass a line of output on."""
        self._on_line(output.pid, line)
