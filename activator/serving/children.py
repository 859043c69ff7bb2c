"""The processes of connections: how long they may run, how they end, and that none is left.

Each leads a process group of its own. When it has ended, what is left of the group is killed,
as systemd does with the control group of an instance (KillMode=control-group).
"""

import os
import signal
from contextlib import suppress

from activator.serving.report import Rarely

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from activator.serving.sources import Source

# How long a process may take to end after SIGTERM, before SIGKILL, in seconds.
GRACE = 1.0
NEVER = float("inf")


class Child:
    """One process.

    Attributes:
        what: What it runs, for messages.
        source: Where its connection comes from, if that is counted.
        until: When something has to be done about it, as time.monotonic().
        told: Whether it was told to end.
    """

    __slots__ = ("source", "told", "until", "what")

    def __init__(self, what: object, source: "Source | None", until: float) -> None:
        self.what = what
        self.source = source
        self.until = until
        self.told = False


class Children:
    """All processes that run, from their start until they are reaped.

    Args:
        time_limit: How many seconds each may run; 0 is no limit.
    """

    def __init__(self, time_limit: float) -> None:
        self._time_limit = time_limit or NEVER
        # Both in the order of their times: the limit is the same for all.
        self._running: dict[int, Child] = {}
        self._told: dict[int, Child] = {}
        self._overlong = Rarely()
        self._crashed = Rarely(1.0)

    def __len__(self) -> int:
        return len(self._running) + len(self._told)

    def add(self, pid: int, what: object, source: "Source | None", now: float) -> None:
        """Note a process that has just begun."""
        self._running[pid] = Child(what, source, now + self._time_limit)

    def reap(self) -> "Iterator[Child]":
        """Yield those that have ended; nothing is left of them then."""
        while True:
            try:
                # It keeps its id for now, so that no other group can have it.
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            pid = ended.si_pid
            child = self._running.pop(pid, None) or self._told.pop(pid, None)
            if child:
                try:  # noqa: SIM105 - suppress() would cost more than the rest
                    os.killpg(pid, signal.SIGKILL)
                except OSError:
                    pass
            # Of others, which a handler's module has started, nobody else takes the status.
            os.waitpid(pid, 0)
            if child:
                if ended.si_code != os.CLD_EXITED and not child.told:
                    self._crashed.line(
                        f"{child.what}: process {pid} was ended by signal {ended.si_status} "
                        f"({_name(ended.si_status)})"
                    )
                yield child

    def tick(self, now: float) -> float:
        """End those whose time has passed; return the seconds until it is another's, or inf."""
        while (first := _first(self._running)) and first[1].until <= now:
            pid, child = first
            self._overlong.line(
                f"{child.what}: process {pid} has run for {self._time_limit:g} seconds, "
                "the time limit, and is ended"
            )
            self._tell(pid, now)
        while (first := _first(self._told)) and first[1].until <= now:
            pid, child = first
            _kill(pid, signal.SIGKILL)
            del self._told[pid]
            self._told[pid] = child  # until it is reaped, and last in the order
            child.until = NEVER
        times = [first[1].until for first in map(_first, (self._running, self._told)) if first]
        return min(times, default=NEVER) - now

    def terminate(self, now: float) -> None:
        """Tell all to end, SIGTERM first; :meth:`tick` sends SIGKILL later."""
        for pid in list(self._running):
            self._tell(pid, now)

    def kill(self) -> None:
        """End all at once."""
        for pid in (*self._running, *self._told):
            _kill(pid, signal.SIGKILL)

    def _tell(self, pid: int, now: float) -> None:
        child = self._told[pid] = self._running.pop(pid)
        child.told = True
        child.until = now + GRACE
        _kill(pid, signal.SIGTERM)


def _first(children: dict[int, Child]) -> tuple[int, Child] | None:
    return next(iter(children.items()), None)


def _kill(pid: int, number: int) -> None:
    # It is not reaped yet, so the id is its own; but it may not lead its group yet.
    try:
        os.killpg(pid, number)
    except OSError:
        with suppress(OSError):
            os.kill(pid, number)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
