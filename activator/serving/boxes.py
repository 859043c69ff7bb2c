"""Listeners of a service with an event loop that have no connections: messages, queues, files.

A plain handler of theirs is called in a thread; meanwhile the listener is not looked at.
"""

from contextlib import suppress

from activator.serving.inbox import inbox

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from activator.serving.connections import Connections
    from activator.serving.files import File
    from activator.serving.gates import Gates
    from activator.serving.handlers import Route
    from activator.serving.inbox import Inbox


class Boxes:
    """The inboxes of a service.

    Args:
        loop: The event loop.
        gates: Their listeners.
        connections: What they share the threads with.
        traffic: Called after each turn, with the number of messages.
        broken: Called with the reason when nothing can be taken any more.
        left: Called with the route of a file that is at its end.
        ended: Called at the end of each turn.
    """

    def __init__(
        self,
        loop: "AbstractEventLoop",
        gates: "Gates",
        connections: "Connections",
        *,
        traffic: "Callable[[int], object]",
        broken: "Callable[[str], object]",
        left: "Callable[[Route], object]",
        ended: "Callable[[], object]",
    ) -> None:
        self._loop = loop
        self._gates = gates
        self._connections = connections
        self._traffic = traffic
        self._broken = broken
        self._left = left
        self._ended = ended
        self._boxes: dict[Route, Inbox | File] = {}

    @property
    def used(self) -> float:
        """When one was used last, as time.monotonic(), if that is known to them alone; else 0."""
        return max((box.used for box in self._boxes.values()), default=0.0)

    def open(self, route: "Route", message_max: int) -> None:
        """Have a handler called with what comes, messages of so many bytes at most."""
        box = self._boxes[route] = inbox(route, message_max)
        self._gates.open(route, self._take, can_be_watched=box.can_be_watched)

    def _take(self, route: "Route") -> None:
        pool = self._connections.pool
        if pool and not self._connections.is_full(route):
            self._gates.unwatch(route)
            self._boxes[route].submit(pool, lambda _: self._announce_answered(route))
        else:
            self._gates.hold(route)

    def _announce_answered(self, route: "Route") -> None:
        with suppress(RuntimeError):  # a straggler may end when the loop is closed already
            self._loop.call_soon_threadsafe(self._answered, route)

    def _answered(self, route: "Route") -> None:
        box = self._boxes[route]
        self._traffic(box.count)
        if box.broken:
            self._broken(box.broken)
        elif box.over:
            self._left(route)
        elif box.scarce:
            self._gates.pause(route, box.scarce)
        else:
            self._gates.watch(route)
        self._ended()
