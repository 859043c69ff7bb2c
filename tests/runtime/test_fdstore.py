"""The fd store: what is left with the service manager, and what comes back from it."""

import os
import socket

import pytest

from activator import ActivatorError, fdstore
from tests.runtime.test_notify import notifications as notifications  # noqa: PLC0414 - a fixture
from tests.support.services import (
    SERVE,
    Notifications,
    command,
    connect,
    finished_quietly,
    launched,
    read_all,
    tcp_listener,
)

EXAMPLE = (*SERVE, "activator.examples.lasting:echo")


def test_messages(notifications: Notifications) -> None:
    """A descriptor is sent with its name, and forgotten by it."""
    inner, outer = os.pipe()
    try:
        assert fdstore.keep("x", outer)
        message, fds, *_ = socket.recv_fds(notifications.socket, 100, 2)
        assert b"FDSTORE=1\nFDNAME=x" == message
        assert os.path.sameopenfile(outer, fds[0])
        os.close(fds[0])
    finally:
        os.close(inner)
        os.close(outer)
    assert fdstore.forget("x")
    assert "FDSTOREREMOVE=1\nFDNAME=x" == notifications.receive()


@pytest.mark.parametrize("name", ["", "a:b", "a\nREADY=1", "ä", "x" * 256])
def test_names(name: str) -> None:
    """What cannot be an fdname is refused, not sent."""
    with pytest.raises(ActivatorError, match="cannot be an fdname"):
        fdstore.keep(name, 0)
    with pytest.raises(ActivatorError, match="cannot be an fdname"):
        fdstore.forget(name)


def test_without_a_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept without NOTIFY_SOCKET."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not fdstore.keep("x", 0)
    assert not fdstore.forget("x")


@pytest.mark.parametrize("count", [1, 5])
def test_connections_outlive_restarts(count: int) -> None:
    """Clients of the example talk on over one restart after the other, and notice nothing."""
    with tcp_listener() as listener:
        clients = [connect(listener.getsockname()) for _ in range(count)]
        kept: list[int] = []
        for number in range(3):
            passed: list[int | socket.socket] = [listener, *kept]
            names = ":".join(["lasting"] * len(passed))
            with launched(EXAMPLE, passed, names=names) as service:
                if kept:
                    assert "FDSTOREREMOVE=1\nFDNAME=lasting" == service.notifications.receive()
                service.ready()
                for fd in kept:
                    os.close(fd)
                for client in clients:
                    client.sendall(b"%d" % number)
                    assert b"%d" % number == client.recv(100)
                service.process.terminate()
                kept = []
                while len(kept) < count:
                    message, fds, *_ = socket.recv_fds(service.notifications.socket, 1000, 1)
                    assert bool(fds) == (message == b"FDSTORE=1\nFDNAME=lasting")
                    kept += fds
                assert 0 == service.wait()
                assert "" == service.stderr
        for fd in kept:
            os.close(fd)
        for client in clients:
            assert b"" == read_all(client)
            client.close()


@pytest.mark.parametrize("handler", ["a_echo", "p_echo", "protocols:Echo"])
def test_each_sort_of_handler(handler: str) -> None:
    """A connection that comes back beside a listener is served as a new one is."""
    words = command((), handler)
    if ":" in handler:
        words = (*SERVE, f"tests.support.{handler}")
    ours, theirs = socket.socketpair()
    with (
        ours,
        theirs,
        tcp_listener() as listener,
        launched(words, [listener, theirs]) as service,
    ):
        theirs.close()
        ours.sendall(b"old")
        assert b"old" == ours.recv(100)
        with connect(listener.getsockname()) as client:
            client.sendall(b"new")
            assert b"new" == client.recv(100)
        ours.shutdown(socket.SHUT_WR)
        assert b"" == read_all(ours)
        finished_quietly(service)
