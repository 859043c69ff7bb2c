"""The processes below ours: what a service leaves behind, found without control groups.

We become the subreaper (prctl(2)): whatever loses its parent becomes our child. Such a stray
belongs to the run in whose session it is or whose INVOCATION_ID it carries, so that also a
process that made itself a daemon is found. One that cleared its environment too escapes its
service, but not the end of all.
"""

import ctypes
import os
import threading
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from activator.errors import ActivatorError

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
_ID_BYTES = 8
_IDS_AT_ONCE = 32
_CHUNK = 65536
_HALF_PAGE = 2048


class Family:
    """The children of this process that the local activator started or inherited.

    :meth:`close` must be called in the end; other children of this process are left alone.

    Raises:
        ActivatorError: There is no /proc, or it is that of other processes.
    """

    def __init__(self) -> None:
        _look_at_proc()
        self._ours = os.urandom(_ID_BYTES).hex()
        self._random: list[str] = []
        self._main: set[int] = set()
        self._children = -1
        # Of whoever became us by exec.
        self._others = _children()
        self._libc = ctypes.CDLL(None, use_errno=True)
        before = ctypes.c_int()
        self._libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
        self._before = before.value
        self._libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def new_id(self) -> str:
        """Return an INVOCATION_ID for one run: 32 hexadecimal digits, the first half ours."""
        if not self._random:
            # One call for many: each is one of the system.
            some = os.urandom(_IDS_AT_ONCE * _ID_BYTES).hex()
            self._random = [some[n : n + 2 * _ID_BYTES] for n in range(0, len(some), 2 * _ID_BYTES)]
        return self._ours + self._random.pop()

    def add(self, pid: int) -> None:
        """Take note of a main process, which its run waits for itself."""
        self._main.add(pid)

    def remove(self, pid: int) -> None:
        """Forget a main process that has been waited for."""
        self._main.discard(pid)

    def strays(self, sessions: Collection[int], invocation: str) -> list[int]:
        """Return a service's living strays, which are children of ours; reap the dead ones.

        Args:
            sessions: The sessions of the processes that were started for it.
            invocation: Its INVOCATION_ID, or the common part of all.
        """
        mark = b"INVOCATION_ID=" + (invocation or self._ours).encode()
        dead: set[int] = set()
        while True:
            found, died = [], set()
            for pid in _children() - self._main:
                try:
                    mine = os.getsid(pid) in sessions
                except OSError:
                    continue
                if _is_dead(pid):
                    died.add(pid)
                    if mine:
                        _reaped(pid)
                elif mine or _carries(pid, mark):
                    found.append(pid)
            # What died while we looked may have left us a child behind our back.
            if died <= dead:
                return found
            dead |= died

    def has_strays(self) -> bool:
        """Tell whether there is any child but the processes that are watched."""
        if self._children < 0:
            try:
                # Kept open: this is asked at the end of each connection.
                self._children = os.open(_list(), os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return bool(_children() - self._main)
        return bool(_read(self._children) - self._main)

    def reap(self) -> None:
        """Wait for all that have ended and that nobody else waits for."""
        for pid in _children() - self._main:
            _reaped(pid)

    def members(
        self, watched: Iterable[int], sessions: Collection[int], invocation: str
    ) -> list[int]:
        """Return all processes of a service that live, but for those that are watched.

        Args:
            watched: Its main and control process, as far as they live.
            sessions: See :meth:`strays`.
            invocation: See :meth:`strays`.
        """
        found = self.strays(sessions, invocation)
        known = {*watched, *found}
        open_ends = list(known)
        while open_ends:
            for pid in _children_of(open_ends.pop()) - known - self._main:
                known.add(pid)
                found.append(pid)
                open_ends.append(pid)
        return found

    def invocation_of(self, pid: int) -> str:
        """Return the INVOCATION_ID that a process carries, nothing if it has none."""
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return ""
        for item in environment.split(b"\0"):
            if item.startswith(b"INVOCATION_ID="):
                return item.partition(b"=")[2].decode(errors="replace")
        return ""

    def signal(self, number: int) -> bool:
        """Signal all that was left to us, also what none can be told to have left.

        Returns:
            Whether there was any, dead or alive: one that has died since we looked may have left
            us its own children.
        """
        left = _children() - self._main - self._others
        below = _with_descendants(left)
        for pid in below:
            if pid not in left or not _reaped(pid):
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
        return bool(left)

    def close(self) -> None:
        """Stop adopting."""
        if self._children >= 0:
            os.close(self._children)
            self._children = -1
        self._libc.prctl(_PR_SET_CHILD_SUBREAPER, self._before, 0, 0, 0)


def _look_at_proc() -> None:
    """Raise unless /proc shows the processes of our own PID namespace.

    In a new one it shows those of the old one, under other numbers, until it is mounted again.
    """
    try:
        own = int(Path("/proc/self").readlink().name)
    except (OSError, ValueError):
        what, hint = "there is no /proc, which tells of processes", "mount -t proc proc /proc"
    else:
        if own == os.getpid():
            return
        what = "/proc is that of another PID namespace"
        hint = "mount it in this one, as unshare --mount-proc does"
    raise ActivatorError(what, hint)


def _children() -> set[int]:
    """Return the children of this process's main thread, which does all forking."""
    try:
        descriptor = os.open(_list(), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        # A kernel without CONFIG_PROC_CHILDREN.
        return {int(each.name) for each in Path("/proc").glob("[0-9]*") if _is_child(each)}
    try:
        return _read(descriptor)
    finally:
        os.close(descriptor)


def _list() -> str:
    """Return the file that lists the children of the main thread."""
    return f"/proc/self/task/{threading.main_thread().native_id}/children"


def _read(descriptor: int) -> set[int]:
    """Return the processes that an open list holds now."""
    text = b""
    while chunk := os.pread(descriptor, _CHUNK, len(text)):
        text += chunk
        if len(chunk) < _HALF_PAGE:
            break  # the kernel gives nearly a page at a time, so this was all
    return set(map(int, text.split()))


def _children_of(pid: int) -> set[int]:
    """Return the living children of any process."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found |= {int(child) for child in task.read_text(encoding="ascii").split()}
    return found


def _with_descendants(pids: Iterable[int]) -> set[int]:
    """Return processes and all that live below them."""
    found = set(pids)
    open_ends = list(found)
    while open_ends:
        more = _children_of(open_ends.pop()) - found
        found |= more
        open_ends += more
    return found


def _is_child(process: Path) -> bool:
    """Tell whether a process, a directory of /proc, is a child of this one."""
    try:
        stat = (process / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return int(stat.rpartition(")")[2].split()[1]) == os.getpid()


def _carries(pid: int, mark: bytes) -> bool:
    """Tell whether a process has a variable that begins like this, or just ends."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        if not environment:
            Path(f"/proc/{pid}/exe").readlink()
    except (FileNotFoundError, ProcessLookupError):
        return True  # it has no memory any more, and cannot tell
    except OSError:
        return False
    return environment.startswith(mark) or b"\0" + mark in environment


def _is_dead(pid: int) -> bool:
    """Tell whether a child has ended, without waiting for it."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _reaped(pid: int) -> bool:
    """Wait for a child if it has ended; tell whether it had."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True
