"""The per-connection mode: one process, one connection, and its exit status."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from activator.runtime.serving.options import DRAIN
from tests.support.services import (
    HANDLERS,
    PATIENCE,
    SERVE,
    Options,
    Service,
    activated,
    command,
    connect,
    connected,
    flavours,
    launched,
    read_all,
    reset,
    tcp_listener,
)


@contextmanager
def accepted() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Make a TCP connection; give the client's and the server's end."""
    with tcp_listener() as listener, connect(listener.getsockname()) as client:
        server, _ = listener.accept()
        with server:
            yield client, server


@contextmanager
def instance(
    options: Options, handler: str, *, names: str | None = "connection"
) -> Iterator[tuple[Service, socket.socket]]:
    """Run an instance for a new connection, whose server's end only the instance has."""
    with (
        accepted() as (client, server),
        launched(command(options, handler), [server], names=names) as service,
    ):
        server.close()
        yield service, client


@flavours
def test_through_socket_activate(tmp_path: Path, options: Options, prefix: str) -> None:
    """Each connection has its instance, which ends with 0 by itself."""
    path = str(tmp_path / "socket")
    text = b"0123456789" * 100_000
    with activated(command(options, f"{prefix}echo"), [path], "--accept") as service:
        for _ in range(2):
            result = subprocess.run(
                ["socat", f"-t{PATIENCE}", "-", f"UNIX-CONNECT:{path}"],
                input=text,
                capture_output=True,
                timeout=PATIENCE,
                check=True,
            )
            assert text == result.stdout
        while service.stderr.count(" died with code ") < 2:
            assert service.process.poll() is None
            time.sleep(0.01)
        assert 2 == service.stderr.count(" died with code 0\n")
        assert "Traceback" not in service.stderr


@flavours
def test_seqpacket_through_socket_activate(tmp_path: Path, options: Options, prefix: str) -> None:
    """A seqpacket connection reaches a plain handler with its message boundaries."""
    if prefix == "a_":
        options = ()
    path = str(tmp_path / "socket")
    words = command(options, "p_message")
    with (
        activated(words, [path], "--accept", "--seqpacket", "--fdname=connection"),
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client,
    ):
        client.settimeout(PATIENCE)
        client.connect(path)
        client.send(b"a message")
        assert b"a message" == client.recv(100)


@flavours
def test_same_handler_as_in_the_shared_mode(options: Options, prefix: str) -> None:
    """The handler is called once, READY=1 is sent, and the process ends quietly with 0."""
    with instance(options, f"{prefix}hold") as (service, client):
        service.ready()
        assert b"hi\n" == client.recv(100)
        client.sendall(b"bye\n")
        assert b"%d bye\n" % service.process.pid == read_all(client)
        assert 0 == service.wait()
        assert "" == service.stderr


@flavours
def test_flushed(options: Options, prefix: str) -> None:
    """All that was written arrives, however slowly the client reads."""
    with instance(options, f"{prefix}big") as (service, client):
        service.ready()
        assert 8_000_000 == len(read_all(client))
        assert 0 == service.wait()
        assert "" == service.stderr


def test_plain_handler_loads_little() -> None:
    """A plain handler's process has loaded no asyncio, no threads and no logging."""
    with instance((), "p_modules") as (service, client):
        modules = set(read_all(client).decode().split())
        assert 0 == service.wait()
    assert not modules & {"asyncio", "threading", "logging", "selectors.kqueue", "click"}


def test_async_handler_has_no_use_for_uvloop() -> None:
    """For one connection, uvloop costs more than it gives, so auto means asyncio."""
    with instance((), "a_modules") as (service, client):
        assert "uvloop" not in read_all(client).decode().split()
        assert 0 == service.wait()


def test_nonblocking_connection() -> None:
    """With NonBlocking=yes the connection comes non-blocking; a plain handler may block."""
    with accepted() as (client, server):
        server.setblocking(False)
        with launched(command((), "p_hold"), [server]) as service:
            assert b"hi\n" == client.recv(100)
            client.sendall(b"bye\n")
            assert b"%d bye\n" % service.process.pid == client.recv(100)
            assert 0 == service.wait()


@flavours
@pytest.mark.parametrize("handler", ["hold", "echo", "torrent"])
def test_client_has_left(options: Options, prefix: str, handler: str) -> None:
    """A client that has reset before the process started is no failure of it."""
    with accepted() as (client, server):
        client.sendall(b"x" * 1000)
        reset(client)
        with launched(command(options, f"{prefix}{handler}"), [server]) as service:
            assert 0 == service.wait()
            assert "" == service.stderr


def test_client_has_left_and_is_asked_for() -> None:
    """ENOTCONN, which getpeername() says of such a client, is no failure either."""
    with accepted() as (client, server):
        reset(client)
        with launched(command((), "p_peer"), [server]) as service:
            assert 0 == service.wait()
            assert "" == service.stderr


@flavours
def test_client_resets(options: Options, prefix: str) -> None:
    """A client that resets in the middle of it all is no failure."""
    with instance(options, f"{prefix}hold") as (service, client):
        assert b"hi\n" == client.recv(100)
        reset(client)
        assert 0 == service.wait()
        assert "" == service.stderr


@flavours
@pytest.mark.parametrize("handler", ["boom", "backend"])
def test_handler_bug(options: Options, prefix: str, handler: str) -> None:
    """A handler's own exception is one record, and the status is 1."""
    with instance(options, f"{prefix}{handler}") as (service, client):
        client.sendall(b"x")
        assert b"" == read_all(client)
        assert 1 == service.wait()
        assert 1 == service.stderr.count("Traceback")
        assert service.stderr.startswith(f"handler {HANDLERS}:{prefix}{handler} on 'connection'")


@flavours
def test_handler_that_exits(options: Options, prefix: str) -> None:
    """The status that a handler gives to sys.exit() is the process's."""
    with instance(options, f"{prefix}leave") as (service, client):
        client.sendall(b"x")
        assert 3 == service.wait()
        assert "" == service.stderr


# Signals.


@flavours
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_lets_the_handler_end(options: Options, prefix: str, number: int) -> None:
    """After a signal, the handler may still end by itself."""
    with instance(options, f"{prefix}hold") as (service, client):
        service.ready()
        assert b"hi\n" == client.recv(100)
        service.stop(number)
        client.sendall(b"bye\n")
        assert b"%d bye\n" % service.process.pid == read_all(client)
        assert 0 == service.wait()
        assert "" == service.stderr


@flavours
def test_drain_limit(options: Options, prefix: str) -> None:
    """A handler that does not end in time is ended, cleanly, with 0."""
    with instance((*options, "--drain=0.3"), f"{prefix}stubborn") as (service, client):
        assert b"hi\n" == client.recv(100)
        began = time.monotonic()
        service.stop()
        assert b"" == read_all(client)
        assert 0 == service.wait()
        assert 0.3 <= time.monotonic() - began < DRAIN
        assert "cleaned up\n" == service.stderr


def test_signal_just_before_a_wait() -> None:
    """A signal for a plain handler that is about to wait is heeded, not kept until data comes."""
    with instance((), "p_attentive_late") as (service, client):
        assert b"hi\n" == client.recv(100)
        service.stop()
        assert b"bye\n" == read_all(client)
        assert 0 == service.wait()
        assert "" == service.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_drain_limit_just_before_a_wait(number: int) -> None:
    """Such a signal ends a plain handler, which looks at nothing but its client, in time."""
    with instance(("--drain=0.1",), "p_stubborn_late") as (service, client):
        assert b"hi\n" == client.recv(100)
        service.stop(number)
        assert b"" == read_all(client)
        assert 0 == service.wait()
        assert "cleaned up\n" == service.stderr


def test_forked_process_has_signals_of_its_own() -> None:
    """SIGTERM for a process that a plain handler forks drains that one alone."""
    with instance((), "p_forking") as (service, client):
        service.ready()
        assert b"(1, [])" == read_all(client)
        assert 0 == service.wait()
        assert "" == service.stderr


THREADLESS = """
import _thread, os, resource
import activator
import activator.runtime.serving.engine, activator.runtime.serving.single

resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
if not os.getuid():
    os.setuid(65534)  # root has no limit
try:
    _thread.start_new_thread(print, ())
except RuntimeError:
    activator.serve(lambda sock: sock.sendall(b"hi\\n" + sock.recv(100)))
"""


def test_no_more_threads() -> None:
    """Where a service can have no thread beside it, its handler is called all the same."""
    with (
        accepted() as (client, server),
        launched((sys.executable, "-c", THREADLESS), [server]) as service,
    ):
        service.ready()
        service.stop()
        client.sendall(b"bye\n")
        assert b"hi\nbye\n" == client.recv(100)
        assert 0 == service.wait()
        assert "" == service.stderr


def test_failure_without_descriptors() -> None:
    """A plain handler that fails because there are no more descriptors is told of."""
    with (
        accepted() as (client, server),
        launched(command((), "p_hoard"), [server], nofile=64) as service,
    ):
        server.close()
        client.sendall(b"x")
        assert 1 == service.wait()
        assert "Traceback (most recent call last):" == service.stderr.splitlines()[0]
        assert "OSError: [Errno 24] Too many open files" == service.stderr.splitlines()[-1]


@flavours
def test_second_interrupt(options: Options, prefix: str) -> None:
    """A second SIGINT does not wait for the limit."""
    with instance(options, f"{prefix}stubborn") as (service, client):
        assert b"hi\n" == client.recv(100)
        service.stop(signal.SIGINT)
        service.process.send_signal(signal.SIGINT)
        assert 0 == service.wait()
        assert "cleaned up\n" == service.stderr


PROGRAM = """
import os, signal
import activator

def mine(*_): ...

signals = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
for number in signals:
    signal.signal(number, mine)

def handler(sock):
    if sock.recv(1):
        os.kill(os.getpid(), signal.SIGTERM)

activator.serve(handler, drain=5)
assert [mine] * 3 == list(map(signal.getsignal, signals))
assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
print("done")
"""


@pytest.mark.parametrize("question", [b"", b"x"])
def test_serve_gives_signals_back(question: bytes) -> None:
    """After serve(), signals and timers are as before, whether it was told to stop or not."""
    with (
        accepted() as (client, server),
        launched((sys.executable, "-c", PROGRAM), [server]) as service,
    ):
        client.sendall(question)
        client.shutdown(socket.SHUT_WR)
        assert "done\n" == service.stdout
        assert 0 == service.wait()
        assert "" == service.stderr


def test_several_handlers() -> None:
    """A connection takes its own of several handlers, or says which there are."""
    words = (*SERVE, f"a={HANDLERS}:a_name", f"p={HANDLERS}:p_name")
    for name, expected in (("a", b"async"), ("p", b"plain")):
        with accepted() as (client, server), launched(words, [server], names=name) as service:
            server.close()
            assert expected == client.recv(100)
            assert 0 == service.wait()
    with accepted() as (_, server), launched(words, [server], names="connection") as service:
        assert 1 == service.wait()
        assert service.stderr.startswith(
            "socket 'connection' has no handler (sockets: 'connection'; handlers: 'a', 'p'); "
        )


def test_several_connections() -> None:
    """A process cannot have several connections and nothing else, and it says so."""
    with (
        accepted() as (_, server),
        accepted() as (_, other),
        launched(command((), "p_echo"), [server, other]) as service,
    ):
        assert 1 == service.wait()
        assert service.stderr.startswith("all of 2 passed descriptors are connections; ")


@pytest.mark.parametrize("kind", ["fresh", "bound", "shut down", "unix"])
@flavours
@pytest.mark.parametrize("beside", [0, 1])
def test_no_listener_and_no_connection(
    options: Options, prefix: str, kind: str, beside: int
) -> None:
    """A socket that neither listens nor is connected is told of in one line, also beside others."""
    with (
        tcp_listener() as other,
        tcp_listener() as listener,
        socket.socket() as fresh,
        socket.socket(socket.AF_UNIX) as unix,
    ):
        sock = {"shut down": listener, "unix": unix}.get(kind, fresh)
        if kind == "bound":
            fresh.bind(("127.0.0.1", 0))
        elif kind == "shut down":
            listener.shutdown(socket.SHUT_RD)
        with launched(command(options, f"{prefix}echo"), [sock, *[other] * beside]) as service:
            assert 1 == service.wait()
            assert " does not listen, and nobody is connected to it; " in service.stderr
            assert 1 == service.stderr.count("\n")


def test_abstract_socket() -> None:
    """An AF_UNIX connection without any address is served too."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0activator-{os.getpid()}")
        listener.listen()
        with connected(listener.getsockname(), socket.AF_UNIX) as client:
            server, _ = listener.accept()
            with server, launched(command((), "a_echo"), [server]) as service:
                client.sendall(b"hello")
                assert b"hello" == client.recv(100)
                client.shutdown(socket.SHUT_WR)
                assert 0 == service.wait()
