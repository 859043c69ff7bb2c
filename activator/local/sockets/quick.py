"""Start a connection's process the quick way, where its unit asks for nothing special.

Most services of Accept=yes are of one kind: one command, the connection as its standard input,
no user or limit to be set. Their process needs nothing between fork and exec that
posix_spawn(3) cannot do, which copies no page tables, so that a connection costs less than with
systemd-socket-activate; threads call it (:mod:`activator.local.services.spawners`), and all that
does not depend on the connection is prepared once.

Whatever happens to such a process besides its end is left to
:class:`~activator.local.services.service.Service`, which takes it over: when it is to be
stopped, when somebody asks for its status, and when it leaves processes behind.

One thing is missing: SYSTEMD_EXEC_PID, which only a child between fork and exec could know.
"""

import asyncio
import errno
import math
import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from activator.errors import ActivatorError
from activator.local.events import Event
from activator.local.services import results
from activator.local.services.context import Context
from activator.local.services.environment import build
from activator.local.services.output import Output
from activator.local.services.spawners import Attributes, Job
from activator.local.sockets.connection import Connection
from activator.local.units.command import expand_variables, find_program
from activator.local.units.models import Template
from activator.local.units.service_model import Execution, ServiceUnit

_TYPES = ("simple", "exec", "idle")
_STREAMS = ("socket", "null", "journal")
# What is honoured here; whatever else a unit sets is not for this way.
_EXECUTION = (
    "environment",
    "pass_environment",
    "unset_environment",
    "working_directory",
    "stdin",
    "stdout",
    "stderr",
    "umask",
    "ignore_sigpipe",
)
_UNIT = ("name", "place", "type", "commands", "execution", "killing", "limits", "restarting",
         "nonblocking")  # fmt: skip
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)
_STOPPING = ("TimeoutStart", "TimeoutStop", "TimeoutAbort")


class QuickProcess:
    """A process of one connection, running or about to.

    Args:
        name: The instance's unit name.
        invocation: Its INVOCATION_ID.
        connection: The connection, closed by whoever is told of the end.
        quick: What starts and watches it.

    Attributes:
        name: See the arguments, and so on.
        pid: The process; 0 until it has been started.
        pidfd: Its descriptor; -1 while it is not watched.
        output: What it writes, where that is ours to show.
    """

    def __init__(self, name: str, invocation: str, connection: Connection, quick: "Quick") -> None:
        self.name = name
        self.invocation = invocation
        self.connection = connection
        self.quick = quick
        self.pid = 0
        self.pidfd = -1
        self.output: Output | None = None


class Quick:
    """Starts the processes of one template.

    Args:
        template: It must be one that :func:`fits`.
        context: What all units share.
        on_end: Called when a process has ended, and was waited for.
        on_left: Called instead when there is more to it, and it was not waited for.
        on_failure: Called when a process could not be started, with the reason.
    """

    def __init__(
        self,
        template: Template,
        context: Context,
        *,
        on_end: Callable[[QuickProcess], None],
        on_left: Callable[[QuickProcess], None],
        on_failure: Callable[[QuickProcess, ActivatorError], None],
    ) -> None:
        unit = template.sample
        self._context = context
        self._on_end = on_end
        self._on_left = on_left
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._before, _, self._behind = template.name.partition("@")
        (self._command,) = unit.commands["ExecStart"]
        self._nonblocking = unit.nonblocking
        self._environment = build(unit.execution, {}, extra=context.extra)
        self._variables = [_variable(*item) for item in self._environment.items()]
        self._given_above = {*context.extra, *unit.execution.environment}
        self._given_above.update(unit.execution.pass_environment)
        self._given_above.update(n.partition("=")[0] for n in unit.execution.unset_environment)
        self._expands = ":" not in self._command.prefixes and any(
            "$" in word for word in self._command.argv
        )
        self._argv = [os.fsencode(word) for word in self._command.argv]
        self._program = ""
        self._closing = False
        # We ignore SIGPIPE ourselves, as every Python does, and it stays so over the exec.
        ignored = [signal.SIGPIPE] if unit.execution.ignore_sigpipe else []
        self._attributes = Attributes(ignored)
        self._targets = _targets(unit.execution)
        self._directory = unit.execution.working_directory
        self._umask = unit.execution.umask
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        # One for all processes: with the loop's own a reader is made and removed for each.
        self._epoll = select.epoll()
        self._loop.add_reader(self._epoll, self._on_ends)
        self._running: dict[int, QuickProcess] = {}
        _close_on_exec()

    def close(self) -> None:
        """Start no more, and close what is kept open once the last process has gone."""
        self._closing = True
        self._context.spawners.settle()
        self._close_unused()

    def forget(self, process: QuickProcess) -> None:
        """Stop watching a process, for another to go on with it."""
        del self._running[process.pidfd]
        # Closing it is not enough: a child that is about to exec has a copy open, and until its
        # turn comes we would be told of this end again and again.
        self._epoll.unregister(process.pidfd)
        os.close(process.pidfd)
        process.pidfd = -1
        self._close_unused()

    def start(self, number: int, connection: Connection) -> QuickProcess:
        """Start the process of a connection soon, and watch it.

        Args:
            number: How many connections the socket has had before.
            connection: The connection, which stays the caller's.

        Raises:
            ActivatorError: There is no such program, or no descriptor left.
        """
        invocation = self._context.family.new_id()
        given = {"INVOCATION_ID": invocation, **connection.environment}
        above = self._given_above
        mine = {n: given[n] for n in given if n not in above}
        argv = self._argv
        if self._expands:
            words = expand_variables(self._command.argv, self._environment | mine)
            argv = [os.fsencode(word) for word in words]
        name = f"{self._before}@{number}-{connection.instance}{self._behind}"
        process = QuickProcess(name, invocation, connection, self)
        program = self._find()
        if self._nonblocking:
            connection.sock.setblocking(False)
        try:
            streams = self._streams(process)
        except OSError as error:
            raise self._explained(error.errno or 0) from error
        job = Job(
            program,
            argv,
            [*self._variables, *(_variable(*item) for item in mine.items())],
            streams,
            attributes=self._attributes,
            directory=self._directory,
            umask=self._umask,
            on_done=partial(self._started, process),
        )
        self._context.spawners.start(job)
        return process

    # --- inside ------------------------------------------------------------------------

    def _find(self) -> str:
        """Return the path of the program, which is looked for once.

        Raises:
            ActivatorError: There is no such program.
        """
        if not self._program:
            try:
                path = self._environment.get("PATH", "")
                self._program = find_program(self._command.path, path)
            except ActivatorError as error:
                raise error.at(self._command.place)  # noqa: B904 - the same error, with its place
        return self._program

    def _streams(self, process: QuickProcess) -> list[int]:
        """Return the descriptors of the three standard streams.

        Raises:
            OSError: There are too many descriptors.
        """
        journal = -1
        if "journal" in self._targets:
            process.output = Output(partial(self._show, process.name))
            journal = process.output.writing
        sock = process.connection.sock.fileno()
        sources = {"socket": sock, "null": self._null, "journal": journal}
        return [sources[target] for target in self._targets]

    def _started(self, process: QuickProcess, job: Job) -> None:
        """Watch a process that runs now, or tell why it does not."""
        output, number = process.output, job.errno
        process.pid = job.pid
        if not number:
            try:
                process.pidfd = os.pidfd_open(job.pid)
            except OSError as error:
                # Without a descriptor left we could not see its end.
                number = error.errno or 0
                os.kill(job.pid, signal.SIGKILL)
                os.waitpid(job.pid, 0)
        if number:
            if output is not None:
                output.close()
            self._on_failure(process, self._explained(number))
            self._close_unused()
            return
        self._context.family.add(process.pid)
        self._running[process.pidfd] = process
        self._epoll.register(process.pidfd, select.EPOLLIN)
        if output is not None:
            output.pid = process.pid
            output.close_writing()
            self._context.intake.watch(output, output.close)
        peer = process.connection.peer
        self._context.emit(Event("started", process.name, peer, process.pid))

    def _explained(self, number: int) -> ActivatorError:
        """Say why a program could not be started, by the errno."""
        command, reason = self._command, os.strerror(number)
        if number in _EXHAUSTED:
            what = f"cannot start {command.path}: {reason}"
            return ActivatorError(what, "raise `ulimit -n` and `ulimit -u`, or serve fewer")
        if self._directory and not Path(self._directory).is_dir():
            what = f"cannot go to {self._directory}: {reason}"
            return ActivatorError(what, "correct WorkingDirectory=", place=command.place)
        self._program = ""  # it may have moved
        try:
            find_program(command.path, self._environment.get("PATH", ""))
        except ActivatorError as told:
            return told.at(command.place)
        what = f"{command.path} cannot be executed: {reason}"
        return ActivatorError(what, "check its first line (#!)", place=command.place)

    def _on_ends(self) -> None:
        """Take note of the processes that have ended."""
        for descriptor, _ in self._epoll.poll(0):
            if (process := self._running.get(descriptor)) is not None:
                self._ended(process)

    def _ended(self, process: QuickProcess) -> None:
        """Wait for a process that has ended, unless it leaves something behind."""
        self.forget(process)
        family = self._context.family
        if family.has_strays():
            self._on_left(process)
            return
        _, status = os.waitpid(process.pid, 0)
        family.remove(process.pid)
        code = os.waitstatus_to_exitcode(status)
        self._on_end(process)
        self._context.emit(Event("ended", process.name, results.how(code), process.pid, code))

    def _close_unused(self) -> None:
        """Close what is kept open if no process needs it any more."""
        if self._closing and self._null >= 0 and not self._running:
            self._loop.remove_reader(self._epoll)
            self._epoll.close()
            os.close(self._null)
            self._null = -1

    def _show(self, name: str, output: Output, line: str) -> None:
        """Pass a line of output on."""
        self._context.emit(Event("output", name, line, output.pid))


def fits(template: Template, context: Context) -> bool:
    """Tell whether the quick way does for a template all that its unit asks for."""
    unit, execution = template.sample, template.sample.execution
    plain = ServiceUnit("", "")
    same = replace(unit, **{name: getattr(plain, name) for name in _UNIT}) == plain
    settings = {name: getattr(Execution(), name) for name in _EXECUTION}
    commands = unit.commands.get("ExecStart", ())
    return (
        same
        and not template.varies
        and unit.type in _TYPES
        and not context.notify_path
        and unit.restarting.when == "no"
        and replace(execution, **settings) == Execution()
        and set(_targets(execution)) <= set(_STREAMS)
        and _targets(execution)[0] == "socket"
        and [len(commands)] == [len(each) for each in unit.commands.values() if each] == [1]
        and not set(commands[0].prefixes) & set("+!|")
        and all(math.isinf(limit) for name, limit in unit.limits.items() if name not in _STOPPING)
        and context.spawners.can(execution.working_directory, execution.umask)
    )


def _variable(name: str, value: str) -> bytes:
    """Return a variable as an environment holds it."""
    return os.fsencode(f"{name}={value}")


def _targets(execution: Execution) -> tuple[str, str, str]:
    """Return where the three standard streams lead."""
    stdin = execution.stdin
    stdout = stdin if execution.stdout == "stdin" else execution.stdout
    return stdin, stdout, stdout if execution.stderr == "stdout" else execution.stderr


def _close_on_exec() -> None:
    """Keep what we were given ourselves from our processes; what we open is kept by Python."""
    for path in list(Path("/proc/self/fd").iterdir()):
        if (descriptor := int(path.name)) > 2:  # noqa: PLR2004 - behind the standard streams
            with suppress(OSError):
                os.set_inheritable(descriptor, False)
