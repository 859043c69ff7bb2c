"""Whoever may write to a datagram socket can send more than bytes, and need not read."""

import array
import os
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.runtime.adversary.test_exceptions import datagrams, unix_datagrams
from tests.runtime.adversary.ways import SOON, Way, count, served, settles
from tests.support.services import PATIENCE

# How much of a processor a service may use while a client does not read, of one.
BUSY = 0.5
TICKS = os.sysconf("SC_CLK_TCK")


@datagrams
def test_descriptors_sent_along(words: tuple[str, ...]) -> None:
    """Descriptors that come with a message are closed at once, however many they are."""
    with ExitStack() as stack:
        listener, client = stack.enter_context(unix_datagrams(stack))
        service = stack.enter_context(served(Way("", words), listener, nofile=64))
        client.send(b"first")
        assert b"first" == client.recv(100)
        before = count(service, "fd")
        with open(os.devnull) as file:  # noqa: PTH123 - a descriptor is wanted
            for number in (1, 20, 253):
                rights = array.array("i", [file.fileno()] * number)
                for _ in range(20):
                    client.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
                    assert b"x" == client.recv(100)
        settles(service, "fd", before)
        assert "" == service.stderr


@pytest.mark.parametrize("size", [100, 1000, 20000])
@datagrams
def test_client_that_does_not_read(words: tuple[str, ...], size: int) -> None:
    """A client that does not read its answers takes neither the processor nor the memory.

    Nor the answers of others: those are sent from the same buffer.
    """
    with ExitStack() as stack:
        listener, client = stack.enter_context(unix_datagrams(stack))
        deaf = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        deaf.bind("")
        deaf.connect(listener.getsockname())
        service = stack.enter_context(served(Way("", words), listener))
        deaf.settimeout(SOON)
        for turn in range(400):
            deaf.send(b"x" * size)
            if turn % 20 == 0:
                _is_answered(client)
        used, began = _used(service.process.pid), time.monotonic()
        time.sleep(1.0)
        assert _used(service.process.pid) - used < BUSY * (time.monotonic() - began)
        assert _memory(service.process.pid) < 100 << 20
        for _ in range(200):
            _is_answered(client)
        assert "Traceback" not in service.stderr
        # Once it reads, it is served again.
        deaf.settimeout(0.2)
        until, answer = time.monotonic() + PATIENCE, b""
        while answer != b"again":
            assert time.monotonic() < until
            with suppress(TimeoutError):
                deaf.send(b"again")
                while answer != b"again":
                    answer = deaf.recv(65536)


def _is_answered(client: socket.socket) -> None:
    client.send(b"y" * 3000)
    assert b"y" * 3000 == client.recv(65536)


def _used(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _memory(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
