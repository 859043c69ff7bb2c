"""Which handler serves which descriptor, and of which sort a handler is."""

import functools
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from activator import ActivatorError, Listener, Listeners
from activator.runtime.serving.handlers import is_async, name_of
from activator.runtime.serving.route import assign
from tests.support import handlers, messages, protocols
from tests.support.services import tcp_listener

Passed = Callable[..., Listeners]


@pytest.fixture
def passed() -> Iterator[Passed]:
    """Make up listeners of given names; with a kind other than ``stream`` after a slash."""
    with ExitStack() as stack:

        def make(*names: str) -> Listeners:
            items = []
            for word in names:
                name, _, kind = word.partition("/")
                if kind in ("connection", "datagram", "packets"):
                    types = {"datagram": socket.SOCK_DGRAM, "packets": socket.SOCK_SEQPACKET}
                    one, two = socket.socketpair(type=types.get(kind, socket.SOCK_STREAM))
                    stack.enter_context(two)
                    sock = stack.enter_context(one)
                elif kind == "pipe":
                    end, other = os.pipe()
                    stack.callback(os.close, other)
                    items.append(Listener(name, end))
                    stack.callback(items[-1].close)
                    continue
                else:
                    sock = stack.enter_context(tcp_listener())
                items.append(Listener(name, sock.detach()))
                stack.enter_context(items[-1].socket())
            return Listeners(items)

        yield make


async def coroutine_function(reader: object, writer: object) -> None:
    """Do nothing."""


def plain_function(sock: object) -> None:
    """Do nothing."""


async def reader_function(reader: object) -> None:
    """Do nothing."""


class Marked:
    """What inspect.markcoroutinefunction() leaves on a function."""

    _is_coroutine_mark = object()

    def __call__(self, *_: object) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (coroutine_function, True),
        (plain_function, False),
        (functools.partial(coroutine_function), True),
        (functools.partial(functools.partial(plain_function)), False),
        (handlers.an_object, True),
        (handlers.an_object.method, False),
        (functools.partial(handlers.an_object), True),
        (Marked(), True),
        (lambda sock: sock, False),
        (print, False),
        (handlers.Callable, False),
    ],
)
def test_is_async(handler: Any, expected: bool) -> None:  # noqa: FBT001
    """Functions, partials, methods and objects are told apart without calling them."""
    assert expected == is_async(handler)


def test_name_of() -> None:
    """A handler's name says where to find it."""
    assert "tests.support.handlers:a_echo" == name_of(handlers.a_partial)
    assert "tests.support.handlers:Callable" == name_of(handlers.an_object)
    assert "tests.support.handlers:Callable.method" == name_of(handlers.an_object.method)


def test_one_handler_serves_all(passed: Passed) -> None:
    """A single handler gets every socket, whatever their names."""
    listeners = passed("http", "admin")
    routes = assign(listeners, plain_function)
    assert list(listeners) == [route.listener for route in routes]
    assert {plain_function} == {route.handler for route in routes}


def test_handlers_by_name(passed: Passed) -> None:
    """Each socket gets its name's handler, several sockets of one name the same."""
    routes = assign(passed("a", "b", "a"), {"a": plain_function, "b": coroutine_function})
    assert [plain_function, coroutine_function, plain_function] == [r.handler for r in routes]
    assert [False, True, False] == [route.is_async for route in routes]


def test_both_sides_are_named(passed: Passed) -> None:
    """Neither a socket without handler nor a handler without socket goes unseen."""
    with pytest.raises(ActivatorError) as caught:
        assign(passed("http", "admin"), {"http": plain_function, "adm": plain_function})
    assert (
        "socket 'admin' has no handler and handler 'adm' has no socket "
        "(sockets: 'http', 'admin'; handlers: 'http', 'adm'); "
        "FileDescriptorName= in the .socket unit gives the name"
    ) == str(caught.value)
    with pytest.raises(ActivatorError, match=r"handler 'b' has no socket \(sockets: 'a'"):
        assign(passed("a"), {"a": plain_function, "b": plain_function})


@pytest.mark.parametrize("name", ["connection", "unknown"])
def test_unnamed_connection(passed: Passed, name: str) -> None:
    """A connection without a name of its own goes to the only handler there is."""
    (route,) = assign(passed(f"{name}/connection"), {"http": plain_function})
    assert plain_function is route.handler
    with pytest.raises(ActivatorError, match="systemd before 257 calls every connection"):
        assign(passed(f"{name}/connection"), {"a": plain_function, "b": plain_function})


def test_named_connection(passed: Passed) -> None:
    """A connection needs its own handler only; the others serve other sockets' instances."""
    named: dict[str, Any] = {"a": plain_function, "b": coroutine_function}
    (route,) = assign(passed("b/connection"), named)
    assert coroutine_function is route.handler
    with pytest.raises(ActivatorError, match=r"socket 'c' has no handler \(sockets: 'c'; ha"):
        assign(passed("c/connection"), named)


def message_function(data: bytes, addr: object) -> bytes | None:
    """Do nothing."""
    del addr
    return data


@pytest.mark.parametrize(
    ("handler", "kind", "expected"),
    [
        (coroutine_function, "", "async def h(reader, writer)"),
        (plain_function, "", "def h(sock)"),
        (protocols.Echo, "", "an asyncio.Protocol class"),
        (protocols.an_echo, "", "an asyncio.Protocol class"),
        (protocols.Reply, "/datagram", "an asyncio.DatagramProtocol class"),
        (message_function, "/datagram", "def h(data, addr)"),
        (messages.Shout, "", "def h(sock)"),
        (messages.Shout, "/datagram", "def h(data, addr)"),
        (print, "/datagram", "def h(data, addr)"),
        (lambda *args: args, "", "def h(sock)"),
        (plain_function, "/pipe", "def h(stream)"),
        (reader_function, "/pipe", "async def h(reader)"),
    ],
)
def test_sorts(passed: Passed, handler: Any, kind: str, expected: str) -> None:
    """What a handler is follows from itself and the kind of descriptor."""
    (route,) = assign(passed(f"x{kind}"), handler)
    assert expected == route.sort


@pytest.mark.parametrize(
    ("handler", "kind", "message"),
    [
        (plain_function, "/datagram", "plain_function cannot serve 'x'.*: it has no connections; "),
        (handlers.an_object.method, "/datagram", "method cannot serve 'x'.*: it has no conn"),
        (coroutine_function, "/datagram", "async handler cannot serve 'x'.*: it has no conn"),
        (protocols.Echo, "/datagram", "an asyncio.Protocol class cannot serve 'x'.*: it has no"),
        (protocols.Reply, "", "an asyncio.DatagramProtocol class cannot serve 'x'.*: not a datagr"),
        (protocols.Echo, "/packets", "an asyncio.Protocol class cannot serve 'x'.*: not a stream"),
        (message_function, "", "message_function cannot serve 'x'.*: not a datagram socket; "),
        (coroutine_function, "/pipe", r"async .* 'x' \(fifo pipe:.*: it has no connections; write"),
        (message_function, "/pipe", "message_function cannot serve 'x'.*: it has no connections"),
        (protocols.Echo, "/pipe", "an asyncio.Protocol class cannot serve 'x'.*: it has no conn"),
        (messages.Shout, "/pipe", r"Shout cannot serve 'x'.*; write async def h\(reader\) or def"),
    ],
)
def test_unfit(passed: Passed, handler: Any, kind: str, message: str) -> None:
    """A handler of messages and a socket with connections do not match, nor the reverse."""
    with pytest.raises(ActivatorError, match=message):
        assign(passed(f"x{kind}"), handler)


def test_streams_know_no_messages(passed: Passed) -> None:
    """A seqpacket connection takes a plain handler, not an async one."""
    (route,) = assign(passed("x/packets"), plain_function)
    assert not route.is_async
    with pytest.raises(ActivatorError, match="an async handler cannot serve 'x'"):
        assign(passed("x/packets"), coroutine_function)


def test_what_cannot_be_served(passed: Passed) -> None:
    """Of a descriptor that is nothing to read from, the line says what to do with it."""
    ours = os.eventfd(0)
    listeners = Listeners([*passed("a"), Listener("state", ours)])
    with pytest.raises(ActivatorError, match=r"'state' \(other .* cannot be served; take it with"):
        assign(listeners, plain_function)
    os.close(ours)


@pytest.mark.parametrize("value", ["text", 42, None])
def test_no_handler(passed: Passed, value: Any) -> None:
    """What cannot be called is no handler, alone or among others."""
    with pytest.raises(ActivatorError, match="is not a handler; it must be async def h"):
        assign(passed("a"), value)
    with pytest.raises(ActivatorError, match="is not a handler; it must be async def h"):
        assign(passed("a"), {"a": value})
