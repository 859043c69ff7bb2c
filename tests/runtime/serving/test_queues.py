"""POSIX message queues and netlink sockets: messages of other kinds than datagrams."""

import ctypes
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.runtime.serving.test_files import FILES, line
from tests.support.services import LOOPS, SERVE, ask, finished_quietly, launched, tcp_listener

LIBC = ctypes.CDLL(None, use_errno=True)
QUEUE = (*SERVE, f"{FILES}:queue")
NETLINK_KOBJECT_UEVENT = 15
GROUP = 1


class Queue:
    """A message queue as systemd opens it, and a client's end of it."""

    def __init__(self, name: bytes) -> None:
        self.fd = LIBC.mq_open(name, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_NONBLOCK, 0o600, 0)
        if self.fd < 0:
            pytest.skip(f"no message queue: {os.strerror(ctypes.get_errno())}")
        self._client = LIBC.mq_open(name, os.O_WRONLY)

    def send(self, data: bytes, priority: int) -> None:
        """Send a message."""
        assert 0 == LIBC.mq_send(self._client, data, len(data), priority)

    def close(self) -> None:
        """Close both ends."""
        os.close(self.fd)
        os.close(self._client)


@pytest.fixture
def queue() -> Iterator[Queue]:
    """Make a message queue."""
    name = f"/activator-{os.getpid()}".encode()
    made = Queue(name)
    yield made
    made.close()
    LIBC.mq_unlink(name)


def test_queue(queue: Queue) -> None:
    """Messages come in order of priority, those from before the service was there as well."""
    queue.send(b"later", 1)
    queue.send(b"sooner", 31)
    queue.send(b"", 0)
    with launched(QUEUE, [queue.fd]) as service:
        assert ["31 6 sooner True", "1 5 later True", "0 0  True"] == [
            line(service) for _ in range(3)
        ]
        queue.send(b"x" * 8192, 5)
        assert f"5 8192 {'x' * 20} True" == line(service)
        finished_quietly(service)


def test_queue_without_answers(queue: Queue) -> None:
    """An answer has nowhere to go, which is said once; a bug costs one record."""
    for text in (b"?", b"?", b"boom", b"x"):
        queue.send(text, 0)
    with launched(QUEUE, [queue.fd]) as service:
        assert ["0 1 ? True"] * 2 == [line(service) for _ in range(2)]
        assert ["0 4 boom True", "0 1 x True"] == [line(service) for _ in range(2)]
        assert 0 == service.end()
        assert 1 == service.stderr.count(": a queue goes one way only\n")
        assert 1 == service.stderr.count("ValueError: boom\nTraceback")


@pytest.mark.parametrize("loop", LOOPS)
def test_queue_beside_connections(queue: Queue, loop: str) -> None:
    """An event loop that serves connections watches the queue as well."""
    with tcp_listener() as listener:
        words = (*SERVE, f"--loop={loop}", f"q={FILES}:queue", "t=tests.support.handlers:a_name")
        with launched(words, [queue.fd, listener], names="q:t") as service:
            queue.send(b"x", 2)
            assert "2 1 x True" == line(service)
            assert b"async" == ask(listener.getsockname(), b"")
            finished_quietly(service)


def test_queue_wakes_up_an_idle_service(queue: Queue) -> None:
    """What comes is work: the idle exit waits for it, and for that it takes nothing from it."""
    words = (*SERVE, "--idle-exit=2", f"{FILES}:queue")  # long enough for this test to send
    with launched(words, [queue.fd]) as service:
        queue.send(b"x", 0)
        assert "0 1 x True" == line(service)
        assert 0 == service.wait()


@contextmanager
def netlink(protocol: int) -> Iterator[socket.socket]:
    """Listen to a group of a netlink family."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as sock:
        try:
            sock.bind((0, GROUP))
        except PermissionError:
            pytest.skip("listening to a netlink group needs root")
        yield sock


@pytest.fixture
def device() -> Path:
    """Return the file that makes the kernel tell of a device once more."""
    path = Path("/sys/devices/virtual/mem/null/uevent")
    if not os.access(path, os.W_OK):
        pytest.skip("no uevents can be asked for")
    return path


@pytest.mark.parametrize("handler", [f"{FILES}:uevent", "tests.support.protocols:Uevents"])
def test_uevents(device: Path, handler: str) -> None:
    """What the kernel says of devices arrives, from process 0, before and while it runs."""
    with netlink(NETLINK_KOBJECT_UEVENT) as listener:
        device.write_text("change")
        with launched((*SERVE, handler), [listener]) as service:
            event = "(0, 1) change@/devices/virtual/mem/null"
            assert event in iter(lambda: line(service), "")
            device.write_text("change")
            assert event in iter(lambda: line(service), "")
            assert 0 == service.end()
            assert "" == service.stderr


def test_netlink_overrun(device: Path) -> None:
    """Messages that the kernel had no room for are reported, and the next one arrives."""
    with netlink(NETLINK_KOBJECT_UEVENT) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        for _ in range(100):
            device.write_text("change")
        with launched((*SERVE, f"{FILES}:uevent"), [listener]) as service:
            service.ready()
            while "were lost: they came faster than they were taken" not in service.stderr:
                assert service.process.poll() is None
            device.write_text("change")
            assert "(0, 1) change@/devices/virtual/mem/null" in iter(lambda: line(service), "")
            assert 0 == service.end()
            assert 1 == service.stderr.count("\n")
