"""Wait for several descriptors, and call what is to read them."""

import select
from contextlib import suppress
from socket import socketpair

from activator.runtime.serving.life import NEVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Waiter:
    """Waits for descriptors to be readable, and for signals.

    Attributes:
        wakeup_fd: What signals are to write to (signal.set_wakeup_fd()), to end a wait.
    """

    def __init__(self) -> None:
        self._poll = select.poll()
        self._readers: dict[int, Callable[[], object]] = {}
        self._ends = socketpair()
        for end in self._ends:
            end.setblocking(False)
        self.wakeup_fd = self._ends[1].fileno()
        self.watch(self._ends[0].fileno(), self._woken)

    def watch(self, fd: int, reader: "Callable[[], object]") -> None:
        """Have something called whenever a descriptor is readable."""
        self._readers[fd] = reader
        self._poll.register(fd, select.POLLIN)

    def unwatch(self, fd: int) -> None:
        """Have it watched no more; it must be open yet."""
        del self._readers[fd]
        self._poll.unregister(fd)

    def wait(self, seconds: float) -> None:
        """Wait at most so long for one or more, and call what reads them."""
        timeout = None if seconds == NEVER else max(seconds, 0) * 1000 + 1
        for fd, _ in self._poll.poll(timeout):
            reader = self._readers.get(fd)  # an earlier one may have taken it away
            if reader:
                reader()

    def close(self) -> None:
        """Be woken no more."""
        for end in self._ends:
            end.close()

    def _woken(self) -> None:
        with suppress(BlockingIOError):
            self._ends[0].recv(65536)
