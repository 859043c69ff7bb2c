"""Find out what a handler is."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import BaseProtocol, StreamReader, StreamWriter
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from io import BufferedIOBase, RawIOBase
    from socket import socket
    from socketserver import BaseRequestHandler
    from typing import Any, TypeGuard

    from activator.runtime.descriptor import Kind
    from activator.runtime.serving.message import MessageHandler

    AsyncHandler = Callable[[StreamReader, StreamWriter], Awaitable[object]]
    PlainHandler = Callable[[socket], object]
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
# Those for which threads/messages.py calls the handler.
CALLED = frozenset({MESSAGES, QUEUED, FILE})
ACCEPTED = f"{STREAMS}, {PLAIN}, {MESSAGES} for datagrams, or a protocol's class"
# What a connection is called when nobody named it: systemd before 257 ignores
# FileDescriptorName= with Accept=yes, and libsystemd says "unknown" without LISTEN_FDNAMES.
UNNAMED = ("connection", "unknown")


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
