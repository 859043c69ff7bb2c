"""A process for each connection, where memory runs out at one point: no connection is lost."""

import sys
import time
from pathlib import Path

import pytest

from tests.support.services import PATIENCE, connect, launched, read_all, tcp_listener

ROOM = "activator.runtime.serving"
# Runs `activator serve`, where a function of a module raises MemoryError at its first call.
SCRIPT = """
import sys
from importlib import import_module
from operator import attrgetter

from activator.__main__ import main

module, _, name = sys.argv.pop(1).partition(":")
owner, _, name = name.rpartition(".")
owner = attrgetter(owner)(import_module(module)) if owner else import_module(module)
real, calls = getattr(owner, name), []

def scarce(*arguments):
    calls.append(1)
    if len(calls) == 1:
        raise MemoryError
    return real(*arguments)

setattr(owner, name, scarce)
sys.exit(main())
"""
WORDS = ("serve", "--isolation", "process", "--max-per-source")
HANDLER = "tests.support.handlers:p_hold"
HEADER = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"


@pytest.mark.parametrize(
    ("where", "is_kept", "header"),
    [
        pytest.param("processes.service:socket", False, b"", id="socket"),
        pytest.param("sources:Sources.count", False, b"", id="source"),
        pytest.param("processes.proxied:kind", False, HEADER, id="proxied"),
        pytest.param("processes.forks:fork", True, b"", id="process"),
    ],
)
def test_a_connection_that_finds_no_memory(where: str, *, is_kept: bool, header: bytes) -> None:
    """It ends, or waits for its process, and its source may have another one afterwards."""
    words = (*WORDS, "2" if is_kept else "1", *(("--proxy-protocol", "local") if header else ()))
    command = (sys.executable, "-c", SCRIPT, f"{ROOM}.{where}", *words, HANDLER)
    with tcp_listener() as listener, launched(command, [listener], names="tcp") as service:
        service.ready()
        descriptors = Path(f"/proc/{service.process.pid}/fd")
        before = len([*descriptors.iterdir()])
        with connect(listener.getsockname()) as first:
            first.settimeout(PATIENCE / 2)
            if is_kept:
                assert b"hi\n" == first.recv(10)
                first.sendall(b"bye\n")
            assert is_kept is read_all(first).endswith(b"bye\n")
        until = time.monotonic() + PATIENCE
        while not is_kept and before != len([*descriptors.iterdir()]):
            assert time.monotonic() < until
            time.sleep(0.01)
        with connect(listener.getsockname()) as second:
            second.sendall(header)
            assert b"hi\n" == second.recv(10)
            second.sendall(b"bye\n")
            assert read_all(second).endswith(b"bye\n")
        assert 0 == service.end()
        assert "no memory" in service.stderr
        assert "Traceback" not in service.stderr
