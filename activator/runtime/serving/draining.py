"""Tell handlers that the service is about to end: ``activator.draining``."""

import os
from _thread import allocate_lock
from select import POLLIN, poll

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable, Generator

# How long an HTTP connection without a request stays open when the service drains, in seconds.
LINGER = 0.3


class Draining:
    """Whether the service drains: it accepts nothing more and waits for handlers to end.

    Handlers that keep a connection open heed it to end in their own time, not at the limit::

        if activator.draining.is_set(): ...        # anywhere
        activator.draining.wait(5.0)               # in a thread, up to 5 seconds
        select.select([sock, activator.draining], [], [])   # or for what comes first
        await activator.draining                   # in a coroutine
    """

    __slots__ = ("_fd", "_is_announced", "_is_hand_over", "_is_set", "_lock", "_waiters", "calls")

    def __init__(self) -> None:
        self._is_set = self._is_hand_over = self._is_announced = False
        self._fd = -1
        self._lock = allocate_lock()
        self._waiters: set[Future[None]] = set()
        # Of the servers here, in the loop's thread: before anything else is read from clients.
        self.calls: list[Callable[[], object]] = []

    def is_set(self) -> bool:
        """Tell whether the service drains."""
        return self._is_set

    def is_hand_over(self) -> bool:
        """Tell whether it does because other processes have taken over, at a reload.

        Then nobody waits for the end, and clients may be served on for as long as ``drain`` says.
        """
        return self._is_hand_over

    def is_leaving(self) -> bool:
        """Tell whether a balancer should lead new clients elsewhere.

        It is so from the signal on: while the service drains, and before, while it serves on for
        ``drain-delay``. At a hand-over it is not, since other processes serve here.
        """
        return (self._is_set or self._is_announced) and not self._is_hand_over

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the service drains, at most so many seconds; return whether it does."""
        if not self._is_set:
            waiting = poll()
            waiting.register(self, POLLIN)
            waiting.poll(None if timeout is None else timeout * 1000)
        return self._is_set

    def fileno(self) -> int:
        """Return a descriptor that is readable when the service drains; do not read from it."""
        with self._lock:
            if self._fd < 0:
                # Closed never: a thread may still wait for it when the service has ended.
                self._fd = os.eventfd(0)
                if self._is_set:
                    os.eventfd_write(self._fd, 1)
        return self._fd

    def __await__(self) -> "Generator[Future[None], None, None]":
        if self._is_set:
            return
        from asyncio import get_running_loop  # noqa: PLC0415 - loaded, where it is awaited

        future = get_running_loop().create_future()
        self._waiters.add(future)
        try:
            yield from future
        finally:
            self._waiters.discard(future)

    def announce(self) -> None:
        """Say that the service is going to drain; for the service itself."""
        self._is_announced = True

    def set(self, *, hand_over: bool = False) -> None:
        """Say that the service drains; for the service itself, in a signal handler for one."""
        self._is_hand_over = hand_over
        self._is_set = True
        self._is_announced = False  # it has come true
        if self._fd >= 0:
            os.eventfd_write(self._fd, 1)
        for call in list(self.calls):
            call()
        for future in list(self._waiters):
            if not future.done():
                future.set_result(None)

    def part(self) -> None:
        """Have nothing in common with the process that this one was forked from."""
        if self._fd >= 0:
            event = os.eventfd(int(self._is_set))
            os.dup2(event, self._fd, inheritable=False)  # it may be waited for by its number
            os.close(event)

    def clear(self) -> None:
        """Say that a service begins."""
        if self._is_set and self._fd >= 0:
            os.eventfd_read(self._fd)
        # Not what was announced: a process of a connection has that from the service itself.
        self._is_set = self._is_hand_over = False


draining = Draining()
