"""strace(1), and how it is put before the commands of a service."""

import re
import shutil
import subprocess
from functools import cache

from activator.errors import ActivatorError
from activator.learn import trace
from activator.learn.service import is_traced
from activator.unitfile import quoting
from activator.unitfile.unquoting import Command, next_argument, next_word, split_command

# Calls that tell something; the others run at full speed.
_TRACED = (
    "%file,%network,%ipc,execve,execveat,mmap,mprotect,pkey_mprotect,memfd_create,"
    + ",".join(trace.CALLS)
)


def program() -> str:
    """Return the path of strace.

    Raises:
        ActivatorError: There is none.
    """
    found = shutil.which("strace")
    if found is None:
        raise ActivatorError("there is no strace", "install it: apt install strace")
    return found


def words(traces: str) -> str:
    """Return what stands before a command, in a unit file, to have it traced.

    The tracer (-D) is no parent, so that the service's processes are what they would be.

    Args:
        traces: The directory of the traces, for a path in the service's sight.
    """
    options = ("-D", "-ff", "-q", "-y", "-s", "256", "-e", f"trace={_TRACED}")
    return " ".join(map(quoting.word, (program(), *options, "-o", f"{traces}/t")))


def traced(line: str, before: str) -> str:
    """Return a line of commands with those that run in the sandbox traced.

    Args:
        line: The value of such as ExecStart=, which is right.
        before: What :func:`words` has returned.
    """
    position, made = 0, []
    for command in split_command(line):
        program, arguments, position = _next(line, position, command)
        prefixes, name = command.prefixes, ""
        if is_traced(command):
            if "@" in prefixes:
                # The name that the program is called by stands first.
                found = next_word(arguments, 0)
                arguments = arguments[found[1] :].strip() if found else ""
                prefixes = prefixes.replace("@", "")
                name = f" --argv0={quoting.word(command.argv[0], specifiers=False)}"
            program = f"{before}{name if name and _names() else ''} -- {program}"
        made.append(f"{prefixes}{program} {arguments}".rstrip())
    return " ; ".join(made)


def _next(line: str, position: int, command: Command) -> tuple[str, str, int]:
    """Return the program and the arguments of a command as they stand there, and where it ends."""
    while (found := next_word(line, position)) is not None and found[0] == ";":
        position = found[1]
    begin = found[1] if found else position
    raw = line[position:begin].strip()
    program = command.path
    if raw != f"{command.prefixes}{program}":
        program = quoting.word(program, specifiers=False)
    end = begin
    while (argument := next_argument(line, end)) is not None:
        word, after = argument
        if word is None:
            return program, line[begin:end].strip(), after
        end = after
    return program, line[begin:end].strip(), end


@cache
def _names() -> bool:
    """Tell whether strace can call a program by another name, as it can since 6.6."""
    said = subprocess.run([program(), "--help"], capture_output=True, check=False, text=True)
    return re.search(r"--argv0\b", said.stdout + said.stderr) is not None
