"""What all workers have done together, for ``systemctl status``."""

from time import monotonic

from activator import notify
from activator.runtime.serving.life import NEVER, describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from activator.runtime.serving.workers.worker import Worker

# How long to leave the status as it is, in seconds.
INTERVAL = 1.0


class Totals:
    """Sums up the workers' figures, and shows them now and then.

    Attributes:
        show_at: When to show them next, as time.monotonic(); NEVER if nothing has changed.
    """

    def __init__(self) -> None:
        self.show_at = NEVER
        self._shown = ""
        self._shown_at = -NEVER
        self._past = (0, 0, 0)  # of processes that have ended

    def change(self) -> None:
        """Note that there is something new to show."""
        if self.show_at == NEVER:
            self.show_at = max(monotonic(), self._shown_at + INTERVAL)

    def take(self, worker: "Worker") -> None:
        """Keep what a worker has counted whose process has ended."""
        accepted, refused, messages = self._past
        self._past = (
            accepted + worker.counts[1],
            refused + worker.counts[2],
            messages + worker.counts[3],
        )
        worker.counts = (0, 0, 0, 0)
        self.change()

    def sums(self, workers: "Sequence[Worker]") -> tuple[int, int, int, int]:
        """Return how many connections are open, were accepted and refused, and messages."""
        counts = [(0, *self._past), *(worker.counts for worker in workers)]
        busy, accepted, refused, messages = map(sum, zip(*counts, strict=True))
        return busy, accepted, refused, messages

    def describe(self, state: str, workers: "Sequence[Worker]") -> str:
        """Return the line, for the workers that there are."""
        return describe(state, *self.sums(workers))

    def show(self, text: str, now: float) -> None:
        """Show the line, unless it is what was shown last."""
        self.show_at = NEVER
        if text == self._shown:
            return
        if notify.status(text):
            self.shown(text, now)
        elif notify.is_heard():
            self.show_at = now + INTERVAL  # the manager has had no room for it

    def shown(self, text: str, now: float) -> None:
        """Note what was shown, with another message."""
        self._shown, self._shown_at = text, now
