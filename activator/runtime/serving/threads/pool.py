"""Make the calls of plain handlers in a bounded number of threads.

Threads are started when they are first needed and kept. (concurrent.futures would do
the same, and load logging.)
"""

import threading
from contextlib import suppress
from queue import SimpleQueue
from socket import SHUT_RDWR, socket
from time import monotonic

from activator.runtime.serving.accept import MORE_THREADS, ScarceError
from activator.runtime.serving.plain import converse
from activator.runtime.serving.report import failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from activator.runtime.serving.route import Route

    Call = Callable[[], object]
    # What the call is about, the call, whose it is, what to call afterwards, whether it lasts.
    Job = tuple[object, Call, str, Call | None, bool]


class Pool:
    """Up to ``limit`` calls at once, each in a thread, most of them for a connection.

    All methods are for the thread that owns the pool. A connection that was submitted is
    closed by its thread.

    Attributes:
        ended: When a call has ended last (time.monotonic()).

    Args:
        limit: How many calls are made at once.
        freed: Called, in a worker's thread, when a connection has ended after :attr:`full`
            was last found true, or after :meth:`watch`.
    """

    def __init__(self, limit: int, freed: "Callable[[], object]") -> None:
        self._limit = limit
        self._freed = freed
        self._lock = threading.Lock()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._running: set[object] = set()
        self._lasting = 0
        self.ended = monotonic()
        self._threads = 0
        self._watching = False

    @property
    def busy(self) -> int:
        """How many calls have been asked for and not ended yet, without those that last."""
        return len(self._running) - self._lasting

    @property
    def unfinished(self) -> int:
        """How many calls have been asked for and not ended yet."""
        return len(self._running)

    @property
    def full(self) -> bool:
        """Whether no call can be asked for; the end of one is then announced."""
        with self._lock:
            self._watching = self.busy >= self._limit
            return self._watching

    def watch(self) -> None:
        """Have the end of each connection announced from now on."""
        with self._lock:
            self._watching = True

    def unwatch(self) -> None:
        """Have no more ends announced."""
        with self._lock:
            self._watching = False

    def submit(
        self, route: "Route", sock: socket, ended: "Callable[[], object] | None" = None
    ) -> None:
        """Hand over a connection, and have something called at its end, in the thread.

        The pool must not be full.

        Raises:
            ScarceError: See :meth:`reserve`.
        """
        self.run(sock, lambda: converse(route, sock), str(route), ended)

    def reserve(self, *, is_lasting: bool = False) -> None:
        """See to it that there is a thread for one more call; to be called before it is taken.

        Raises:
            ScarceError: No thread can be started for now; its text says what would help.
        """
        with self._lock:
            wanted = min(len(self._running) + 1, self._limit + self._lasting + is_lasting)
            start = self._threads < wanted
            self._threads += start
        if not start:
            return
        try:
            # A thread that hangs must not keep the process from ending.
            threading.Thread(target=self._work, name="activator", daemon=True).start()
        except (RuntimeError, MemoryError) as error:
            with self._lock:
                self._threads -= 1
            raise ScarceError(
                f"no thread can be started for now: {error or 'no memory'}; {MORE_THREADS}"
            ) from None

    def run(
        self,
        key: object,
        call: "Callable[[], object]",
        name: str,
        done: "Callable[[], object] | None" = None,
        *,
        is_lasting: bool = False,
    ) -> None:
        """Have a call made; if the pool is full, when another has ended.

        Args:
            key: What the call is about: its connection, or something else that no other
                running call is about.
            call: What to call.
            name: Who failed, if it raises.
            done: Called in the thread when the call has ended and counts no more.
            is_lasting: Whether it goes on when there is nothing to do; then it gets a thread
                besides the others, and does not make the pool :attr:`busy`.

        Raises:
            ScarceError: See :meth:`reserve`; the call will not be made.
        """
        self.reserve(is_lasting=is_lasting)
        with self._lock:
            self._running.add(key)
            try:
                self._jobs.put((key, call, name, done, is_lasting))
            except MemoryError:
                self._running.discard(key)
                raise
            self._lasting += is_lasting

    def abandon(self) -> None:
        """Shut down every connection still running, which wakes handlers that wait for it."""
        with self._lock:
            for key in self._running:
                # Its handler may just have closed it, or the client have gone.
                with suppress(OSError):
                    if isinstance(key, socket):
                        key.shutdown(SHUT_RDWR)

    def close(self) -> None:
        """Let the threads end, each after its connection."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while job := self._jobs.get():
            key, call, name, done, is_lasting = job
            try:
                call()
            except BaseException as error:  # noqa: BLE001 - sys.exit() too ends no service
                failure(f"{name} failed", error, skip=4)
            with self._lock:
                self._running.discard(key)
                self._lasting -= is_lasting
                self.ended = monotonic()
                watching = self._watching
            if done:
                done()
            if watching:
                self._freed()
