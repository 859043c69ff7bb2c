"""The workers, by what each is there for: to serve, to take over, or to end."""

import os
import signal
from time import monotonic

from activator.runtime.serving.handlers import CONNECTED
from activator.runtime.serving.life import NEVER
from activator.runtime.serving.options import SHARED
from activator.runtime.serving.workers.orphans import Orphans, names_of
from activator.runtime.serving.workers.successors import Successors
from activator.runtime.serving.workers.worker import BACK_OFF_MAX, Surroundings, Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from activator.runtime.listen import Listeners
    from activator.runtime.serving.settings import Settings
    from activator.runtime.serving.workers.waiter import Waiter

# How long workers may take beyond the drain, to end themselves, in seconds.
MARGIN = 3.0
# How often to try again to pass on a connection, in seconds.
AGAIN = 0.05


class Crew:
    """Starts workers, fills their places, and sees them out.

    Attributes:
        serving: The places of the service; a place may have no process for a moment.
        coming: Those that are to take over from all that serve.
        leaving: Those that end.
        successors: Those that are to take over from one that serves.
        orphans: Connections that workers have left.

    Args:
        listeners: What was passed; connections from the fd store go to the first worker alone,
            and are closed then.
        settings: What was set.
        waiter: Waits for what workers say.
        read: Called with a worker that has said something.
        ended: Called with a worker whose process has ended, its exit code as subprocess has it,
            and the time.
    """

    def __init__(
        self,
        listeners: "Listeners",
        settings: "Settings",
        waiter: "Waiter",
        read: "Callable[[Worker], object]",
        ended: "Callable[[Worker, int, float], object]",
    ) -> None:
        self._listeners = [item for item in listeners if item.kind != CONNECTED]
        self._restored = [item for item in listeners if item.kind == CONNECTED]
        self._names = names_of(self._listeners) if settings.isolation == SHARED else ()
        self._drain = settings.drain
        self._waiter = waiter
        self._read = read
        self._ended = ended
        self._is_stopping = False
        self._surroundings = self._next_surroundings = Surroundings(dict(os.environb))
        self.orphans = Orphans(self._names)
        self.successors = Successors(settings.start_limit)
        self.coming: list[Worker] = []
        self.leaving: list[Worker] = []
        self.serving = [self._new(self._surroundings) for _ in range(settings.workers)]

    def everybody(self) -> list[Worker]:
        """Return all workers."""
        return [*self.serving, *self.coming, *self.leaving, *self.successors]

    def is_running(self) -> bool:
        """Tell whether a worker has a process."""
        return any(worker.pid for worker in self.everybody())

    def start_others(self, surroundings: Surroundings | None, now: float) -> bool:
        """Start as many new ones beside those that serve; return whether all could be.

        Args:
            surroundings: What they are started in; None for what those have that serve.
            now: The time, as time.monotonic().
        """
        self._next_surroundings = surroundings or self._surroundings
        self.coming = [self._new(self._next_surroundings) for _ in self.serving]
        return all(worker.start(self._listeners, now) for worker in self.coming)

    def take_over(self) -> list[Worker]:
        """Have the new ones serve, and the others leave; return these."""
        self._surroundings = self._next_surroundings
        earlier, self.serving, self.coming = self.serving, self.coming, []
        self.leave(earlier)
        return earlier

    def roll_back(self) -> None:
        """Have the new ones leave."""
        leaving, self.coming = self.coming, []
        self.leave(leaving)

    def leave(self, workers: list[Worker]) -> None:
        """Have workers drain and end; who takes too long is killed by :meth:`tick`."""
        until = monotonic() + self._drain + MARGIN
        for worker in workers:
            self.leaving.append(worker)
            worker.until = until
            worker.relieve()
        self.reap()  # takes the places that are empty already

    def tick(self, now: float) -> float:
        """Do what is due; return when something is again, as time.monotonic()."""
        times = [NEVER]
        if self.orphans:
            self.find_homes()
            times.append(now + AGAIN)
        if late := self.successors.late(now):
            self.leave(late)
        for worker in self.leaving:
            if worker.until <= now:
                worker.signal(signal.SIGKILL)
                worker.until = NEVER
            times.append(worker.until)
        return min(*times, self.successors.next)

    def fill_places(self, now: float, *, replace: bool) -> float:
        """Start workers where one lacks; return when the next may be, as time.monotonic().

        Args:
            now: The time, as time.monotonic().
            replace: Whether a worker that has done enough lacks one, too.
        """
        times = [NEVER]
        for worker in self.serving:
            if self._lacks(worker, replace=replace) and worker.start_at <= now:
                (self._replace if worker.pid else self._start)(worker, now)
            if self._lacks(worker, replace=replace):
                times.append(worker.start_at)
        return min(times)

    def put_successors_in(self) -> None:
        """Have the successors that are ready serve, and those leave that they replace."""
        for successor, worker in self.successors.ready():
            self.serving[self.serving.index(worker)] = successor
            self.leave([worker])

    def reap(self) -> None:
        """See which processes have ended, and forget the workers that were to."""
        now = monotonic()
        for worker in self.everybody():
            if worker.pid:
                pid, state = os.waitpid(worker.pid, os.WNOHANG)
                if pid:
                    self._ended(worker, os.waitstatus_to_exitcode(state), now)
        for worker in [each for each in self.leaving if not each.pid]:
            self.leaving.remove(worker)
            self._waiter.unwatch(worker.fileno())
            worker.close()
            self.orphans.add(worker.channels.close())
            self.find_homes()

    def find_homes(self) -> None:
        """Pass on the connections that workers have left: at the end, to the manager."""
        if self._is_stopping:
            self.orphans.store()
        else:
            self.orphans.place([each for each in self.serving if each.pid and each.is_ready])

    def stop(self) -> None:
        """Have all end, since the service does."""
        self._is_stopping = True
        for worker in self.everybody():
            if worker in self.leaving:
                worker.relieve()  # once more: now the service ends as well
            else:
                worker.signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill all that still run."""
        for worker in self.everybody():
            worker.signal(signal.SIGKILL)

    def close(self) -> None:
        """Hand all connections that are left to the manager, and listen to no worker any more."""
        for worker in self.everybody():
            self.orphans.add(worker.channels.close())
            worker.close()
        self.orphans.store()

    def _new(self, surroundings: Surroundings) -> Worker:
        worker = Worker(surroundings, self._names)
        self._waiter.watch(worker.fileno(), lambda: self._read(worker))
        return worker

    def _start(self, worker: Worker, now: float) -> None:
        if worker.start(self._listeners + self._restored, now):
            for listener in self._restored:
                listener.close()
            self._restored = []

    def _replace(self, worker: Worker, now: float) -> None:
        successor = self._new(self._surroundings)
        if successor.start(self._listeners, now):
            self.successors.add(successor, worker)
        else:
            worker.start_at = now + BACK_OFF_MAX
            self.leave([successor])

    def _lacks(self, worker: Worker, *, replace: bool) -> bool:
        spent = worker.is_spent and replace and not self.successors.has(worker)
        return spent or not worker.pid
