"""Handle one connection with a plain handler, ``def h(sock)``."""

from activator.serving.report import exit_status, failure, is_about_client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from activator.serving.handlers import PlainHandler, Route
    from activator.serving.messages import Channel


def converse(route: "Route", sock: "socket") -> int:
    """Call the handler with a blocking socket, and close it afterwards.

    A client that leaves early costs nothing. Any other exception is the handler's bug: one
    record on stderr.

    Returns:
        The handler's status: 1 after a bug, what it gave to sys.exit() if it did, else 0.
    """
    try:
        sock.setblocking(True)  # with NonBlocking=yes, a passed connection is not
        _call(route.handler, sock)
    except Exception as error:  # noqa: BLE001 - a handler may fail in any way
        if not is_about_client(error, sock):
            failure(f"{route} failed", error, skip=2)
            return 1
    except SystemExit as error:
        return exit_status(error)
    finally:
        sock.close()
    return 0


def answer(route: "Route", channel: "Channel", more: "Callable[[], bool]") -> int:
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
            data = route.handler(message, message.sender)
            if data is not None:
                channel.answer(data, message)
        except Exception as error:  # noqa: BLE001 - a handler may fail in any way
            failure(f"{route} failed", error, skip=1)
        except SystemExit as error:
            exit_status(error)
    return count


def _call(handler: "PlainHandler", sock: "socket") -> None:
    result = handler(sock)
    if hasattr(result, "__await__"):
        if hasattr(result, "close"):
            result.close()  # else the interpreter would warn as well
        raise TypeError("a plain handler returned a coroutine: declare it with async def")
