"""Have the messages of one listener answered in a thread of the pool.

One thread at a time, so that they are answered in their order; meanwhile the listener is not
looked at, and what comes waits in the kernel's queue.
"""

from activator.runtime.serving.accept import BrokenListenerError, ScarceError
from activator.runtime.serving.draining import draining
from activator.runtime.serving.handlers import FILE, QUEUED
from activator.runtime.serving.plain import answer
from activator.runtime.serving.receive import Channel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from activator.runtime.serving.queues import Queue
    from activator.runtime.serving.route import Route
    from activator.runtime.serving.threads.files import File
    from activator.runtime.serving.threads.pool import Pool

# How many messages to answer before the count is told and others have their turn.
BATCH = 256


def messages_of(route: "Route", longest: int) -> "Messages | File":
    """Return what has such a handler called."""
    if route.sort != FILE:
        return Messages(route, longest)
    from activator.runtime.serving.threads.files import File  # noqa: PLC0415 - rarely needed

    return File(route)


def _channel(route: "Route", longest: int) -> "Channel | Queue":
    if route.sort != QUEUED:
        return Channel(route.listener, longest)
    from activator.runtime.serving.queues import Queue  # noqa: PLC0415 - rarely needed

    return Queue(route.listener)


class Messages:
    """The messages of one listener.

    Attributes:
        count: How many were taken last time.
        scarce: Why there is to be a pause before the next time; else empty.
        broken: Why there can be no next time; else empty.
        over: False: there is no end of messages.
        used: Never, as time.monotonic(): the end of each call tells.
        can_be_watched: True: the kernel says when there are any.

    Args:
        route: The listener and its handler.
        longest: The longest message taken, in bytes.
    """

    over = False
    used = 0.0
    can_be_watched = True

    def __init__(self, route: "Route", longest: int) -> None:
        self.count = 0
        self.scarce = self.broken = ""
        self._route = route
        self._channel = _channel(route, longest)
        self._left = 0

    def submit(self, pool: "Pool", freed: "Callable[[Messages], object]") -> None:
        """Have what waits answered; then ``freed`` is called, in the thread."""
        self.count = 0
        self.scarce = self.broken = ""

        self._left = BATCH
        pool.run(self, self._answer, str(self._route), lambda: freed(self))

    def _more(self) -> bool:
        self._left -= 1
        return self._left >= 0 and not draining.is_set()

    def _answer(self) -> None:
        try:
            self.count = answer(self._route, self._channel, self._more)
        except ScarceError as error:
            self.scarce = str(error)
        except BrokenListenerError as error:
            self.broken = str(error)
