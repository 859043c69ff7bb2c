"""asyncio.Protocol classes and socketserver's classes as handlers."""

import signal
import socket
import time
from contextlib import ExitStack

import pytest

from tests.support.services import (
    HANDLERS,
    LOOPS,
    SERVE,
    ask,
    connect,
    finished_quietly,
    launched,
    read_all,
    reset,
    tcp_listener,
)

PROTOCOLS = "tests.support.protocols"
loops = pytest.mark.parametrize("loop", LOOPS)


def serving(loop: str, name: str, *options: str) -> tuple[str, ...]:
    """Return a command that serves with a class of tests/support/protocols.py."""
    return (*SERVE, "--loop", loop, *options, f"{PROTOCOLS}:{name}")


@loops
def test_serves_many(loop: str) -> None:
    """Connections side by side are all answered, by a class or a partial of one."""
    with tcp_listener() as listener, ExitStack() as stack:
        service = stack.enter_context(launched(serving(loop, "an_echo"), [listener])).ready()
        clients = [stack.enter_context(connect(listener.getsockname())) for _ in range(50)]
        for number, client in enumerate(clients):
            client.sendall(b"%d" % number)
        for number, client in reversed(list(enumerate(clients))):
            assert b"> %d" % number == client.recv(100)
            client.close()
        finished_quietly(service)


@loops
def test_unix(loop: str) -> None:
    """The address family is not taken for granted."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0activator-{time.monotonic_ns()}")
        listener.listen()
        with launched(serving(loop, "Echo"), [listener]) as service:
            service.ready()
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(listener.getsockname())
                client.sendall(b"x")
                assert b"x" == client.recv(10)
            finished_quietly(service)


@loops
@pytest.mark.parametrize("name", ["Hold", "Switch"])
def test_drain(loop: str, name: str) -> None:
    """At SIGTERM open connections end in their time, whichever protocol has them by then."""
    with tcp_listener() as listener, ExitStack() as stack:
        service = stack.enter_context(launched(serving(loop, name), [listener])).ready()
        address = listener.getsockname()
        clients = [stack.enter_context(connect(address)) for _ in range(20)]
        for client in clients:
            assert b"hi\n" == client.recv(100)
        service.stop()
        waiting = stack.enter_context(connect(address))
        for client in clients:
            client.sendall(b"bye\n")
            assert b"%d bye\n" % service.process.pid == read_all(client)
        assert 0 == service.wait()
        assert "" == service.stderr
        second = stack.enter_context(launched(serving(loop, name), [listener])).ready()
        assert b"hi\n" == waiting.recv(100)
        waiting.close()
        finished_quietly(second)


@loops
def test_drain_limit(loop: str) -> None:
    """Protocols that do not end in time are told that their connection is lost."""
    with tcp_listener() as listener, ExitStack() as stack:
        words = serving(loop, "Stubborn", "--drain=0.2")
        service = stack.enter_context(launched(words, [listener])).ready()
        clients = [stack.enter_context(connect(listener.getsockname())) for _ in range(3)]
        for client in clients:
            assert b"hi\n" == client.recv(100)
        service.stop()
        for client in clients:
            assert b"" == read_all(client)
        assert 0 == service.wait()
        assert "cleaned up\n" * 3 == service.stderr


@loops
def test_protocol_that_waits_for_the_end(loop: str) -> None:
    """A protocol can learn of draining, and leave long before the limit."""
    with tcp_listener() as listener, launched(serving(loop, "Attentive"), [listener]) as service:
        service.ready()
        with connect(listener.getsockname()) as client:
            assert b"hi\n" == client.recv(100)
            service.process.send_signal(signal.SIGTERM)
            assert b"bye\n" == read_all(client)
        assert 0 == service.wait()
        assert "" == service.stderr


@loops
def test_resets(loop: str) -> None:
    """Clients that reset at any point cost nothing and are forgotten."""
    with tcp_listener() as listener, launched(serving(loop, "Hold"), [listener]) as service:
        service.ready()
        address = listener.getsockname()
        for number in range(60):
            client = connect(address)
            if number % 3:
                client.sendall(b"x")
            if number % 3 == 2:
                assert client.recv(1)
            reset(client)
        assert ask(address, b"end\n").endswith(b"end\n")
        finished_quietly(service)


@loops
@pytest.mark.parametrize("name", ["Broken", "Failing"])
def test_bugs(loop: str, name: str) -> None:
    """A protocol that fails costs its connection one record, and no other anything."""
    with tcp_listener() as listener, launched(serving(loop, name), [listener]) as service:
        service.ready()
        for _ in range(2):
            assert b"" == ask(listener.getsockname(), b"x")
        assert 0 == service.end()
        assert 2 == service.stderr.count("ValueError: boom\nTraceback")


@loops
def test_per_connection(loop: str) -> None:
    """With Accept=yes, the same class serves the one connection, and the process ends."""
    ours, theirs = socket.socketpair()
    with ours, theirs, launched(serving(loop, "Hold"), [theirs]) as service:
        theirs.close()
        assert b"hi\n" == ours.recv(100)
        ours.sendall(b"bye\n")
        assert b"%d bye\n" % service.process.pid == read_all(ours)
        assert 0 == service.wait()
        assert "" == service.stderr


def test_per_connection_bug() -> None:
    """The exit status tells that there was no protocol."""
    ours, theirs = socket.socketpair()
    with ours, theirs, launched(serving("asyncio", "Broken"), [theirs]) as service:
        theirs.close()
        assert b"" == read_all(ours)
        assert 1 == service.wait()


@loops
def test_descriptors_run_out(loop: str) -> None:
    """With more clients than descriptors, all are answered in the end."""
    with tcp_listener() as listener, ExitStack() as stack:
        words = serving(loop, "Hold")
        service = stack.enter_context(launched(words, [listener], nofile=24)).ready()
        clients = [stack.enter_context(connect(listener.getsockname())) for _ in range(60)]
        for client in clients:
            client.sendall(b"bye\n")
        for client in clients:
            assert read_all(client).endswith(b" bye\n")
        assert 0 == service.end()
        assert 1 >= service.stderr.count("\n")


def test_request_handler_class() -> None:
    """A class made for socketserver serves connections in either mode."""
    with tcp_listener() as listener:
        with launched((*SERVE, "tests.support.messages:Shout"), [listener]) as service:
            service.ready()
            with connect(listener.getsockname()) as client:
                client.sendall(b"hello\n")
                assert b"HELLO\n" + repr(client.getsockname()).encode() == read_all(client)
            finished_quietly(service)
        with connect(listener.getsockname()) as client:
            connection, _ = listener.accept()
            with (
                connection,
                launched((*SERVE, "tests.support.messages:Shout"), [connection]) as service,
            ):
                connection.close()
                client.sendall(b"hello\n")
                assert read_all(client).startswith(b"HELLO\n")
                assert 0 == service.wait()


def test_side_by_side() -> None:
    """A protocol, streams and a plain handler serve their names in one process."""
    names = ("proto", "async", "plain")
    with ExitStack() as stack:
        listeners = [stack.enter_context(tcp_listener()) for _ in names]
        words = (
            *SERVE,
            f"proto={PROTOCOLS}:an_echo",
            f"async={HANDLERS}:a_name",
            f"plain={HANDLERS}:p_name",
        )
        service = stack.enter_context(launched(words, listeners, names=":".join(names))).ready()
        for listener, expected in zip(listeners, (b"> x", b"async", b"plain"), strict=True):
            assert expected == ask(listener.getsockname(), b"x" if expected == b"> x" else b"")
        finished_quietly(service)
