"""Messages to the service manager, received on a real NOTIFY_SOCKET."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from activator import notify
from tests.support.services import Notifications, ask, command, launched, tcp_listener


@pytest.fixture
def notifications(monkeypatch: pytest.MonkeyPatch) -> Iterator[Notifications]:
    """Stand in for the service manager."""
    result = Notifications()
    monkeypatch.setenv("NOTIFY_SOCKET", result.path)
    with closing(result.socket):
        yield result


def test_messages(notifications: Notifications) -> None:
    """Each function sends its assignment, with a status if there is one."""
    assert notify.ready()
    assert "READY=1\n" == notifications.receive()
    assert notify.ready("serving")
    assert "READY=1\nSTATUS=serving" == notifications.receive()
    assert notify.stopping("3 connections left")
    assert "STOPPING=1\nSTATUS=3 connections left" == notifications.receive()
    assert notify.status("fine")
    assert "STATUS=fine" == notifications.receive()


@pytest.mark.parametrize("text", ["a\nREADY=1", "a\0READY=1", "a\r\nREADY=1", "a\x0bREADY=1"])
def test_status_is_one_line(notifications: Notifications, text: str) -> None:
    """A line break in a status cannot begin another assignment."""
    assert notify.status(text)
    assert "STATUS=a READY=1" == notifications.receive()


def test_status_of_odd_text(notifications: Notifications) -> None:
    """A text that is no UTF-8, as a file name may be, is sent with marks in place."""
    assert notify.status("b\udcff")
    assert "STATUS=b?" == notifications.receive()


def fill(notifications: Notifications) -> None:
    """Send messages until there is no more room for one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock, suppress(BlockingIOError):
        sock.setblocking(False)
        while True:
            sock.sendto(b"X_MORE=1", f"\0{notifications.path[1:]}")


def test_manager_that_does_not_read(notifications: Notifications) -> None:
    """What is said again later is dropped at once; what must arrive waits, but not for ever."""
    fill(notifications)
    assert not notify.status("busy")
    assert not notify.watchdog()
    began = time.monotonic()
    assert not notify.send("X_MORE=2", 0.2)
    assert 0.2 <= time.monotonic() - began < notify.PATIENCE
    reader = threading.Timer(0.2, notifications.await_message, ("READY=1",))
    reader.start()
    assert notify.ready("at last")
    reader.join()


def test_manager_that_comes_back(notifications: Notifications) -> None:
    """Another socket under the same name is found."""
    assert notify.status("one")
    notifications.socket.close()
    assert not notify.status("two")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as again:
        again.bind(f"\0{notifications.path[1:]}")
        assert notify.status("three")
        assert b"STATUS=three" == again.recv(100)


def test_descriptor_that_is_closed_by_others(notifications: Notifications) -> None:
    """Who closes all descriptors does not have messages end up elsewhere."""
    assert notify.status("one")
    (number,) = notify.descriptors()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        os.dup2(ours.fileno(), number)
        try:
            assert notify.status("two")
            theirs.setblocking(False)
            with pytest.raises(BlockingIOError):
                theirs.recv(100)
        finally:
            os.close(number)
    os.close(notify.descriptors()[0])
    assert notify.status("three")
    received = [notifications.receive() for _ in range(3)]
    assert ["STATUS=one", "STATUS=two", "STATUS=three"] == received


def test_service_whose_manager_does_not_read() -> None:
    """It serves on, and says what matters as soon as there is room."""
    with (
        tcp_listener() as listener,
        launched(command((), "p_echo"), [listener], WATCHDOG_USEC="50000") as service,
    ):
        service.ready()
        fill(service.notifications)
        for _ in range(20):
            assert b"hello" == ask(listener.getsockname(), b"hello")
            time.sleep(0.01)
        service.stop()
        assert 0 == service.wait()
        assert "" == service.stderr


def test_without_a_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent without NOTIFY_SOCKET, nor to a socket that is not there."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify.ready()
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/at/all")
    assert not notify.stopping()
