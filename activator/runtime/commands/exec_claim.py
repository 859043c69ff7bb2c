"""Find out whether passed descriptors may be taken, and what for a wrapper has to be put right.

Import-light, as :mod:`activator.runtime.variables`.
"""

import os

from activator.common.integers import decimal
from activator.errors import ActivatorError
from activator.runtime.variables import absence, is_socket, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def claim(environ: "Mapping[str, str]") -> dict[int, str]:
    """Return the passed descriptors and their names.

    They are this process's if LISTEN_PID says so; a LISTEN_PIDFDID of another process is then
    one that a wrapper has forgotten. They are also taken if LISTEN_PID is a process above this
    one, a wrapper that has forked, as long as both have the same at each number.

    Raises:
        ActivatorError: Nothing was passed, the variables are wrong, or they are meant for
            another process.
    """
    if "LISTEN_FDS" not in environ and is_socket(0):
        raise ActivatorError(
            "descriptor 0 is a socket, and no others were passed",
            "with StandardInput=socket there are none; leave it out, or have the program use 0",
        )
    if "LISTEN_FDS" not in environ:
        raise ActivatorError(
            "no sockets were passed: this command is for ExecStart= of an activated service",
            "started by hand? try: systemd-socket-activate or activator run",
        )
    if "LISTEN_PID" not in environ:
        raise ActivatorError(absence(environ))
    pid = decimal(environ["LISTEN_PID"])
    what = f"LISTEN_PID is {pid} but this process is {os.getpid()}"
    # First of all: another process's descriptors are not looked for here.
    if pid and pid != os.getpid() and pid not in _above():
        raise ActivatorError(
            f"{what}, and that is not a wrapper around it",
            "they are another process's: have what started it use exec",
        )
    found = read(environ)
    if pid == os.getpid():
        return found
    for fd in found:
        try:
            theirs = os.stat(f"/proc/{pid}/fd/{fd}")  # noqa: PTH116 - pathlib costs too much
        except OSError as error:
            raise ActivatorError(
                f"{what}, and its descriptor {fd} cannot be seen: {(error.strerror or '').lower()}",
                "have the wrapper use exec",
            ) from None
        if not os.path.samestat(theirs, os.fstat(fd)):
            raise ActivatorError(
                f"{what}, and descriptor {fd} is not what process {pid} has there",
                "have the wrapper use exec, and leave 3 and up alone",
            )
    return found


def _above() -> "Iterator[int]":
    """Yield the processes above this one, nearest first, as far as they can be seen."""
    pid = os.getppid()
    while pid > 0:
        yield pid
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - pathlib costs too much
                # The name before it may contain anything: proc(5).
                pid = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return
