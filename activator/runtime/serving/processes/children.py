"""The processes of connections: how long they may run, how they end, and that none is left.

Each leads a process group of its own. When it has ended, what is left of the group is killed,
as systemd does with the control group of an instance (KillMode=control-group).
"""

import os
import signal
import sys
from contextlib import suppress

from activator.runtime.serving.report import Rarely

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn

    from activator.runtime.serving.options import Limit
    from activator.runtime.serving.processes.cgroups import Groups
    from activator.runtime.serving.sources import Source

    # What it runs, for messages; where its connection comes from, if that is counted; when
    # something has to be done about it, as time.monotonic(). No class: each fork leaves every
    # page that is written to afterwards to be copied, and functions and objects are pages.
    Child = tuple[object, Source | None, float]

# How long a process may take to end after SIGTERM, before SIGKILL, in seconds.
GRACE = 1.0
NEVER = float("inf")


class Children:
    """All processes that run, from their start until they are reaped.

    Args:
        time_limit: How many seconds each may run; 0 is no limit.
        ended: Called with the source of each that has ended, if it has one.
        groups: Their cgroups, if they have some.

    Attributes:
        running: By their ids, in the order of their times: the limit is the same for all.
            Whoever starts one adds it.
        told: Those that were told to end, in the same order.
        tls: What their connections begin with, if they do; it is told of handshakes that failed.
    """

    def __init__(
        self, time_limit: float, ended: "Callable[[Source], object]", groups: "Groups | None" = None
    ) -> None:
        self.running: dict[int, Child] = {}
        self.told: dict[int, Child] = {}
        self.tls: Any = None
        self._time_limit = time_limit
        self._ended = ended
        self._groups = groups
        self._overlong = Rarely()
        self._crashed = Rarely(1.0)

    def __len__(self) -> int:
        return len(self.running) + len(self.told)

    def reap(self) -> int:
        """Leave nothing of those that have ended; return how many there were."""
        count = 0
        while True:
            try:
                # It keeps its id for now, so that no other group can have it.
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                ended = None
            if ended is None:
                return count
            pid = ended.si_pid
            child = self.running.pop(pid, None)
            told = None if child else self.told.pop(pid, None)
            if child or told:
                try:  # noqa: SIM105 - suppress() would cost more than the rest
                    os.killpg(pid, signal.SIGKILL)
                except OSError:
                    pass
            # Of others, which a handler's module has started, nobody else takes the status.
            os.waitpid(pid, 0)
            if child and (self.tls or ended.si_code != os.CLD_EXITED):
                self._tell_why(pid, child[0], ended)
            child = child or told
            if child:
                count += 1
                if child[1] or self._groups:
                    self._clean_up(pid, child)
                if not self.running and not self.told:
                    return count  # the next call would only raise an exception

    def _tell_why(self, pid: int, what: object, ended: os.waitid_result) -> None:
        number = ended.si_status
        if ended.si_code != os.CLD_EXITED:
            ending = f"was ended by signal {number} ({_name(number)})"
            self._crashed.line(f"{what}: process {pid} {ending}")
        else:
            self.tls.reaped(what, number)

    def _clean_up(self, pid: int, child: "Child") -> None:
        if self._groups:
            self._groups.leave(pid, child[0])
        if child[1]:
            self._ended(child[1])

    def tick(self, now: float) -> float:
        """End those whose time has passed; return when it is another's, or inf."""
        while (first := _first(self.running)) and first[1][2] <= now:
            pid, child = first
            self._overlong.line(
                f"{child[0]}: process {pid} has run for {self._time_limit:g} seconds, "
                "the time limit, and is ended"
            )
            self._tell(pid, now)
        while (first := _first(self.told)) and first[1][2] <= now:
            pid, (what, source, _) = first
            _kill(pid, signal.SIGKILL)
            del self.told[pid]
            self.told[pid] = what, source, NEVER  # until it is reaped, and last in the order
        firsts = [first[1][2] for first in map(_first, (self.running, self.told)) if first]
        return min(firsts, default=NEVER)

    def terminate(self, now: float) -> None:
        """Tell all to end, SIGTERM first; :meth:`tick` sends SIGKILL later."""
        for pid in list(self.running):
            self._tell(pid, now)

    def kill(self) -> None:
        """End all at once."""
        for pid in (*self.running, *self.told):
            _kill(pid, signal.SIGKILL)

    def _tell(self, pid: int, now: float) -> None:
        what, source, _ = self.running.pop(pid)
        self.told[pid] = what, source, now + GRACE
        _kill(pid, signal.SIGTERM)


def _first(children: "dict[int, Child]") -> "tuple[int, Child] | None":
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


def limiter(
    limits: "Sequence[Limit]", groups: "Groups | None" = None
) -> "Callable[[], None] | None":
    """Return what gives the child its cgroup and its resource limits, if it is to have some."""
    if not limits:
        return groups.enter if groups else None
    import resource  # noqa: PLC0415 - rarely needed

    def limit() -> None:
        if groups:
            groups.enter()
        for number, value in limits:
            resource.setrlimit(number, (value, value))

    return limit


def flush() -> None:
    """Write what was printed, if somebody still reads it."""
    try:
        sys.stderr.flush()
        sys.stdout.flush()
    except (AttributeError, OSError, ValueError):
        pass


def leave(status: int) -> "NoReturn":
    """End the child at once; what the service has registered to run at its end is not its."""
    flush()
    os._exit(status & 0xFF)
