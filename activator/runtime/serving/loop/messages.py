"""Listeners of a service with an event loop that have no connections: messages, queues, files.

A plain handler of theirs is called in a thread; meanwhile the listener is not looked at.
"""

from contextlib import suppress

from activator.runtime.serving.accept import ScarceError
from activator.runtime.serving.threads.messages import messages_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from activator.runtime.serving.loop.connections import Connections
    from activator.runtime.serving.loop.watched_listeners import WatchedListeners
    from activator.runtime.serving.route import Route
    from activator.runtime.serving.threads.files import File
    from activator.runtime.serving.threads.messages import Messages


class MessageCalls:
    """The calls of the handlers of messages, and of files.

    Args:
        loop: The event loop.
        listeners: Their listeners.
        connections: What they share the threads with.
        traffic: Called after each turn, with the number of messages.
        broken: Called with the reason when nothing can be taken any more.
        left: Called with the route of a file that is at its end.
        ended: Called at the end of each turn.
    """

    def __init__(
        self,
        loop: "AbstractEventLoop",
        listeners: "WatchedListeners",
        connections: "Connections",
        *,
        traffic: "Callable[[int], object]",
        broken: "Callable[[str], object]",
        left: "Callable[[Route], object]",
        ended: "Callable[[], object]",
    ) -> None:
        self._loop = loop
        self._listeners = listeners
        self._connections = connections
        self._traffic = traffic
        self._broken = broken
        self._left = left
        self._ended = ended
        self._calls: dict[Route, Messages | File] = {}

    @property
    def used(self) -> float:
        """When one was used last, as time.monotonic(), if that is known to them alone; else 0."""
        return max((messages.used for messages in self._calls.values()), default=0.0)

    def open(self, route: "Route", message_max: int) -> None:
        """Have a handler called with what comes, messages of so many bytes at most."""
        messages = self._calls[route] = messages_of(route, message_max)
        self._listeners.open(route, self._take, can_be_watched=messages.can_be_watched)

    def _take(self, route: "Route") -> None:
        pool = self._connections.pool
        if pool and not self._connections.is_full(route):
            try:
                self._calls[route].submit(pool, lambda _: self._announce_answered(route))
            except ScarceError as error:
                self._listeners.pause(route, str(error))
            else:
                self._listeners.unwatch(route)
        else:
            self._listeners.hold(route)

    def _announce_answered(self, route: "Route") -> None:
        with suppress(RuntimeError):  # a straggler may end when the loop is closed already
            self._loop.call_soon_threadsafe(self._answered, route)

    def _answered(self, route: "Route") -> None:
        messages = self._calls[route]
        self._traffic(messages.count)
        if messages.broken:
            self._broken(messages.broken)
        elif messages.over:
            self._left(route)
        elif messages.scarce:
            self._listeners.pause(route, messages.scarce)
        else:
            self._listeners.watch(route)
        self._ended()
