"""Decide which handler serves which descriptor."""

from socket import SOCK_STREAM

from activator.errors import ActivatorError
from activator.runtime.serving.handlers import (
    ACCEPTED,
    ASYNC,
    CONNECTED,
    CONTEXT,
    DATAGRAMS,
    FILE,
    FILES,
    LISTENING,
    MESSAGE_KINDS,
    MESSAGES,
    PLAIN,
    PROTOCOL,
    QUEUE,
    QUEUED,
    READER,
    STREAMS,
    UNNAMED,
    is_context,
    is_request_class,
    name_of,
    sort_of,
    takes,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from activator.runtime.listen import Listener, Listeners
    from activator.runtime.serving.handlers import Handler


class Route:
    """One descriptor and the handler that serves it.

    Attributes:
        listener: The descriptor.
        handler: The handler; of a socketserver class a function that makes the object.
        sort: What it is: :data:`STREAMS`, :data:`PROTOCOL`, :data:`DATAGRAMS`,
            :data:`READER`, :data:`CONTEXT`, :data:`TAKER`, :data:`PLAIN`, :data:`MESSAGES`,
            :data:`QUEUED` or :data:`FILE`.
        is_async: Whether it needs an event loop.
        name: The handler's name, for messages.
        tls: What its connections begin with, if they do; a :class:`before.tls.Tls`.
        is_proxied: Whether they begin with a header of the PROXY protocol.
        client: Whose a connection is, if that is known from its proxy already.
    """

    __slots__ = ("client", "handler", "is_async", "is_proxied", "listener", "name", "sort", "tls")

    def __init__(self, listener: "Listener", handler: "Handler") -> None:
        self.listener = listener
        self.handler: Any = handler
        self.sort = sort_of(handler, listener.kind)
        self.is_async = self.sort in ASYNC
        self.name = name_of(handler)
        self.tls: Any = None
        self.is_proxied = False
        self.client: Any = None
        if is_request_class(handler) and listener.family is not None:
            from activator.runtime.serving.socketserver import adapted  # noqa: PLC0415 - rarely needed

            self.handler = adapted(handler, listener)

    def __str__(self) -> str:
        return f"handler {self.name} on {self.listener}"


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
        check(route)
    return routes


def _by_name(handlers: "Any") -> "Mapping[str, Handler] | None":
    return handlers if hasattr(handlers, "keys") and not callable(handlers) else None


def _callable(handler: "Any") -> "Handler":
    if not (callable(handler) or is_context(handler)):
        raise ActivatorError(f"{handler!r} is not a handler", f"it must be {ACCEPTED}")
    return handler  # type: ignore[no-any-return]  # its arguments cannot be known


def _match(listeners: "Listeners", named: "Mapping[str, Handler]") -> tuple[Route, ...]:
    items = tuple(listeners)
    per_connection = len(items) == 1 and items[0].kind == CONNECTED
    # Nor does StandardInput=socket, which passes one only, tell its name.
    if len(items) == 1 and items[0].name in UNNAMED and len(named) == 1:
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


def check(route: Route) -> None:
    """Check that a handler can serve its descriptor.

    Raises:
        ActivatorError: It cannot.
    """
    if route.sort == CONTEXT:
        return  # what it gives is checked
    listener = route.listener
    if listener.kind in MESSAGE_KINDS:
        _check_messages(route)
    elif listener.kind in FILES:
        _check_file(route)
    elif listener.kind == CONNECTED or listener.kind in LISTENING:
        _check_connections(route)
    else:
        raise ActivatorError(
            f"{listener} cannot be served",
            "take it with activator.listen_fds() and pass the others as listeners=",
        )


def _check_connections(route: Route) -> None:
    if route.sort == DATAGRAMS:
        raise _unfit(route, "not a datagram socket", PROTOCOL)
    # Streams know no message boundaries.
    if route.is_async and route.listener.socket().type != SOCK_STREAM:
        raise _unfit(route, "not a stream socket", PLAIN)
    if route.sort == PLAIN and not takes(route.handler, 1):
        raise _unfit(route, "not a datagram socket", PLAIN)


def _check_messages(route: Route) -> None:
    is_queue = route.listener.kind == QUEUE
    if route.sort == DATAGRAMS and not is_queue:
        return
    is_class = is_queue and is_request_class(route.handler)
    if route.is_async or is_class or not takes(route.handler, 2):
        better = QUEUED if is_queue else f"{MESSAGES} or {DATAGRAMS}"
        raise _unfit(route, "it has no connections", better)


def _check_file(route: Route) -> None:
    is_class = route.sort in (PROTOCOL, DATAGRAMS) or is_request_class(route.handler)
    if is_class or not takes(route.handler, 1):
        raise _unfit(route, "it has no connections", f"{READER} or {FILE}")


def _unfit(route: Route, reason: str, better: str) -> ActivatorError:
    sort = {
        STREAMS: "an async handler",
        READER: "an async handler",
        PROTOCOL: PROTOCOL,
        DATAGRAMS: DATAGRAMS,
    }.get(route.sort, f"handler {route.name}")
    return ActivatorError(
        f"{sort} cannot serve {route.listener}: {reason}", f"write {better} for it"
    )


def _listed(names: "Any") -> str:
    return ", ".join(repr(name) for name in names)
