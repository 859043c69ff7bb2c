"""Answer those who ask for something over HTTP, many at a time, in one thread: scrapes of figures.

None waits for another, and none stays: from its connection to the end of its answer each has
:data:`DEADLINE`, and where there are too many, the one that has taken longest goes.
"""

import os
import select
import threading
from contextlib import suppress
from time import monotonic

from activator.runtime.serving.accept import (
    MORE_THREADS,
    PAUSE,
    BrokenListenerError,
    ScarceError,
    accept,
)
from activator.runtime.serving.report import Rarely, failure, line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from socket import socket

    from activator.runtime.listen import Listener

# How long each has, in seconds: Prometheus gives up after as long.
DEADLINE = 10.0
# How many may be there at once; these descriptors are the service's too.
AT_ONCE = 64
# How long a request may be, in bytes.
LONGEST = 65536
# How long the end may wait for a call of what answers, in seconds.
GRACE = 1.0
FAILED = b"HTTP/1.0 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


class Scrapes:
    """Answers on some listeners, from :meth:`start` to :meth:`stop`; they stay open.

    Args:
        listeners: The listening stream sockets.
        answer: Called in the thread with a whole request's head, for all that is to be sent.
    """

    def __init__(self, listeners: "Sequence[Listener]", answer: "Callable[[bytes], bytes]") -> None:
        self._listeners = {listener.fd: listener for listener in listeners}
        self._answer = answer
        self._end = os.eventfd(0, os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._clients: dict[int, _Client] = {}  # the one that came first is the first
        self._scarcity = Rarely()
        self._thread = threading.Thread(target=self._run, name="activator-metrics", daemon=True)

    def start(self) -> None:
        """Begin; without threads to be had, it is said that there is no answer."""
        self._poll.register(self._end, select.POLLIN)
        for listener in self._listeners.values():
            listener.socket().setblocking(False)
            self._poll.register(listener.fd, select.POLLIN)
        try:
            self._thread.start()
        except (RuntimeError, MemoryError) as error:
            line(f"figures are not told: {error or 'no memory'}; {MORE_THREADS}")

    def stop(self) -> None:
        """Answer no more; it waits for nobody."""
        os.eventfd_write(self._end, 1)
        if self._thread.ident:
            self._thread.join(GRACE)
        if not self._thread.is_alive():  # else the thread still needs it
            os.close(self._end)

    def _run(self) -> None:
        while True:
            for fd, _ in self._poll.poll(self._timeout()):
                if fd == self._end:
                    for client in self._clients.values():
                        client.sock.close()
                    return
                if fd in self._listeners:
                    self._accept(self._listeners[fd])
                elif fd in self._clients:
                    self._serve(self._clients[fd])

    def _timeout(self) -> float | None:
        """Drop those whose time has passed; return how long another has, in milliseconds."""
        for client in list(self._clients.values()):
            left = client.until - monotonic()
            if left > 0:
                return left * 1000 + 1
            self._drop(client)
        return None

    def _accept(self, listener: "Listener") -> None:
        try:
            accepted = accept(listener.socket(), listener)
        except (ScarceError, MemoryError) as error:
            self._scarcity.line(str(error))
            select.select([self._end], [], [], PAUSE)
        except BrokenListenerError as error:
            self._scarcity.line(str(error))
            self._poll.unregister(listener.fd)
        else:
            if accepted:
                if len(self._clients) >= AT_ONCE:
                    self._drop(next(iter(self._clients.values())))
                sock = accepted[0]
                sock.setblocking(False)
                self._clients[sock.fileno()] = _Client(sock)
                self._poll.register(sock, select.POLLIN)

    def _serve(self, client: "_Client") -> None:
        try:
            if client.answer is None:
                if not client.receive():
                    return
                client.answer = memoryview(self._call(bytes(client.request)))
                self._poll.modify(client.sock, select.POLLOUT)
            if client.send():
                self._drop(client)
        except BlockingIOError:
            pass
        except (OSError, MemoryError):
            self._drop(client)  # it has left, or is none

    def _call(self, request: bytes) -> bytes:
        try:
            return self._answer(request)
        except BaseException as error:  # noqa: BLE001 - a collector of the application's may fail
            failure("metrics failed", error, skip=1)
            return FAILED

    def _drop(self, client: "_Client") -> None:
        self._poll.unregister(client.sock)
        del self._clients[client.sock.fileno()]
        client.sock.close()


class _Client:
    """One who asks.

    Attributes:
        sock: The connection.
        request: What has come.
        answer: What is left to be sent, once it is known.
        until: When its time has passed, as time.monotonic().
    """

    __slots__ = ("answer", "request", "sock", "until")

    def __init__(self, sock: "socket") -> None:
        self.sock = sock
        self.request = bytearray()
        self.answer: memoryview | None = None
        self.until = monotonic() + DEADLINE

    def receive(self) -> bool:
        """Read; return whether the request's head is whole.

        Raises:
            OSError: There will be no more of it, or too much.
        """
        data = self.sock.recv(LONGEST)
        self.request += data
        if b"\r\n\r\n" in self.request or b"\n\n" in self.request:
            return True
        if not data or len(self.request) > LONGEST:
            raise ConnectionAbortedError
        return False

    def send(self) -> bool:
        """Send; return whether all has been sent."""
        if self.answer:
            self.answer = self.answer[self.sock.send(self.answer) :]
        if self.answer:
            return False
        # What has not been read would have the kernel reset the connection, and the answer go.
        with suppress(OSError):
            self.sock.recv(LONGEST)
        return True
