"""Handle one connection with a plain handler, ``def h(sock)``."""

import sys

from activator.runtime.journal import journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from activator.runtime.serving.queues import Queue
    from activator.runtime.serving.receive import Channel
    from activator.runtime.serving.route import Route


class TimeIsUpError(BaseException):
    """Raised in a handler when its time to end has passed; it should not catch it."""


def converse(route: "Route", sock: "socket") -> int:
    """Call the handler with a blocking socket, and close it afterwards.

    A client that leaves early costs nothing. Any other exception is the handler's bug: one
    record on stderr.

    Returns:
        The handler's status: 1 after a bug, what it gave to sys.exit() if it did, else 0.
    """
    try:
        sock.setblocking(True)  # with NonBlocking=yes, a passed connection is not
        return converse_secured(route, sock) if route.tls else call(route, sock)
    finally:
        sock.close()


def converse_secured(route: "Route", sock: "socket") -> int:
    """Do what :func:`converse` does with TLS, and do not close the connection itself."""
    secured = route.tls.secured(sock, route)
    if isinstance(secured, int):
        return secured
    with secured:
        return call(route, secured)


def call(route: "Route", sock: "socket") -> int:
    """Do what :func:`converse` does with a socket that is blocking, and do not close it."""
    if journal.is_on:
        journal.about.set((route.listener, sock))
    try:
        result = route.handler(sock)
        if result is not None:
            _refuse_awaitable(result)
    except TimeIsUpError:
        raise
    except BaseException as error:  # noqa: BLE001 - a handler may fail in any way
        return _outcome(error, route, sock)
    finally:
        if journal.is_on:
            journal.about.set(None)
    return 0


def answer(route: "Route", channel: "Channel | Queue", more: "Callable[[], bool]") -> int:
    """Call the handler with each message that waits, in their order, and send its answers.

    An exception is the handler's bug: one record on stderr, and no answer.

    Args:
        route: Whose handler to call.
        channel: Where the messages are.
        more: Tells before each message whether to take another.

    Returns:
        How many messages there were.

    Raises:
        ScarceError, BrokenListenerError: See :meth:`Channel.receive`.
    """
    count = 0
    while more():
        message = channel.receive()
        if message is None:
            break
        count += 1
        try:
            data = channel.hand(message, route.handler)
            if data is not None:
                channel.answer(data, message)
        except BaseException as error:  # noqa: BLE001 - a handler may fail in any way
            _outcome(error, route)
    return count


def _outcome(error: BaseException, route: "Route", sock: "socket | None" = None) -> int:
    """Return the status that the handler has ended with, and say what went wrong, if it did."""
    try:
        from activator.runtime.serving.report import outcome  # noqa: PLC0415 - rarely needed
    except (ImportError, OSError):
        # There are no more descriptors to load it by, which is what has gone wrong.
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
    return outcome(error, route, sock)


def _refuse_awaitable(result: object) -> None:
    if hasattr(result, "__await__"):
        if hasattr(result, "close"):
            result.close()  # else the interpreter would warn as well
        raise TypeError("a plain handler returned a coroutine: declare it with async def")
