"""What a spec says about the runtime's processes: workers, and those of connections."""

import math
import re
import resource
from collections.abc import Callable, Iterator
from typing import Any

from activator.errors import ActivatorError
from activator.generate.specfile.directives import Report
from activator.generate.specfile.spec import Mode, Processes, Socket, Spec
from activator.unitfile import unquoting
from activator.unitfile.values.times import to_microseconds

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
        what = f"time-limit = {given['time-limit']!r} is not a usable time"
        problem(what, 'write a time span, as "30s"', "time-limit")
    limits = tuple(_limits(given.get("limits", {}), problem))
    cgroup = tuple(_cgroup(given.get("cgroup", {}), problem))
    hand_over = bool(given.get("hand-over") or workers)
    replaced = tuple(_worker_limits(given, problem, hand_over=hand_over))
    return Processes(workers, hand_over, seconds or 0.0, limits, cgroup, replaced)


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
            what = f"{key} is for a process of each connection"
            problem(what, 'write mode = "per-connection" and isolation = "process"', key)
    if given.get("workers", 0) > 1 and Mode.SHARED not in modes and Mode.WARM in modes:
        what = "workers share connections, and here each connection has a process already"
        problem(what, "write hand-over = true for a reload without a loss", "workers")


def _worker_limits(
    given: dict[str, Any], problem: Callable[..., None], *, hand_over: bool
) -> Iterator[tuple[str, str]]:
    """Yield when a worker is to be replaced, as the runtime's options."""
    for key in ("worker-max-connections", "worker-max-memory"):
        if key not in given:
            continue
        text = str(given[key])
        if not hand_over:
            problem(f"{key} is for workers", "write workers = 2, or hand-over = true", key)
        elif key == "worker-max-connections" and not 0 < given[key] <= WORKERS_MAX:
            problem(f"{key} = {text} is out of range", "give 1 or more", key)
        elif not _VALUE.fullmatch(text) or not text.rstrip("KMG").strip("0"):
            problem(
                f"{key} = {text!r} is not a size", "give a number, with K, M or G after it", key
            )
        else:
            yield f"--{key}", text


def _limits(table: dict[str, Any], problem: Callable[..., None]) -> Iterator[tuple[str, str]]:
    """Yield the limits that are right."""
    for name, value in table.items():
        text = str(value)
        if name not in _NAMES:
            problem(f"limits has no {name!r}", f"there are {', '.join(_NAMES)}", "limits", name)
        elif isinstance(value, bool) or not _VALUE.fullmatch(text):
            what = f"{name} = {text!r} is not a limit"
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
            problem(
                f"{name} = {text!r} is not a limit", "write it as cgroups(7) does", "cgroup", name
            )
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


def check(spec: Spec, report: Report) -> None:
    """Note what cannot be run in processes of connections, with isolation = "process".

    Args:
        spec: The spec.
        report: Called with each mistake.
    """
    if not any(socket.mode is Mode.WARM for socket in spec.sockets):
        what = "isolation = 'process' without a per-connection socket"
        report(ActivatorError(what, 'write mode = "per-connection"'), ("isolation",))
    elif spec.command:
        commands = unquoting.split_command(spec.command)
        if len(commands) != 1 or commands[0].prefixes:
            hint = "give one program, which the runtime starts itself"
            error = ActivatorError("exec has a prefix or several commands", hint)
            report(error, ("exec",))
