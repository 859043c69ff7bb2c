"""Messages to the service manager, received on a real NOTIFY_SOCKET."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from activator import notify
from tests.support.services import Notifications


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


def test_without_a_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent without NOTIFY_SOCKET, nor to a socket that is not there."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify.ready()
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/at/all")
    assert not notify.stopping()
