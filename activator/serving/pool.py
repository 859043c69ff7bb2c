"""Make the calls of plain handlers in a bounded number of threads.

Threads are started when they are first needed and kept. (concurrent.futures would do
the same, and load logging.)
"""

import threading
from contextlib import suppress
from queue import SimpleQueue
from socket import SHUT_RDWR

from activator.serving.plain import converse
from activator.serving.report import failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from activator.serving.handlers import Route


class Pool:
    """Up to ``limit`` connections, each handled in a thread.

    All methods are for the thread that owns the pool. A connection that was submitted is
    closed by its thread.

    Args:
        limit: How many connections are handled at once.
        freed: Called, in a worker's thread, when a connection has ended after :attr:`full`
            was last found true, or after :meth:`watch`.
    """

    def __init__(self, limit: int, freed: "Callable[[], object]") -> None:
        self._limit = limit
        self._freed = freed
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[tuple[Route, socket] | None] = SimpleQueue()
        self._running: set[socket] = set()
        self._threads = 0
        self._watching = False

    @property
    def busy(self) -> int:
        """How many connections have been submitted and not ended yet."""
        return len(self._running)

    @property
    def full(self) -> bool:
        """Whether no connection can be submitted; the end of one is then announced."""
        with self._lock:
            self._watching = len(self._running) >= self._limit
            return self._watching

    def watch(self) -> None:
        """Have the end of each connection announced from now on."""
        with self._lock:
            self._watching = True

    def unwatch(self) -> None:
        """Have no more ends announced."""
        with self._lock:
            self._watching = False

    def submit(self, route: "Route", sock: "socket") -> None:
        """Hand over a connection; the pool must not be full."""
        with self._lock:
            self._running.add(sock)
            start = len(self._running) > self._threads
            self._threads += start
        if start:
            # A thread that hangs must not keep the process from ending.
            threading.Thread(target=self._work, name="activator", daemon=True).start()
        self._jobs.put((route, sock))

    def abandon(self) -> None:
        """Shut down every connection still running, which wakes handlers that wait for it."""
        with self._lock:
            for sock in self._running:
                # Its handler may just have closed it, or the client have gone.
                with suppress(OSError):
                    sock.shutdown(SHUT_RDWR)

    def close(self) -> None:
        """Let the threads end, each after its connection."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while job := self._jobs.get():
            route, sock = job
            try:
                converse(route, sock)
            except BaseException as error:  # noqa: BLE001 - sys.exit() too ends no service
                failure(f"{route} failed", error, skip=3)
            with self._lock:
                self._running.discard(sock)
                watching = self._watching
            if watching:
                self._freed()
