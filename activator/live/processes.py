"""Processes, as /proc shows them: what they have open, their environment, their unit."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")


class Process(NamedTuple):
    """A process at one moment; what may not be seen is empty.

    Attributes:
        pid: Its process id.
        name: Its program, without the directory.
        environment: What it was started with.
        sockets: Descriptor → the inode of the socket.
        arguments: Its command line.
        unit: The unit that it belongs to, by its cgroup.
        state: A letter, such as ``S`` or ``T``: proc(5).
        descriptors: How many it has open.
        descriptors_max: How many it may have open; 0 if that is not known.
    """

    pid: int
    name: str
    environment: dict[str, str]
    sockets: dict[int, int]
    unit: str
    arguments: tuple[str, ...] = ()
    state: str = ""
    descriptors: int = 0
    descriptors_max: int = 0


def look(pid: int) -> Process | None:
    """Return a process; None if it has gone."""
    base = _PROC / str(pid)
    if not base.is_dir():
        return None
    return Process(
        pid,
        _name(base),
        _environment(base),
        _sockets(base),
        _unit(base),
        _arguments(base),
        _state(base),
        _descriptors(base),
        _descriptors_max(base),
    )


def everybody() -> Iterator[Process]:
    """Yield all processes that may be looked at."""
    for entry in _PROC.iterdir():
        if entry.name.isdecimal() and (process := look(int(entry.name))):
            yield process


def of_group(group: str) -> list[Process]:
    """Return the processes of a unit, by its ControlGroup=, those of cgroups below it too."""
    for mount in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")):
        base = mount / group.lstrip("/")
        if group and (base / "cgroup.procs").is_file():
            pids = [pid for path in base.rglob("cgroup.procs") for pid in _pids(path)]
            return [process for pid in sorted(set(pids)) if (process := look(pid))]
    return []


def _pids(path: Path) -> list[int]:
    with suppress(OSError):
        return [int(line) for line in path.read_text().split() if line != "0"]
    return []


def _name(base: Path) -> str:
    with suppress(OSError):
        return (base / "exe").readlink().name.removesuffix(" (deleted)")
    with suppress(OSError):
        return (base / "comm").read_text().strip()
    return ""


def _environment(base: Path) -> dict[str, str]:
    with suppress(OSError):
        words = (base / "environ").read_bytes().decode(errors="replace").split("\0")
        return dict(word.split("=", 1) for word in words if "=" in word)
    return {}


def _arguments(base: Path) -> tuple[str, ...]:
    with suppress(OSError):
        return tuple((base / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1])
    return ()


def _sockets(base: Path) -> dict[int, int]:
    found = {}
    with suppress(OSError):
        for entry in (base / "fd").iterdir():
            with suppress(OSError):
                target = str(entry.readlink())
                if target.startswith("socket:["):
                    found[int(entry.name)] = int(target[8:-1])
    return found


def _state(base: Path) -> str:
    with suppress(OSError):
        return (base / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    return ""


def _descriptors(base: Path) -> int:
    with suppress(OSError):
        return sum(1 for _ in (base / "fd").iterdir())
    return 0


def _descriptors_max(base: Path) -> int:
    with suppress(OSError):
        for line in (base / "limits").read_text().split("\n"):
            if line.startswith("Max open files"):
                soft = line.split()[3]
                return int(soft) if soft.isdecimal() else 0
    return 0


def _unit(base: Path) -> str:
    with suppress(OSError):
        for line in reversed((base / "cgroup").read_text().split("\n")):
            for part in reversed(line.partition("::")[2].split("/")):
                if part.endswith((".service", ".scope", ".socket")):
                    return part
    return ""
