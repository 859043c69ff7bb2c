"""Give each process of a connection a cgroup of its own, with its own limits (``--cgroup``).

For a service whose unit has Delegate=yes: the part of the tree below its own cgroup is then the
service's to use ("Control Group APIs and Delegation" of systemd). Processes may only be in leaves
(cgroups(7), "no internal processes"), so the service itself moves into one, ``service``, unless
DelegateSubgroup= has put it there; connections have theirs beside it, named by process id.
"""

import errno
import os
from contextlib import suppress

from activator.errors import ActivatorError
from activator.runtime.serving.report import Rarely

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from activator.runtime.serving.options import Entry

MOUNT = "/sys/fs/cgroup"
SERVICE = "service"
# What the manager marks a delegated cgroup with: for root, and, since systemd 251, for all.
MARKS = ("trusted.delegate", "user.delegate")
PROCS = "cgroup.procs"
PLACE = "--cgroup"
NEEDED = 'the unit needs Delegate=yes, and ProtectControlGroups=no: needs = ["cgroups"] in a spec'


class Groups:
    """The cgroups of connections.

    Args:
        entries: What limits each of them.

    Raises:
        ActivatorError: There is no delegated cgroup, or it cannot be limited so.
    """

    def __init__(self, entries: "Sequence[Entry]") -> None:
        self._entries = entries
        self._full = Rarely(1.0)
        # Those that could not be removed yet, since what is killed takes a moment to go.
        self._left: set[str] = set()
        self._base = _delegated()
        try:
            self._begin()
        except OSError as error:
            raise ActivatorError(
                f"cannot make cgroups below {self._base}: {error.strerror}", NEEDED, place=PLACE
            ) from None
        self._try_out()

    def enter(self) -> None:
        """Move the calling process into a new cgroup of its own.

        Raises:
            OSError: It cannot have one.
        """
        path = f"{self._base}/{os.getpid()}"
        os.mkdir(path)  # noqa: PTH102 - pathlib costs too much
        for name, value in self._entries:
            _write(f"{path}/{name}", value)
        _write(f"{path}/{PROCS}", "0")

    def leave(self, pid: int, what: object) -> None:
        """Remove the cgroup of a process that has ended, and all that is left in it.

        Args:
            pid: The process.
            what: What it ran, for messages.
        """
        path = f"{self._base}/{pid}"
        if _oom_kills(path):
            self._full.line(f"{what}: process {pid} has used up its memory.max")
        if not _remove(path):
            self._left.add(path)
        self.sweep()

    def sweep(self) -> bool:
        """Remove what could not be removed before; return whether all is gone."""
        if self._left:
            self._left = {path for path in self._left if not _remove(path)}
        return not self._left

    def _begin(self) -> None:
        home = f"{self._base}/{SERVICE}"
        os.makedirs(home, exist_ok=True)  # noqa: PTH103 - as above
        # All that are there, as while one instance of the service hands over to the next.
        for pid in _read(f"{self._base}/{PROCS}").split():
            _write(f"{home}/{PROCS}", pid)
        wanted = dict.fromkeys(name.partition(".")[0] for name, _ in self._entries)
        there = _read(f"{self._base}/cgroup.controllers").split()
        for name in wanted:
            if name in there:
                _write(f"{self._base}/cgroup.subtree_control", f"+{name}")

    def _try_out(self) -> None:
        """Make a cgroup as connections have, to tell wrong limits from the start."""
        path = f"{self._base}/trial-{os.getpid()}"
        try:
            os.makedirs(path, exist_ok=True)  # noqa: PTH103 - as above
            for name, value in self._entries:
                try:
                    _write(f"{path}/{name}", value)
                except OSError as error:
                    missing = error.errno in (errno.ENOENT, errno.EACCES)
                    reason = "there is no such limit here" if missing else error.strerror
                    raise ActivatorError(f"{name}={value}: {reason}", place=PLACE) from None
        finally:
            _remove(path)


def _delegated() -> str:
    """Return the path of the cgroup that was delegated to the service."""
    try:
        lines = _read("/proc/self/cgroup").splitlines()
    except OSError:
        lines = []
    own = next((line.removeprefix("0::") for line in lines if line.startswith("0::/")), None)
    if own is None:
        raise ActivatorError("there is no cgroup v2 here", "the machine has to use it", place=PLACE)
    path = f"{MOUNT}{own}".rstrip("/")
    # With DelegateSubgroup=, or when started anew by exec, the service is in its leaf already.
    for candidate in (path, path.rpartition("/")[0]):
        for mark in MARKS:
            try:
                if os.getxattr(candidate, mark) == b"1":
                    return candidate
            except OSError:
                continue
    raise ActivatorError(f"the cgroup {own} is not delegated to the service", NEEDED, place=PLACE)


def _remove(path: str) -> bool:
    """Remove a cgroup; kill what is in it if that is needed. Return whether it is gone."""
    try:
        os.rmdir(path)  # noqa: PTH106 - as above
    except FileNotFoundError:
        return True
    except OSError:
        # Before Linux 5.14 there is no such file; the process group has been killed anyway.
        with suppress(OSError):
            _write(f"{path}/cgroup.kill", "1")
        return False
    return True


def _oom_kills(path: str) -> bool:
    try:
        events = _read(f"{path}/memory.events").splitlines()
    except OSError:
        return False
    return any(line.startswith("oom_kill ") and line != "oom_kill 0" for line in events)


def _read(path: str) -> str:
    with open(path, encoding="ascii", errors="replace") as file:  # noqa: PTH123 - as above
        return file.read()


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
