"""Find out what a handler is, and which handler serves which descriptor."""

from socket import SOCK_STREAM

from activator.errors import ActivatorError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import Awaitable, Callable, Mapping
    from socket import socket
    from typing import Any

    from activator.listen import Listener, Listeners

    AsyncHandler = Callable[[StreamReader, StreamWriter], Awaitable[object]]
    PlainHandler = Callable[[socket], object]
    Handler = AsyncHandler | PlainHandler

CO_COROUTINE = 0x80  # inspect.CO_COROUTINE, without importing inspect
CONNECTED = "connection"
LISTENING = ("stream", "seqpacket")
# What a connection is called when nobody named it: systemd before 257 ignores
# FileDescriptorName= with Accept=yes, and libsystemd says "unknown" without LISTEN_FDNAMES.
UNNAMED = ("connection", "unknown")


class Route:
    """One descriptor and the handler that serves it.

    Attributes:
        listener: The descriptor.
        handler: The handler.
        is_async: Whether it is ``async def h(reader, writer)``, not ``def h(sock)``.
    """

    __slots__ = ("handler", "is_async", "listener")

    def __init__(self, listener: "Listener", handler: "Handler") -> None:
        self.listener = listener
        self.handler: Any = handler
        self.is_async = is_async(handler)

    def __str__(self) -> str:
        return f"handler {name_of(self.handler)} on {self.listener}"


def is_async(handler: "Handler") -> bool:
    """Tell whether calling a handler gives a coroutine.

    Looks through partials, bound methods and objects with ``async def __call__``, and heeds
    ``inspect.markcoroutinefunction``.
    """
    call: Any = handler
    while True:
        if getattr(call, "_is_coroutine_mark", None) is not None:
            return True
        if hasattr(call, "func") and hasattr(call, "keywords"):  # functools.partial
            call = call.func
        elif hasattr(call, "__code__"):
            return bool(call.__code__.co_flags & CO_COROUTINE)
        elif hasattr(type(call).__call__, "__code__"):
            call = type(call).__call__
        else:
            return False


def name_of(handler: "Any") -> str:
    """Return ``module:name`` of a handler, for messages."""
    handler = getattr(handler, "func", handler)
    name = getattr(handler, "__qualname__", type(handler).__qualname__)
    return f"{getattr(handler, '__module__', '?')}:{name}"


def assign(
    listeners: "Listeners", handlers: "Handler | Mapping[str, Handler]"
) -> tuple[Route, ...]:
    """Give every descriptor its handler.

    Args:
        listeners: What was passed; not empty.
        handlers: One handler for all, or a handler for each fdname. Of several handlers a
            single connection needs only its own.

    Raises:
        ActivatorError: A descriptor has no handler, a handler has no descriptor, or it cannot
            serve that kind of descriptor. It names both sides.
    """
    named = _by_name(handlers)
    if named is None:
        routes = tuple(Route(item, _callable(handlers)) for item in listeners)
    else:
        routes = _match(listeners, named)
    for route in routes:
        _check(route)
    return routes


def _by_name(handlers: "Any") -> "Mapping[str, Handler] | None":
    return handlers if hasattr(handlers, "keys") and not callable(handlers) else None


def _callable(handler: "Any") -> "Handler":
    if not callable(handler):
        raise ActivatorError(
            f"{handler!r} is no handler", "it must be async def h(reader, writer) or def h(sock)"
        )
    return handler  # type: ignore[no-any-return]  # its arguments cannot be known


def _match(listeners: "Listeners", named: "Mapping[str, Handler]") -> tuple[Route, ...]:
    items = tuple(listeners)
    per_connection = len(items) == 1 and items[0].kind == CONNECTED
    if per_connection and items[0].name in UNNAMED and len(named) == 1:
        return tuple(Route(items[0], _callable(handler)) for handler in named.values())
    lonely = [name for name in listeners.names if name not in named]
    idle = [name for name in named if name not in listeners and not per_connection]
    if lonely or idle:
        faults = [f"socket {name!r} has no handler" for name in lonely]
        faults += [f"handler {name!r} has no socket" for name in idle]
        hint = "FileDescriptorName= in the .socket unit gives the name"
        if per_connection and items[0].name in UNNAMED:
            hint = "with Accept=yes, systemd before 257 calls every connection 'connection'"
        raise ActivatorError(
            f"{' and '.join(faults)} (sockets: {_listed(listeners.names)}; "
            f"handlers: {_listed(named)})",
            hint,
        )
    return tuple(Route(item, _callable(named[item.name])) for item in items)


def _check(route: Route) -> None:
    listener = route.listener
    if listener.kind != CONNECTED and listener.kind not in LISTENING:
        raise ActivatorError(
            f"{listener} has no connections to serve",
            "take it with activator.listen_fds() and pass the others as listeners=",
        )
    # asyncio's streams know no message boundaries.
    if route.is_async and listener.socket().type != SOCK_STREAM:
        raise ActivatorError(
            f"an async handler cannot serve {listener}: not a stream socket",
            "write def h(sock) for it",
        )


def _listed(names: "Any") -> str:
    return ", ".join(repr(name) for name in names)
