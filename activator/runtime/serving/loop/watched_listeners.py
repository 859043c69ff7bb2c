"""Which listeners the event loop looks at, and which wait for something else.

Back-pressure is no more than that: what is not looked at waits in the kernel's queue.
"""

from activator.runtime.serving.accept import PAUSE, no_memory
from activator.runtime.serving.report import Rarely

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from activator.runtime.serving.route import Route


class WatchedListeners:
    """The listeners of a service with an event loop.

    Attributes:
        closed: Whether nothing more is to be taken: the service drains.
        waiting: Those that wait for a thread, or a connection's end, or a while.
        scarcity: Says now and then why they do.

    Args:
        loop: The event loop.
    """

    def __init__(self, loop: "AbstractEventLoop") -> None:
        self.closed = False
        self.waiting: set[Route] = set()
        self._loop = loop
        self._watched: set[Route] = set()
        self._ways: dict[Route, tuple[Callable[[Route], object], bool]] = {}
        self.scarcity = Rarely()

    def open(
        self, route: "Route", ready: "Callable[[Route], object]", *, can_be_watched: bool = True
    ) -> None:
        """Have something called, with the route, whenever there is something to take.

        Args:
            route: Whose listener to look at.
            ready: What to call.
            can_be_watched: Whether the kernel tells; else it is called at once, and waits itself.
        """
        self._ways[route] = ready, can_be_watched
        self.watch(route)

    def watch(self, route: "Route") -> None:
        """Look at a listener again."""
        if self.closed or route in self._watched:
            return
        ready, can_be_watched = self._ways[route]
        if can_be_watched:
            self._watched.add(route)
            self._loop.add_reader(route.listener.fd, self._take, route)
        else:
            ready(route)

    def unwatch(self, route: "Route") -> None:
        """Look at it no more for now."""
        if route in self._watched:
            self._watched.discard(route)
            self._loop.remove_reader(route.listener.fd)

    def hold(self, route: "Route") -> None:
        """Look at it no more until :meth:`resume_all` is called."""
        self.unwatch(route)
        self.waiting.add(route)

    def pause(self, route: "Route", reason: str) -> None:
        """Look at it no more for a while, and say why now and then."""
        self.hold(route)
        self._loop.call_later(PAUSE, self._resume, route)
        self.scarcity.line(reason)

    def resume_all(self) -> None:
        """Look at those again that wait."""
        for route in list(self.waiting):
            self._resume(route)

    def close(self) -> None:
        """Look at none any more."""
        self.closed = True
        for route in list(self._watched):
            self.unwatch(route)
        self.waiting.clear()

    def _take(self, route: "Route") -> None:
        try:
            self._ways[route][0](route)
        except MemoryError:  # what was begun is closed with the last reference to it
            self.pause(route, no_memory(route.listener))

    def _resume(self, route: "Route") -> None:
        self.waiting.discard(route)
        self.watch(route)
