"""Where a service's records go, and what they are said to be about."""

import json
import sys
from importlib.util import find_spec

import pytest

from activator.runtime.journal import send
from tests.support.services import PATIENCE, SERVE, connect, launched, read_all, tcp_listener

KNOWN = "tests.support.known"
LEVELS = "tests.support.levels"


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("handler", ["a_plain", "a_streams", "Protocol"])
def test_records_are_about_their_connection(handler: str, loop: str) -> None:
    """Whatever the handler and the loop, records are about the connection that they come from."""
    if not find_spec(loop):
        pytest.skip(f"{loop} is not installed")
    with (
        tcp_listener() as listener,
        launched((*SERVE, "--loop", loop, f"{KNOWN}:{handler}"), [listener], names="n") as service,
    ):
        service.ready()
        host, port = listener.getsockname()
        numbers = set()
        clients = [connect((host, port)) for _ in range(3)]
        for client in clients:
            with client:
                client.settimeout(PATIENCE)
                client.sendall(b"?")
                told = b""
                while chunk := client.recv(4096):
                    told += chunk
                decoder = json.JSONDecoder()
                found, end = decoder.raw_decode(told.decode())
                if handler == "Protocol":
                    assert found == json.loads(told[end:])
                numbers.add(found.pop("ACTIVATOR_CONNECTION"))
                peer = client.getsockname()
            assert {
                "ACTIVATOR_FDNAME": "n",
                "ACTIVATOR_ADDRESS": f"{host}:{port}",
                "ACTIVATOR_PEER": f"{peer[0]}:{peer[1]}",
            } == found
        assert 3 == len(numbers)
        assert 0 == service.end()
        assert "" == service.stderr


@pytest.mark.parametrize("handler", ["a_plain", "a_streams", "Protocol"])
def test_records_name_the_client_behind_a_proxy(handler: str) -> None:
    """Where a proxy has told whose the connection is, records say that."""
    command = (*SERVE, "--proxy-protocol", "local", f"{KNOWN}:{handler}")
    with tcp_listener() as listener, launched(command, [listener], names="n") as service:
        service.ready()
        with connect(listener.getsockname()) as client:
            client.sendall(b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n?")
            found, _ = json.JSONDecoder().raw_decode(read_all(client).decode())
        assert "192.0.2.7:4711" == found["ACTIVATOR_PEER"]
        assert 0 == service.end()


@pytest.mark.parametrize("variables", [{"SOCKET": "/nowhere"}, {"NO_JOURNAL": "1"}])
def test_text_where_no_journal_is(variables: dict[str, str]) -> None:
    """Without a journal, or where it cannot be reached, records are text on stderr."""
    with (
        tcp_listener() as listener,
        launched((*SERVE, f"{KNOWN}:logs"), [listener], **variables) as service,  # type: ignore[arg-type]
    ):
        service.ready()
        with connect(listener.getsockname()) as client:
            assert b"done" == client.recv(10)
        assert 0 == service.end()
        assert "to the last resort\n<said>\nwritten\n" == service.stderr


@pytest.mark.parametrize("loop", [(), ("--loop", "asyncio")], ids=["threads", "loop"])
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "info warning"),
        (("--log-level", "debug"), "debug info warning"),
        (("--log-level", "warning"), "warning"),
        (("--log-level", "critical"), ""),
    ],
)
def test_levels(loop: tuple[str, ...], words: tuple[str, ...], expected: str) -> None:
    """An application's records are told from INFO on, or as asked; servers' from WARNING on."""
    handler = "a_levels" if loop else "p_levels"
    with (
        tcp_listener() as listener,
        launched((*SERVE, *loop, *words, f"{LEVELS}:{handler}"), [listener]) as service,
    ):
        service.ready()
        with connect(listener.getsockname()) as client:
            assert b"done" == client.recv(10)
        assert 0 == service.end()
        assert expected.split() == service.stderr.split()


def test_levels_of_a_program_that_sets_up_logging() -> None:
    """Where there are handlers, their levels are left alone."""
    with (
        tcp_listener() as listener,
        launched((*SERVE, f"{LEVELS}:p_levels"), [listener], CONFIGURED="1") as service,
    ):
        service.ready()
        with connect(listener.getsockname()) as client:
            assert b"done" == client.recv(10)
        assert 0 == service.end()
        assert ["warning:app", "warning:uvicorn.error"] == service.stderr.split()


def test_text_where_the_library_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no descriptor is left to load it with, text has to do."""
    monkeypatch.setitem(sys.modules, "systemd._journal", None)
    assert not send("no descriptors", 4, {})
