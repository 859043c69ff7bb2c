"""Serve a FIFO or a special file with an async handler, ``async def h(reader)``.

It is :mod:`activator.runtime.serving.threads.files` in an event loop: the handler gets an
asyncio.StreamReader, and its task lasts as long as the service.
"""

import asyncio
import os

from activator.errors import ActivatorError
from activator.runtime.serving.accept import PAUSE
from activator.runtime.serving.report import Rarely, outcome
from activator.runtime.serving.threads.files import can_be_watched, size_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from activator.runtime.serving.route import Route


class Reading(asyncio.ReadTransport):
    """Between one file and the reader of its handler; it leaves the descriptor open.

    Attributes:
        over: Whether the file is at its end, and the handler has ended.

    Args:
        route: The file and its handler.
        loop: The event loop.
        traffic: Called after each read, with 1.
        broken: Called with the reason when nothing can be read any more.
        ended: Called when a call of the handler has ended for good.

    Raises:
        ActivatorError: The kernel does not tell when there is something to read.
    """

    def __init__(
        self,
        route: "Route",
        loop: asyncio.AbstractEventLoop,
        *,
        traffic: "Callable[[int], object]",
        broken: "Callable[[str], object]",
        ended: "Callable[[], object]",
    ) -> None:
        super().__init__()
        self.over = False
        self._route = route
        self._loop = loop
        self._traffic = traffic
        self._broken = broken
        self._ended = ended
        self._fd = route.listener.fd
        if not can_be_watched(self._fd):
            raise ActivatorError(
                f"{route.listener} cannot be waited for", "write def h(stream) for it"
            )
        os.set_blocking(self._fd, False)
        self._size = size_of(self._fd)
        self._reader = asyncio.StreamReader(loop=loop)
        self._reader.set_transport(self)
        self._task: asyncio.Task[None] | None = None
        self._watched = False
        self._at_end = self._aborted = False
        self._read_bytes = 0
        self._unread = Rarely()

    @property
    def busy(self) -> bool:
        """Whether the handler runs."""
        return self._task is not None

    # What the service calls.

    def close(self) -> None:
        """Read no more; the handler gets the end after what was read."""
        self.pause_reading()
        if not self._at_end:
            self._at_end = True
            self._reader.feed_eof()

    def abort(self) -> None:
        """Cancel the handler."""
        self._aborted = True
        if self._task:
            self._task.cancel()

    # What the reader calls.

    def is_reading(self) -> bool:
        """Tell whether it reads."""
        return self._watched

    def pause_reading(self) -> None:
        """Leave the rest in the kernel."""
        if self._watched:
            self._watched = False
            self._loop.remove_reader(self._fd)

    def resume_reading(self) -> None:
        """Go on reading."""
        if not self._watched and not self._at_end:
            self._watched = True
            self._loop.add_reader(self._fd, self._read)

    # Its own steps.

    def _read(self) -> None:
        try:
            data = os.read(self._fd, self._size)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.close()
            self._broken(f"cannot read {self._route.listener} any more: {error.strerror}")
            return
        self._traffic(1)
        if data:
            self._read_bytes += len(data)
            self._reader.feed_data(data)
        else:
            self.close()
        self._start()

    def _taken(self) -> int:
        # Nothing public tells how much waits in a reader.
        return self._read_bytes - len(self._reader._buffer)  # type: ignore[attr-defined]  # noqa: SLF001

    def _start(self) -> None:
        if not self._task:
            self._task = self._loop.create_task(self._call(self._taken()))

    async def _call(self, taken: int) -> None:
        try:
            await self._route.handler(self._reader)
        except (asyncio.CancelledError, GeneratorExit):
            pass
        except BaseException as error:  # noqa: BLE001 - a handler may fail in any way
            outcome(error, self._route)
        finally:
            self._task = None
            self._next(taken)

    def _next(self, taken: int) -> None:
        """Call the handler again if there is more for it."""
        rest = self._read_bytes - self._taken()
        if self._aborted or (self._at_end and (not rest or self._taken() == taken)):
            self.over = True
            self._ended()
        elif self._taken() == taken:
            self._unread.line(f"{self._route} leaves unread what waits there")
            self._loop.call_later(PAUSE, self._start)
        elif rest:
            self._start()
