"""The processes below ours: what a service leaves behind, found without control groups.

We become the subreaper (prctl(2)): whatever loses its parent becomes our child. Such a stray
belongs to the run in whose session it is or whose INVOCATION_ID it carries, so that also a
process that made itself a daemon is found. One that cleared its environment too escapes.
"""

import ctypes
import os
import threading
from contextlib import suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
_ID_BYTES = 8


class Family:
    """The children of this process that the local activator started or inherited.

    :meth:`close` must be called in the end; other children of this process are left alone.
    """

    def __init__(self) -> None:
        self._ours = os.urandom(_ID_BYTES).hex()
        self._main: set[int] = set()
        self._libc = ctypes.CDLL(None, use_errno=True)
        before = ctypes.c_int()
        self._libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
        self._before = before.value
        self._libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def new_id(self) -> str:
        """Return an INVOCATION_ID for one run: 32 hexadecimal digits, the first half ours."""
        return self._ours + os.urandom(_ID_BYTES).hex()

    def add(self, pid: int) -> None:
        """Take note of a main process, which its run waits for itself."""
        self._main.add(pid)

    def remove(self, pid: int) -> None:
        """Forget a main process that has been waited for."""
        self._main.discard(pid)

    def strays(self, session: int, invocation: str) -> list[int]:
        """Return the living strays of a run whose main process has ended; reap the dead ones.

        Args:
            session: The run's session, which was its main process's PID.
            invocation: Its INVOCATION_ID, or the common part of all.
        """
        mark = b"INVOCATION_ID=" + (invocation or self._ours).encode()
        found = []
        for pid in _children() - self._main:
            try:
                mine = os.getsid(pid) == session or _carries(pid, mark)
            except OSError:
                continue
            if mine and not _reaped(pid):
                found.append(pid)
        return found

    def signal(self, number: int) -> bool:
        """Signal all strays of all runs; tell whether there were any."""
        strays = self.strays(-1, "")
        for pid in strays:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        return bool(strays)

    def close(self) -> None:
        """Stop adopting."""
        self._libc.prctl(_PR_SET_CHILD_SUBREAPER, self._before, 0, 0, 0)


def _children() -> set[int]:
    """Return the children of this process's main thread, which does all forking."""
    task = f"/proc/self/task/{threading.main_thread().native_id}/children"
    try:
        return {int(pid) for pid in Path(task).read_text(encoding="ascii").split()}
    except FileNotFoundError:
        # A kernel without CONFIG_PROC_CHILDREN.
        return {int(each.name) for each in Path("/proc").glob("[0-9]*") if _is_child(each)}


def _is_child(process: Path) -> bool:
    """Tell whether a process, a directory of /proc, is a child of this one."""
    try:
        stat = (process / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return int(stat.rpartition(")")[2].split()[1]) == os.getpid()


def _carries(pid: int, mark: bytes) -> bool:
    """Tell whether a process has a variable that begins like this."""
    environment = Path(f"/proc/{pid}/environ").read_bytes()
    return environment.startswith(mark) or b"\0" + mark in environment


def _reaped(pid: int) -> bool:
    """Wait for a child if it has ended; tell whether it had."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True
