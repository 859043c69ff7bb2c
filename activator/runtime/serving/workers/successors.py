"""Workers that are to take the place of one that has done enough: ``--worker-max-connections``.

The earlier one serves until the new one is ready, so there is always one that accepts.
"""

from activator.runtime.serving.life import NEVER
from activator.runtime.serving.report import line
from activator.runtime.serving.workers.worker import BACK_OFF_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from activator.runtime.serving.workers.worker import Worker


class Successors:
    """Those that are not ready yet, each with the worker that it is to replace.

    Args:
        start_limit: How long they may take to get ready, in seconds.
    """

    def __init__(self, start_limit: float) -> None:
        self._start_limit = start_limit
        self._replaced: dict[Worker, Worker] = {}

    def __iter__(self) -> "Iterator[Worker]":
        return iter(self._replaced)

    def __contains__(self, worker: object) -> bool:
        return worker in self._replaced

    @property
    def next(self) -> float:
        """When the time of one has passed, as time.monotonic()."""
        return min((worker.began for worker in self._replaced), default=NEVER) + self._start_limit

    def has(self, worker: "Worker") -> bool:
        """Tell whether somebody is to replace a worker."""
        return worker in self._replaced.values()

    def add(self, successor: "Worker", worker: "Worker") -> None:
        """Note who has been started for whom."""
        self._replaced[successor] = worker

    def ready(self) -> "list[tuple[Worker, Worker]]":
        """Take out those that are ready, and return each with the one that it replaces."""
        found = [pair for pair in self._replaced.items() if pair[0].is_ready]
        for successor, _ in found:
            del self._replaced[successor]
        return found

    def fail(self, successor: "Worker", now: float) -> None:
        """Take one out that will not be ready; the next one has to wait."""
        self._replaced.pop(successor).start_at = now + BACK_OFF_MAX

    def late(self, now: float) -> "list[Worker]":
        """Take out those whose time has passed, and return them."""
        found = [each for each in self._replaced if each.began + self._start_limit <= now]
        for successor in found:
            line(f"worker {successor.pid} is not ready within {self._start_limit:g} seconds")
            self.fail(successor, now)
        return found

    def give_up(self) -> "list[Worker]":
        """Take out all, and return them."""
        found, self._replaced = list(self._replaced), {}
        return found
