"""One process of a service, from its start to its end.

The states, and what leads from one to the next::

    STARTING --exec done; with Type=notify: READY=1--> RUNNING
    STARTING --TimeoutStartSec=--> STOPPING
    STARTING, RUNNING --stop()--> STOPPING: KillSignal=, after TimeoutStopSec= SIGKILL
    any --the process ends--> CLEARING: what it left behind is asked, then forced, to end
    CLEARING --nothing is left--> ENDED

There are no control groups here: what is left of a service is found by :mod:`.family`.
"""

import asyncio
import math
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path

from activator.errors import ActivatorError
from activator.local.command import expand_variables, find_program
from activator.local.context import Context
from activator.local.environment import PID_NAMES, build
from activator.local.events import Event
from activator.local.models import ServiceUnit
from activator.local.output import Output
from activator.local.process import Launch, StartFailed, start

_POLL = 0.02  # seconds between looks at what is left, which no descriptor tells


class State(Enum):
    """Where a process is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    CLEARING = "clearing"
    ENDED = "ended"


class ServiceRun:
    """One process of a service.

    Args:
        service: The unit.
        context: What all runs share.
        client: The client it serves, for people; empty in the shared mode.

    Attributes:
        service: The unit.
        state: See :class:`State`.
        pid: The process, 0 before it runs.
        client: The client it serves, for people; empty in the shared mode.
    """

    def __init__(
        self,
        service: ServiceUnit,
        context: Context,
        *,
        client: str = "",
    ) -> None:
        self.service = service
        self.state = State.STARTING
        self.pid = 0
        self.client = client
        self._context = context
        self._emit = context.emit
        self._invocation = context.family.new_id()
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._exited = False
        self._stop_asked = False
        self._kill_asked = False
        self._output: Output | None = None
        self._made_directories: list[str] = []

    def start(
        self, descriptors: Sequence[int], names: Sequence[str], connection: Mapping[str, str]
    ) -> None:
        """Start the process.

        Args:
            descriptors: What becomes 3 and up, or the one socket for the standard streams;
                they stay the caller's.
            names: Their names.
            connection: REMOTE_ADDR and its kin.

        Raises:
            ActivatorError: It cannot be started.
        """
        service = self.service
        streams = (service.stdin, service.stdout, service.stderr)
        inetd = "socket" in streams
        environment = build(
            service,
            names=() if inetd else names,
            connection=connection,
            invocation=self._invocation,
            notify=self._context.notify_path if service.notify != "none" else "",
            extra=self._context.extra,
        )
        for descriptor in descriptors:
            os.set_blocking(descriptor, not service.nonblocking)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._make_directories()
            program = find_program(service.command.path, environment.get("PATH", ""))
            launch = Launch(
                program=program,
                argv=self._argv(environment),
                environment=environment,
                pid_names=PID_NAMES if names and not inetd else PID_NAMES[1:],
                streams=self._streams(streams, null, descriptors),
                descriptors=() if inetd else descriptors,
                directory=service.working_directory or str(Path.cwd()),
                directory_optional=service.working_directory_optional,
                umask=service.umask,
                ignore_sigpipe=service.ignore_sigpipe,
            )
            self.pid = start(launch)
            self._context.family.add(self.pid)
        except ActivatorError as error:
            self._close_output()
            raise error.at(service.place)  # noqa: B904 - the same error, with its place
        except (StartFailed, OSError) as error:
            self._close_output()
            raise self._explained(error) from error
        finally:
            os.close(null)
        if self._output is not None:
            self._output.close_writing()
            self._loop.add_reader(self._output, self._read)
        self._emit(Event("started", service.name, self.client, self.pid))
        if not service.waits_for_ready:
            self.state = State.RUNNING

    async def ended(self) -> int:
        """Wait until the process and its group have ended.

        Returns:
            The exit status, negative for a signal.
        """
        descriptor = os.pidfd_open(self.pid)
        try:
            self._loop.add_reader(descriptor, self._on_exit, descriptor)
            await self._until_exit()
        finally:
            self._loop.remove_reader(descriptor)
            os.close(descriptor)
        early = self.state is State.STARTING
        self.state = State.CLEARING
        _, wait_status = os.waitpid(self.pid, 0)  # noqa: ASYNC222 - it has ended already
        self._context.family.remove(self.pid)
        status = os.waitstatus_to_exitcode(wait_status)
        await self._until_cleared()
        self.state = State.ENDED
        self._close_output()
        text = _how(status)
        if early:
            text += " before it said READY=1"
        self._emit(Event("ended", self.service.name, text, self.pid, status))
        self._remove_directories()
        return status

    def stop(self) -> None:
        """Ask the process to end; :meth:`ended` sees it through."""
        self._stop_asked = True
        self._changed.set()

    def kill(self) -> None:
        """End the process at once."""
        self._stop_asked = self._kill_asked = True
        self._changed.set()

    def abandon(self) -> None:
        """Kill the process and wait for it, without the event loop's help."""
        self._close_output()
        self._signal(signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        self._context.family.remove(self.pid)

    def notified(self, sender: int, fields: Mapping[str, str]) -> None:
        """Take a message of NOTIFY_SOCKET that came from this service's session."""
        if self.service.notify == "main" and sender != self.pid:
            what = f"PID {sender} notified, and NotifyAccess=main takes it from {self.pid} alone"
            self._emit(Event("note", self.service.name, f"{what}; set NotifyAccess=all"))
            return
        if "STATUS" in fields:
            self._emit(Event("status", self.service.name, fields["STATUS"], self.pid))
        if "READY" in fields and self.state is State.STARTING:
            self.state = State.RUNNING
            self._emit(Event("ready", self.service.name, pid=self.pid))
            self._changed.set()

    # --- inside ------------------------------------------------------------------------

    def _argv(self, environment: Mapping[str, str]) -> list[str]:
        """Return the arguments with variables replaced, unless the prefix ``:`` forbids it."""
        command = self.service.command
        if ":" in command.prefixes:
            return list(command.argv)
        return expand_variables(command.argv, environment)

    def _streams(
        self, wanted: tuple[str, str, str], null: int, descriptors: Sequence[int]
    ) -> tuple[int, int, int]:
        """Return the descriptors for 0, 1 and 2."""
        if "journal" in wanted[1:]:
            self._output = Output(self._on_line)
        sources = {
            "null": null,
            "socket": descriptors[0] if descriptors else null,
            "journal": self._output.writing if self._output is not None else null,
        }
        stdin, stdout, stderr = wanted
        return (sources.get(stdin, 0), sources.get(stdout, 1), sources.get(stderr, 2))

    async def _until_exit(self) -> None:
        """Wait for the process's end; ask for it when it is time to."""
        if self.state is State.STARTING:
            await self._wait(
                lambda: self.state is not State.STARTING or self._stop_asked,
                self.service.timeout_start,
            )
            if self.state is State.STARTING and not self._exited and not self._stop_asked:
                limit = f"{self.service.timeout_start:g}s"
                what = f"no READY=1 within {limit}; let it notify, or raise TimeoutStartSec="
                self._emit(Event("failed", self.service.name, what, self.pid))
                self._stop_asked = True
        await self._wait(lambda: self._stop_asked, math.inf)
        if self._exited:
            return
        self.state = State.STOPPING
        if not self._kill_asked:
            self._signal_main(self.service.kill_signal)
            await self._wait(lambda: self._kill_asked, self.service.timeout_stop)
        if not self._exited:
            if not self._kill_asked:
                what = (
                    f"still there {self.service.timeout_stop:g}s after it was asked to end: killed"
                )
                self._emit(Event("note", self.service.name, what, self.pid))
            self._signal(signal.SIGKILL)
            await self._wait(lambda: False, math.inf)

    async def _wait(self, condition: Callable[[], bool], limit: float) -> None:
        """Wait until the process has ended, a condition holds or the time is over."""
        end = self._loop.time() + limit
        while not self._exited and not condition():
            self._changed.clear()
            left = end - self._loop.time()
            if left <= 0:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(None if math.isinf(left) else left):
                    await self._changed.wait()

    async def _until_cleared(self) -> None:
        """End what the process left behind, in the end by force."""
        if self.service.kill_mode in ("process", "none"):
            return
        asked: set[int] = set()
        first = signal.SIGKILL if self.service.kill_mode == "mixed" else self.service.kill_signal
        end = self._loop.time() + self.service.timeout_stop
        while strays := self._context.family.strays(self.pid, self._invocation):
            force = self._kill_asked or self._loop.time() > end
            for stray in strays if force else set(strays) - asked:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(stray, signal.SIGKILL if force else first)
            asked.update(strays)
            await asyncio.sleep(_POLL)

    def _signal_main(self, number: int) -> None:
        """Signal the process, and its group where KillMode= says so."""
        if self.service.kill_mode == "none":
            return
        if self.service.kill_mode == "control-group":
            self._signal(number)
        else:
            os.kill(self.pid, number)

    def _signal(self, number: int) -> None:
        """Signal the process's group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _on_exit(self, descriptor: int) -> None:
        """Take note that the process has ended."""
        self._loop.remove_reader(descriptor)
        self._exited = True
        self._changed.set()

    def _read(self) -> None:
        """Read what the process wrote."""
        assert self._output is not None  # noqa: S101 - the reader exists only with it
        with suppress(BlockingIOError):
            if not self._output.read():
                self._close_output()

    def _close_output(self) -> None:
        """Show the rest of the output and close the pipe."""
        if self._output is not None:
            if self._output.fileno() >= 0:
                self._loop.remove_reader(self._output)
            self._output.close()
            self._output = None

    def _on_line(self, line: str) -> None:
        """Pass a line of output on."""
        self._emit(Event("output", self.service.name, line, self.pid))

    def _make_directories(self) -> None:
        """Make the directories of RuntimeDirectory=."""
        for path in self.service.runtime_directories:
            if not Path(path).is_dir():
                Path(path).mkdir(parents=True)
                self._made_directories.append(path)
            Path(path).chmod(self.service.runtime_directory_mode)

    def _remove_directories(self) -> None:
        """Remove the directories that were made and are empty."""
        for path in self._made_directories:
            with suppress(OSError):
                Path(path).rmdir()

    def _explained(self, error: StartFailed | OSError) -> ActivatorError:
        """Say why the process could not be started."""
        service = self.service
        step = error.step if isinstance(error, StartFailed) else "prepare"
        reason = os.strerror(error.errno or 0)
        program = service.command.path
        if step == "chdir":
            what = f"cannot go to {service.working_directory}: {reason}"
            return ActivatorError(what, "correct WorkingDirectory=", place=service.place)
        if step == "exec":
            what = f"{program} cannot be executed: {reason}"
            return ActivatorError(what, "check its first line (#!)", place=service.place)
        where = getattr(error, "filename", None) or service.name
        return ActivatorError(f"{where}: {reason}", "see why it cannot be", place=service.place)


def _how(status: int) -> str:
    """Return how a process ended, for people."""
    if status < 0:
        # signal.Signals lacks most real-time signals.
        known = {int(number): number.name for number in signal.Signals}
        return f"was ended by {known.get(-status, f'signal {-status}')}"
    return f"exited with status {status}" if status else "exited"
