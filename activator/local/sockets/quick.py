"""Start a connection's process the quick way, where its unit asks for nothing special.

Most services of Accept=yes are of one kind: one command, the connection as its standard input,
no user or limit to be set. Their process needs nothing between fork and exec that
posix_spawn(3) cannot do, which copies no page tables, so that a connection costs less than with
systemd-socket-activate; and all that does not depend on the connection is prepared once.

Whatever happens to such a process besides its end is left to
:class:`~activator.local.services.service.Service`, which takes it over: when it is to be
stopped, when somebody asks for its status, and when it leaves processes behind.

One thing is missing: SYSTEMD_EXEC_PID, which only a child between fork and exec could know.
"""

import asyncio
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
from activator.local.context import Context
from activator.local.events import Event
from activator.local.services import results
from activator.local.services.environment import build
from activator.local.services.output import Output
from activator.local.services.process import SIGNALS
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
_STOPPING = ("TimeoutStart", "TimeoutStop", "TimeoutAbort")


class QuickProcess:
    """A running process of one connection.

    Args:
        name: The instance's unit name.
        pid: The process.
        invocation: Its INVOCATION_ID.
        connection: The connection, closed by whoever is told of the end.

    Attributes:
        name: See the arguments, and so on.
    """

    def __init__(self, name: str, pid: int, invocation: str, connection: Connection) -> None:
        self.name = name
        self.pid = pid
        self.invocation = invocation
        self.connection = connection
        self.pidfd = os.pidfd_open(pid)
        self.quick: Quick | None = None

    def forget(self) -> None:
        """Stop watching it, for another to go on with it."""
        os.close(self.pidfd)


class Quick:
    """Starts the processes of one template.

    Args:
        template: It must be one that :func:`fits`.
        context: What all units share.
        on_end: Called when a process has ended, and was waited for.
        on_left: Called instead when there is more to it, and it was not waited for.
    """

    def __init__(
        self,
        template: Template,
        context: Context,
        on_end: Callable[[QuickProcess], None],
        on_left: Callable[[QuickProcess], None],
    ) -> None:
        unit = template.sample
        self._context = context
        self._on_end = on_end
        self._on_left = on_left
        self._loop = asyncio.get_running_loop()
        self._before, _, self._behind = template.name.partition("@")
        (self._command,) = unit.commands["ExecStart"]
        self._nonblocking = unit.nonblocking
        self._environment = build(unit.execution, {}, extra=context.extra)
        self._given_above = {*context.extra, *unit.execution.environment}
        self._given_above.update(unit.execution.pass_environment)
        self._given_above.update(n.partition("=")[0] for n in unit.execution.unset_environment)
        self._expands = ":" not in self._command.prefixes and any(
            "$" in word for word in self._command.argv
        )
        self._program = ""
        self._closing = False
        self._default = set(SIGNALS)
        if unit.execution.ignore_sigpipe:
            # We ignore it ourselves, as every Python does, and it stays so over the exec.
            self._default.discard(signal.SIGPIPE)
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
        if self._null >= 0 and not self._running:
            self._loop.remove_reader(self._epoll)
            self._epoll.close()
            os.close(self._null)
            self._null = -1

    def forget(self, process: QuickProcess) -> None:
        """Stop watching a process, for another to go on with it."""
        del self._running[process.pidfd]
        # Closing it is not enough: a child that is about to exec has a copy open, and until its
        # turn comes we would be told of this end again and again.
        self._epoll.unregister(process.pidfd)
        process.forget()
        if self._closing:
            self.close()

    def start(self, number: int, connection: Connection) -> QuickProcess:
        """Start the process of a connection, and watch it.

        Args:
            number: How many connections the socket has had before.
            connection: The connection, which stays the caller's.

        Raises:
            ActivatorError: It cannot be started.
        """
        invocation = self._context.family.new_id()
        given = {"INVOCATION_ID": invocation, **connection.environment}
        above = self._given_above
        environment = self._environment | {n: given[n] for n in given if n not in above}
        argv = list(self._command.argv)
        if self._expands:
            argv = expand_variables(argv, environment)
        name = f"{self._before}@{number}-{connection.instance}{self._behind}"
        if self._nonblocking:
            connection.sock.setblocking(False)
        output = Output(partial(self._show, name)) if "journal" in self._targets else None
        try:
            pid = self._spawn(argv, environment, connection.sock.fileno(), output)
            process = QuickProcess(name, pid, invocation, connection)
        except OSError as error:
            if output is not None:
                output.close()
            raise self._explained(error) from error
        self._context.family.add(pid)
        process.quick = self
        self._running[process.pidfd] = process
        self._epoll.register(process.pidfd, select.EPOLLIN)
        if output is not None:
            output.pid = pid
            output.close_writing()
            self._context.intake.watch(output, output.close)
        self._context.emit(Event("started", name, connection.peer, pid))
        return process

    # --- inside ------------------------------------------------------------------------

    def _spawn(
        self, argv: list[str], environment: dict[str, str], sock: int, output: Output | None
    ) -> int:
        """Start the program; return its PID.

        Raises:
            ActivatorError: There is no such program.
            OSError: It cannot be started.
        """
        if not self._program:
            try:
                self._program = find_program(self._command.path, environment.get("PATH", ""))
            except ActivatorError as error:
                raise error.at(self._command.place)  # noqa: B904 - the same error, with its place
        journal = output.writing if output is not None else -1
        sources = {"socket": sock, "null": self._null, "journal": journal}
        actions = [(os.POSIX_SPAWN_DUP2, sources[t], n) for n, t in enumerate(self._targets)]
        # Both are inherited, and there is no thread that could notice.
        umask = os.umask(self._umask)
        home = -1
        try:
            if self._directory:
                home = os.open(".", os.O_PATH | os.O_CLOEXEC)
                os.chdir(self._directory)
            return os.posix_spawn(
                self._program,
                argv,
                environment,
                file_actions=actions,
                setsid=True,
                setsigmask=(),
                setsigdef=self._default,
            )
        finally:
            os.umask(umask)
            if home >= 0:
                os.fchdir(home)
                os.close(home)

    def _explained(self, error: OSError) -> ActivatorError:
        """Say why a program could not be started."""
        command, reason = self._command, os.strerror(error.errno or 0)
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
    )


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
