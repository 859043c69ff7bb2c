"""Find out whether passed descriptors may be taken, and what for a wrapper has to be put right.

Import-light, as :mod:`activator.passed`.
"""

import os

from activator.errors import ActivatorError
from activator.passed import absence, is_socket, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


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
    found = read(environ)
    pid = int(environ["LISTEN_PID"])
    if pid == os.getpid():
        return found
    what = f"LISTEN_PID is {pid} but this process is {os.getpid()}"
    if pid not in _above():
        raise ActivatorError(
            f"{what}, and that is no wrapper around it", "have whatever started it use exec"
        )
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


def named(found: "Mapping[int, str]", reference: str) -> int:
    """Return the descriptor that ``NAME`` or ``NAME:INDEX`` means.

    Raises:
        ActivatorError: There is none, or there are several.
    """
    name, colon, index = reference.partition(":")  # a name has no colon
    fds = all_named(found, name)
    if not colon and len(fds) == 1:
        return fds[0]
    if not colon:
        last = len(fds) - 1
        raise ActivatorError(
            f"{len(fds)} descriptors are named {name!r}", f"write {name}:0 to {name}:{last}"
        )
    if not index.isdecimal() or not index.isascii() or int(index) >= len(fds):
        raise ActivatorError(
            f"there is no {reference!r}: {len(fds)} are named {name!r}, counted from 0"
        )
    return fds[int(index)]


def all_named(found: "Mapping[int, str]", name: str) -> list[int]:
    """Return the descriptors of one name, of which there must be one at least.

    Raises:
        ActivatorError: There is none.
    """
    fds = [fd for fd, other in found.items() if other == name]
    if not fds:
        raise ActivatorError(f"no descriptor is named {name!r}", f"passed: {listed(found)}")
    return fds


def listed(found: "Mapping[int, str]") -> str:
    """Return the names, each once, for messages."""
    return ", ".join(repr(name) for name in _once(found.values()))


def _once(names: "Iterable[str]") -> "Iterable[str]":
    return dict.fromkeys(names)
