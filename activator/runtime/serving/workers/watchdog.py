"""The watchdog of a service with workers: who hangs, and whether to ping for all."""

from time import monotonic

from activator import notify
from activator.runtime.serving.life import NEVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from activator.runtime.serving.workers.worker import Worker

# After which part of the watchdog's time a worker that is silent counts as hanging: it pings
# at each half.
HANGING = 0.8


class Watchdog:
    """Pings the manager's watchdog while all workers ping ours."""

    def __init__(self) -> None:
        self._interval = notify.ping_interval()
        self._at = monotonic() if self._interval else NEVER

    def tick(self, workers: "Sequence[Worker]", now: float) -> float:
        """Do what is due; return when something is again, as time.monotonic().

        A worker that hangs is ended, and so replaced. If that is in vain, the manager will act.
        """
        if now < self._at:
            return self._at
        limit = 2 * self._interval * HANGING
        hanging = [worker for worker in workers if worker.pid and worker.alive + limit <= now]
        for worker in hanging:
            worker.abort()
        if not hanging:
            notify.watchdog()
        # More often than a worker does, to see in time that it has not.
        self._at = now + self._interval / 4
        return self._at
