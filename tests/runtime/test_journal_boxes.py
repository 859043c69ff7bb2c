"""What a service says is in the journal, with fields, and is text elsewhere."""

import json
from typing import Any

import pytest

from tests.boxes.box import Box
from tests.runtime.test_activation_boxes import installed, socat

TELLERS = """\
import asyncio, logging

log = logging.getLogger("tell.er")

def say(line):
    if line == b"fail\\n":
        raise LookupError("nothing\\nthere")
    log.warning("heard %s", line.decode().strip(), extra={"ORDER": 7, "other": 8})
    return b"said\\n"

async def streams(reader, writer):
    writer.write(say(await reader.readline()))

def plain(sock):
    sock.sendall(say(sock.recv(100)))

class Protocol(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(say(data))
        self.transport.close()
"""


def records(box: Box, transport: str = "journal") -> list[dict[str, Any]]:
    """Return what the service has sent by a transport of journald's, oldest first."""
    box.run("journalctl", "--sync")
    match = (f"_TRANSPORT={transport}", "_SYSTEMD_UNIT=teller.service")
    lines = box.run("journalctl", "--quiet", "--output=json", *match, check=False).stdout
    return [json.loads(line) for line in lines.splitlines()]


@pytest.mark.parametrize("handler", ["streams", "plain", "Protocol"])
def test_records_have_fields(box: Box, handler: str) -> None:
    """An application's log records and the runtime's own tell what they are about."""
    box.write("/srv/teller/teller.py", TELLERS)
    text = (
        f'name = "teller"\napp-dir = "/srv/teller"\nhandler = "teller:{handler}"\n'
        '[sockets.tell]\nListenStream = "127.0.0.1:7070"\n'
    )
    with installed(box, text):
        box.run("journalctl", "--rotate", "--vacuum-time=1us")
        box.systemctl("start", "teller.socket")
        assert "said\n" == socat(box, "TCP:127.0.0.1:7070,sourceport=7171,reuseaddr", "hello\n")
        socat(box, "TCP:127.0.0.1:7070,sourceport=7172,reuseaddr", "fail\n")
        # A record of a process that has gone would be of no unit.
        box.wait_for(lambda: len(records(box)) > 1, "the records")
        box.systemctl("stop", "teller.service")
        told, failed = records(box)
    assert {
        "MESSAGE": "heard hello",
        "PRIORITY": "4",
        "LOGGER": "tell.er",
        "CODE_FILE": "/srv/teller/teller.py",
        "CODE_LINE": "8",
        "CODE_FUNC": "say",
        "ORDER": "7",
        "ACTIVATOR_FDNAME": "tell",
        "ACTIVATOR_ADDRESS": "127.0.0.1:7070",
        "ACTIVATOR_PEER": "127.0.0.1:7171",
        "_SYSTEMD_UNIT": "teller.service",
        "SYSLOG_IDENTIFIER": "teller",
    }.items() <= told.items()
    assert int(told["ACTIVATOR_CONNECTION"]) > 0
    assert "OTHER" not in told
    assert "LookupError: nothing there" in failed["MESSAGE"]
    assert "Traceback" in failed["MESSAGE"]
    assert failed["MESSAGE"].endswith("LookupError: nothing\nthere")
    assert "3" == failed["PRIORITY"]
    if handler != "Protocol":  # there the loop reports it
        assert "LookupError" == failed["EXCEPTION"]
        assert "/srv/teller/teller.py" == failed["CODE_FILE"]
        assert "7" == failed["CODE_LINE"]
    assert "127.0.0.1:7172" == failed["ACTIVATOR_PEER"]


def test_identifiers(box: Box) -> None:
    """Records at INFO are told, and bear what SyslogIdentifier= says, as text on stderr does."""
    box.write("/srv/teller/teller.py", TELLERS.replace("log.warning(", "log.info("))
    text = (
        'name = "teller"\napp-dir = "/srv/teller"\nhandler = "teller:plain"\n'
        '[sockets.tell]\nListenStream = "127.0.0.1:7070"\n'
    )
    given = '[service]\nSyslogIdentifier = "front-%p"\n'
    # From 257 on, a unit for this systemd hides the control group.
    here = f"systemd = {box.version}\n{text}"
    for spec, expected in (
        (text, "teller"),
        (text + given, "front-teller"),
        (here + given, "front-teller"),
    ):
        with installed(box, spec):
            box.run("journalctl", "--rotate", "--vacuum-time=1us")
            box.systemctl("start", "teller.socket")
            assert "said\n" == socat(box, "TCP:127.0.0.1:7070", "hello\n")
            box.wait_for(lambda: records(box), "the record")
            box.systemctl("stop", "teller.service")
            (told,) = records(box)
        assert "6" == told["PRIORITY"]
        assert expected == told["SYSLOG_IDENTIFIER"]


def test_a_failed_start_is_an_error(box: Box) -> None:
    """What ends a service is told with the priority of an error."""
    text = (
        'name = "teller"\nhandler = "nope:h"\n[sockets.tell]\nListenStream = "127.0.0.1:7070"\n'
        '[service]\nRestart = "no"\n'
    )
    with installed(box, text):
        box.run("journalctl", "--rotate", "--vacuum-time=1us")
        box.systemctl("start", "teller.socket", "teller.service", check=False)
        # As text on stderr: a record of a process that ends at once might be of no unit.
        (failed,) = records(box, "stdout")
        assert [] == records(box)
    assert failed["MESSAGE"].startswith("there is no module 'nope'")
    assert "3" == failed["PRIORITY"]
