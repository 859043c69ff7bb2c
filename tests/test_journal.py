"""Where a service's records go, and what they are said to be about."""

import json
import sys
from importlib.util import find_spec

import pytest

from activator.journal import send
from tests.support.services import PATIENCE, SERVE, connect, launched, tcp_listener

KNOWN = "tests.support.known"


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


def test_text_where_the_library_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no descriptor is left to load it with, text has to do."""
    monkeypatch.setitem(sys.modules, "systemd._journal", None)
    assert not send("no descriptors", 4, {})
