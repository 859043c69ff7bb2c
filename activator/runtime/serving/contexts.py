"""Handlers that have a beginning and an end: asynchronous context managers.

What they give is the handler. They are entered before the service is ready, so that it becomes
ready with all it needs, and left when its connections have ended. Each has a task of its own
for that: libraries such as anyio want both in the same one.
"""

import asyncio

from activator.errors import ActivatorError
from activator.runtime.serving.handlers import CONTEXT
from activator.runtime.serving.report import failure, hint_at, line, place, summary
from activator.runtime.serving.route import Route, check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class Contexts:
    """All context managers of a service, each entered once for all its routes.

    Attributes:
        status: 1 once one of them has failed to end.

    Args:
        loop: The event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.status = 0
        self._loop = loop
        self._stays: dict[Any, _Stay] = {}

    def __bool__(self) -> bool:
        return bool(self._stays)

    async def enter(self, routes: "Sequence[Route]") -> "list[Route]":
        """Enter them, and return the routes to the handlers that they gave.

        Raises:
            ActivatorError: One of them failed, or gave no handler for its descriptor.
        """
        found = []
        for route in routes:
            if route.sort == CONTEXT:
                stay = self._stays.get(route.handler)
                if stay is None:
                    stay = self._stays[route.handler] = _Stay(route, self._loop)
                given = Route(route.listener, await stay.enter())
                if given.sort == CONTEXT:
                    raise ActivatorError(f"{route.name} gave another context manager")
                check(given)
                given.tls, given.is_proxied = route.tls, route.is_proxied
                found.append(given)
            else:
                found.append(route)
        return found

    def at_work(self) -> bool:
        """Tell whether one does something, though it may have no connection."""
        return any(stay.at_work() for stay in self._stays.values())

    async def leave(self, seconds: float) -> None:
        """Leave all at once; those that have not ended by then are cancelled."""
        for stay in self._stays.values():
            stay.leave()
        tasks = [stay.task for stay in self._stays.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=max(seconds, 0))
        self.cancel()

    def cancel(self) -> None:
        """Leave no more time."""
        for stay in self._stays.values():
            stay.task.cancel()

    async def end(self, seconds: float) -> None:
        """Wait for those that were cancelled, and tell which have failed."""
        for stay in self._stays.values():
            await asyncio.wait([stay.task], timeout=seconds)
            if not (stay.began and stay.task.done()) or stay.task.cancelled():
                continue  # how a start has failed is told by whoever wanted it
            error = stay.task.exception()
            if isinstance(error, ActivatorError):
                line(str(error))
                self.status = 1
            elif error:
                failure(f"handler {stay.name} failed to end", error)
                self.status = 1


class _Stay:
    """One context manager, entered and left by a task of its own."""

    def __init__(self, route: Route, loop: asyncio.AbstractEventLoop) -> None:
        self.name = route.name
        made: Any = route.handler
        is_one = hasattr(type(made), "__aenter__") and not isinstance(made, type)
        self._context = made if is_one else made()
        self._given: asyncio.Future[Any] = loop.create_future()
        self._left = asyncio.Event()
        self.task = loop.create_task(self._stay())

    @property
    def began(self) -> bool:
        """Whether it was entered."""
        return self._given.done()

    async def _stay(self) -> None:
        try:
            async with self._context as handler:
                self._given.set_result(handler)
                await self._left.wait()
        except (KeyboardInterrupt, SystemExit) as error:
            # Those would end the loop.
            raise RuntimeError(f"it raised {type(error).__name__}: {error}") from error

    async def enter(self) -> "Any":
        """Return the handler."""
        await asyncio.wait([self._given, self.task], return_when=asyncio.FIRST_COMPLETED)
        if self._given.done():
            return self._given.result()
        error = None if self.task.cancelled() else self.task.exception()
        if error is None or isinstance(error, ActivatorError):
            raise error or ActivatorError(f"handler {self.name} gave up before it began")
        raise ActivatorError(
            f"handler {self.name} failed to start: {summary(error)}",
            hint_at(error),
            place=place(error),
        ) from None

    def at_work(self) -> bool:
        at_work = getattr(self._context, "at_work", None)
        return at_work is not None and bool(at_work())

    def leave(self) -> None:
        self._left.set()
