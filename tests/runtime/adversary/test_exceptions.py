"""A handler that raises what nobody expects ends its connection, and nothing else."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.runtime.adversary.handlers import END
from tests.runtime.adversary.ways import (
    DRAIN,
    MODULE,
    SOON,
    WAYS,
    Way,
    connected,
    count,
    ends,
    listening,
    served,
    settles,
    ways,
)
from tests.support.services import LOOPS, SERVE, launched

WORDS = sorted(END)
BEGINNING = (b"factory", b"connection_made", b"made wrongly")
METHODS = (*BEGINNING, b"data_received", b"eof_received", b"connection_lost")
DATAGRAMS = [
    pytest.param((f"{MODULE}:message",), id="threads"),
    *(
        pytest.param(("--loop", str(p.values[0]), f"{MODULE}:Messages"), id=p.id, marks=p.marks)
        for p in LOOPS
    ),
]
datagrams = pytest.mark.parametrize("words", DATAGRAMS)


@contextmanager
def unix_datagrams(stack: ExitStack) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Bind the service's Unix datagram socket and a client's."""
    listener, client = (
        stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) for _ in range(2)
    )
    for sock in (listener, client):
        sock.bind("")
    client.settimeout(SOON)
    client.connect(listener.getsockname())
    yield listener, client


@ways
def test_connections(way: Way) -> None:
    """The connection is closed at once, the service goes on and ends as it should."""
    with listening() as (tcp, _), served(way, tcp) as service:
        way.is_answered(tcp.getsockname())
        before = count(service, "fd")
        for word in WORDS:
            with connected(tcp.getsockname()) as client, suppress(ConnectionResetError):
                client.sendall(way.asking(word))
                answer = client.recv(1000)
                assert not answer or b" 500 " in answer.splitlines()[0]
            way.is_answered(tcp.getsockname())
        settles(service, "fd", before + 2)


@pytest.mark.parametrize("loop", LOOPS)
def test_methods_of_protocols(loop: str) -> None:
    """Whatever method of a protocol fails, or its factory, its connection ends, and no other."""
    way = Way("failing", ("--loop", loop, f"{MODULE}:Failing"))
    with listening() as (tcp, _), served(way, tcp) as service:
        way.is_answered(tcp.getsockname())
        before = count(service, "fd")
        for word in METHODS:
            with connected(tcp.getsockname()) as client:
                client.sendall(word)
                if word == b"eof_received":
                    client.shutdown(socket.SHUT_WR)
                if word != b"data_received":
                    assert word == client.recv(100)
                if word in BEGINNING:
                    with connected(tcp.getsockname()) as other, suppress(ConnectionResetError):
                        assert b"" == other.recv(100)
                else:
                    with suppress(ConnectionResetError):
                        assert b"" == client.recv(100)
            way.is_answered(tcp.getsockname())
        settles(service, "fd", before + 2)
        assert len(METHODS) == service.stderr.count("Traceback")


@pytest.mark.parametrize("loop", LOOPS)
def test_tasks_of_protocols(loop: str) -> None:
    """A task that a protocol has started may fail as it likes."""
    way = Way("task", ("--loop", loop, f"{MODULE}:Task"))
    with listening() as (tcp, _), served(way, tcp):
        for word in WORDS:
            with connected(tcp.getsockname()) as client:
                client.sendall(word)
                assert word == client.recv(100)
            way.is_answered(tcp.getsockname())


@datagrams
def test_messages(words: tuple[str, ...]) -> None:
    """The next messages are answered."""
    with ExitStack() as stack:
        listener, client = stack.enter_context(unix_datagrams(stack))
        way = Way("messages", words)
        stack.enter_context(served(way, listener))
        for word in WORDS:
            client.send(word)
            client.send(b"next")
            assert b"next" == client.recv(100)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param((f"{MODULE}:lines",), id="threads"),
        *(
            pytest.param(
                ("--loop", str(p.values[0]), f"{MODULE}:async_lines"), id=p.id, marks=p.marks
            )
            for p in LOOPS
        ),
    ],
)
def test_files(words: tuple[str, ...], tmp_path: Path) -> None:
    """The next lines of a FIFO are read."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    command = (*SERVE, "--drain", str(DRAIN), *words)
    try:
        with launched(command, [fd]) as service:
            service.ready()
            stdout = service.process.stdout
            assert stdout
            for word in WORDS:
                os.write(fd, word + b"\n")
                service.notifications.drop()
                os.write(fd, b"next of %b\n" % word)
                assert b"next of %b\n" % word == stdout.readline()
            ends(service)
    finally:
        os.close(fd)


@pytest.mark.parametrize("way", [way for way in WAYS if not way.is_http], ids=str)
def test_connection_that_was_accepted_before(way: Way) -> None:
    """With Accept=yes the process ends, with a status that says so, as after any failure."""
    if "--workers" in way.words or "--isolation" in way.words:
        pytest.skip("not with Accept=yes")
    for word in (b"interrupt", b"generator"):
        ours, theirs = socket.socketpair()
        with ours, theirs, launched((*SERVE, *way.words), [theirs]) as service:
            theirs.close()
            service.ready()
            ours.settimeout(SOON)
            ours.sendall(word)
            assert b"" == ours.recv(100)
            status = service.wait()
            assert status == 1 or "uvloop" in way.name, service.stderr
            assert 1 == service.stderr.count("Traceback")
