"""End the connections of http.server's handlers as web/ ends those of applications.

Their requests come one after the other on a connection, for which a thread waits: without this
it would wait until the drain is up, and cut off a request that comes then.
"""

from select import POLLIN, poll

from activator.runtime.serving.draining import LINGER, draining

TYPE_CHECKING = False
if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler
    from socket import socket
    from typing import Any

INFORMATIONAL = 1  # the first digit of a status after which another answer follows


def ending_in_time(handler: "type[BaseHTTPRequestHandler]") -> "type[BaseHTTPRequestHandler]":
    """Return the class with connections that end soon when the service drains.

    Each answer from then on says ``Connection: close``; connections without a request are closed
    after :data:`~activator.runtime.serving.draining.LINGER`.
    """

    class Handler(handler):  # type: ignore[misc, valid-type]  # whichever it is
        _status = 0
        _closes = False  # whether the answer says so

        def handle_one_request(self) -> None:
            self._closes = False
            if _is_asked(self.connection, self.rfile):
                super().handle_one_request()
            else:
                self.close_connection = True

        def send_response_only(self, code: int, message: str | None = None) -> None:
            self._status = int(code)
            super().send_response_only(code, message)

        def send_header(self, keyword: str, value: str) -> None:
            if draining.is_set() and keyword.lower() == "connection":
                value = "close"
                self._closes = True
            super().send_header(keyword, value)

        def end_headers(self) -> None:
            if draining.is_set() and not self._closes and self._status // 100 != INFORMATIONAL:
                self.send_header("Connection", "close")
            super().end_headers()

    Handler.__name__, Handler.__qualname__ = handler.__name__, handler.__qualname__
    Handler.__module__ = handler.__module__
    return Handler


def _is_asked(connection: "socket", rfile: "Any") -> bool:
    """Wait for a request, and tell whether there is one, or the client's end."""
    if hasattr(connection, "pending") or not hasattr(rfile, "peek"):
        return True  # it may have taken more than can be seen here, as of TLS
    timeout = connection.gettimeout()
    connection.setblocking(False)
    try:
        if rfile.peek(1):  # of the requests that came with the last one
            return True
    finally:
        connection.settimeout(timeout)
    waiting = poll()
    waiting.register(draining, POLLIN)
    waiting.register(connection, POLLIN)
    ready = dict(waiting.poll(None if timeout is None else timeout * 1000))
    if draining.fileno() in ready and connection.fileno() not in ready:
        waiting.unregister(draining)
        ready = dict(waiting.poll(LINGER * 1000))
    return connection.fileno() in ready
