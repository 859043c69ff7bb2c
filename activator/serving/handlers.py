"""Find out what a handler is, and which handler serves which descriptor."""

import sys
from socket import SOCK_STREAM

from activator.errors import ActivatorError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import BaseProtocol, StreamReader, StreamWriter
    from collections.abc import Awaitable, Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from io import BufferedIOBase, RawIOBase
    from socket import socket
    from socketserver import BaseRequestHandler
    from typing import Any, TypeGuard

    from activator.descriptor import Kind
    from activator.listen import Listener, Listeners
    from activator.serving.messages import Message

    AsyncHandler = Callable[[StreamReader, StreamWriter], Awaitable[object]]
    PlainHandler = Callable[[socket], object]
    MessageHandler = Callable[[Message, Any], bytes | None]
    ReaderHandler = Callable[[StreamReader], Awaitable[object]]
    FileHandler = Callable[[BufferedIOBase | RawIOBase], object]
    Handler = (
        AsyncHandler
        | PlainHandler
        | MessageHandler
        | ReaderHandler
        | FileHandler
        | type[BaseRequestHandler]
        | Callable[[], BaseProtocol]
        | AbstractAsyncContextManager[Any]
        | Callable[[], AbstractAsyncContextManager[Any]]
    )

CO_VARARGS = 0x4  # inspect.CO_VARARGS and its kin, without importing inspect
CO_COROUTINE = 0x80
CO_ASYNC_GENERATOR = 0x200
CONNECTED = "connection"
LISTENING = ("stream", "seqpacket")
DATAGRAM = "datagram"
QUEUE = "mqueue"
# Kinds of which each read gives a message, and kinds of which it gives some bytes.
MESSAGE_KINDS = (DATAGRAM, "netlink", QUEUE)
FILES = ("fifo", "special")
# The sorts of handlers. With an event loop:
STREAMS = "async def h(reader, writer)"
PROTOCOL = "an asyncio.Protocol class"
DATAGRAMS = "an asyncio.DatagramProtocol class"
READER = "async def h(reader)"
CONTEXT = "an asynchronous context manager"  # that gives the handler: one of the others
TAKER = "a taker of connections"  # called with each, as an event loop's transport would be
# Without one:
PLAIN = "def h(sock)"
MESSAGES = "def h(data, addr)"
QUEUED = "def h(message, priority)"
FILE = "def h(stream)"
ASYNC = frozenset({STREAMS, PROTOCOL, DATAGRAMS, READER, CONTEXT, TAKER})
# What a function is that is not async, by the kind of its descriptor; else it is PLAIN.
PLAIN_SORTS = {
    **dict.fromkeys(MESSAGE_KINDS, MESSAGES),
    **dict.fromkeys(FILES, FILE),
    QUEUE: QUEUED,
}
# Those for which inbox.py calls the handler.
CALLED = frozenset({MESSAGES, QUEUED, FILE})
ACCEPTED = f"{STREAMS}, {PLAIN}, {MESSAGES} for datagrams, or a protocol's class"
# What a connection is called when nobody named it: systemd before 257 ignores
# FileDescriptorName= with Accept=yes, and libsystemd says "unknown" without LISTEN_FDNAMES.
UNNAMED = ("connection", "unknown")


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
    """

    __slots__ = ("handler", "is_async", "listener", "name", "sort")

    def __init__(self, listener: "Listener", handler: "Handler") -> None:
        self.listener = listener
        self.handler: Any = handler
        self.sort = sort_of(handler, listener.kind)
        self.is_async = self.sort in ASYNC
        self.name = name_of(handler)
        if is_request_class(handler) and listener.family is not None:
            from activator.serving.requests import adapted  # noqa: PLC0415 - rarely needed

            self.handler = adapted(handler, listener)

    def __str__(self) -> str:
        return f"handler {self.name} on {self.listener}"


def sort_of(handler: "Handler", kind: "Kind") -> str:
    """Return a handler's sort.

    Functions are told apart by the descriptor's kind too.
    """
    if is_context(handler):
        return CONTEXT
    if getattr(handler, "takes_connections", False):
        return TAKER
    # Who defines a protocol has loaded asyncio; this module does not.
    protocols = sys.modules.get("asyncio.protocols")
    made: Any = handler
    while hasattr(made, "func") and hasattr(made, "keywords"):  # functools.partial
        made = made.func
    if protocols and isinstance(made, type) and issubclass(made, protocols.BaseProtocol):
        both = issubclass(made, protocols.DatagramProtocol) and not (
            issubclass(made, (protocols.Protocol, protocols.BufferedProtocol))
            and kind not in MESSAGE_KINDS
        )
        return DATAGRAMS if both else PROTOCOL
    if is_async(handler):
        return READER if kind in FILES else STREAMS
    is_plain = kind in PLAIN_SORTS or not protocols
    if not is_plain and takes(handler, 0) and not takes(handler, 1):
        return PROTOCOL  # a function that makes one
    return PLAIN_SORTS.get(kind, PLAIN)


def is_context(handler: "Any") -> bool:
    """Tell whether a handler is an asynchronous context manager that gives the handler.

    That is an object, or what makes one: a class, or a function with
    ``contextlib.asynccontextmanager``.
    """
    while hasattr(handler, "func") and hasattr(handler, "keywords"):  # functools.partial
        handler = handler.func
    if hasattr(handler if isinstance(handler, type) else type(handler), "__aenter__"):
        return True
    code = getattr(getattr(handler, "__wrapped__", None), "__code__", None)
    return code is not None and bool(code.co_flags & CO_ASYNC_GENERATOR)


def is_request_class(handler: "Any") -> "TypeGuard[type[BaseRequestHandler]]":
    """Tell whether a handler is a class that socketserver's servers would take."""
    socketserver = sys.modules.get("socketserver")
    return (
        socketserver is not None
        and isinstance(handler, type)
        and issubclass(handler, socketserver.BaseRequestHandler)
    )


def takes(handler: "Any", count: int) -> bool:
    """Tell whether a handler can be called with so many arguments, or that is unknown."""
    call = getattr(handler, "__func__", handler)
    if not hasattr(call, "__code__") and not isinstance(call, type):
        call = type(call).__call__
    code = getattr(call, "__code__", None)
    if code is None:
        return True
    count += call is not handler  # a bound method's self
    most = code.co_argcount
    least = most - len(call.__defaults__ or ())
    has_rest = bool(code.co_flags & CO_VARARGS)
    return least <= count and (count <= most or has_rest)


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
        check(route)
    return routes


def _by_name(handlers: "Any") -> "Mapping[str, Handler] | None":
    return handlers if hasattr(handlers, "keys") and not callable(handlers) else None


def _callable(handler: "Any") -> "Handler":
    if not (callable(handler) or is_context(handler)):
        raise ActivatorError(f"{handler!r} is no handler", f"it must be {ACCEPTED}")
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
