"""What a spec says about the runtime's processes: workers, and those of connections."""

import math
import re
import resource
from collections.abc import Callable, Iterator
from typing import Any

from activator.errors import ActivatorError
from activator.spec.model import Mode, Processes, Socket
from activator.spec.settings import Report
from activator.values.times import to_microseconds

# The runtime's own limit.
WORKERS_MAX = 999_999
# cgroups(7): files of a controller; those of the core that do not limit act instead.
_FILE = re.compile(r"(?!cgroup\.(?!max\.))[a-z0-9_]+(\.[A-Za-z0-9_]+)+", re.ASCII)
_ENTRY = re.compile(r"[A-Za-z0-9_. :=/-]+", re.ASCII)
_VALUE = re.compile(r"[0-9]{1,15}[KMG]?", re.ASCII)
_NAMES = sorted(name[7:].lower() for name in dir(resource) if name.startswith("RLIMIT_"))


def read(
    given: dict[str, Any], sockets: tuple[Socket, ...], *, program: bool, report: Report
) -> Processes:
    """Return what the keys say, and report where they have no place.

    Args:
        given: The keys of the table ``PROCESSES`` that are there, with values of the right type.
        sockets: The spec's sockets.
        program: Whether the spec has no handler but a program.
        report: Called with each mistake.
    """

    def problem(message: str, hint: str, *path: str | int) -> None:
        report(ActivatorError(message, hint), path)

    modes = {socket.mode for socket in sockets}
    _check_modes(given, modes, problem, program=program)
    workers = given.get("workers", 0)
    if not 0 <= workers <= WORKERS_MAX or ("workers" in given and not workers):
        problem(f"workers = {workers} is out of range", "give 1 or more", "workers")
    seconds = _seconds(given.get("time-limit"))
    if seconds is None:
        what = f"time-limit = {given['time-limit']!r} is no time to work in"
        problem(what, 'write a time span, as "30s"', "time-limit")
    limits = tuple(_limits(given.get("limits", {}), problem))
    cgroup = tuple(_cgroup(given.get("cgroup", {}), problem))
    hand_over = bool(given.get("hand-over") or workers)
    return Processes(workers, hand_over, seconds or 0.0, limits, cgroup)


def _check_modes(
    given: dict[str, Any], modes: set[Mode], problem: Callable[..., None], *, program: bool
) -> None:
    """Report keys that mean nothing for the modes that there are."""
    for key in ("workers", "hand-over"):
        if given.get(key) and not (Mode.WARM in modes or (Mode.SHARED in modes and not program)):
            what = f"{key} needs a handler of shared sockets"
            hint = 'remove it; with mode = "per-connection", each connection starts anew already'
            problem(what, hint, key)
    for key in ("time-limit", "limits", "cgroup"):
        if key in given and Mode.WARM not in modes:
            what = f"{key} is for processes of connections"
            problem(what, 'write mode = "per-connection" and isolation = "process"', key)
    if given.get("workers", 0) > 1 and Mode.SHARED not in modes and Mode.WARM in modes:
        what = "workers share the connections, and here each has a process already"
        problem(what, "write hand-over = true for a reload without a loss", "workers")


def _limits(table: dict[str, Any], problem: Callable[..., None]) -> Iterator[tuple[str, str]]:
    """Yield the limits that are right."""
    for name, value in table.items():
        text = str(value)
        if name not in _NAMES:
            problem(f"limits has no {name!r}", f"there are {', '.join(_NAMES)}", "limits", name)
        elif isinstance(value, bool) or not _VALUE.fullmatch(text):
            what = f"{name} = {text!r} is no limit"
            problem(what, "give a number, with K, M or G after it", "limits", name)
        else:
            yield name, text


def _cgroup(table: dict[str, Any], problem: Callable[..., None]) -> Iterator[tuple[str, str]]:
    """Yield the entries of a cgroup that are right."""
    for name, value in table.items():
        text = str(value)
        if not _FILE.fullmatch(name):
            hint = "cgroups(7) tells what there is, as memory.max, pids.max or cpu.weight"
            problem(f"cgroup has no {name!r}", hint, "cgroup", name)
        elif isinstance(value, bool) or not _ENTRY.fullmatch(text):
            problem(f"{name} = {text!r} is no limit", "write it as cgroups(7) does", "cgroup", name)
        else:
            yield name, text


def _seconds(value: str | float | None) -> float | None:
    """Return a time span in seconds, 0 for none and for infinity; None if it is no such."""
    if value is None:
        return 0.0
    found = to_microseconds(str(value).strip())
    if not found:
        return None
    return 0.0 if math.isinf(found) else found / 1e6
