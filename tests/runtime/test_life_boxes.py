"""The life of services under the real systemd: hanging, draining for long, kept connections."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.boxes.box import Box, Inside
from tests.runtime.test_activation_boxes import installed, socat

CODE = "/srv/life/life.py"
MODULE = """\
import asyncio, time, activator

async def handle(reader, writer):
    line = await reader.readline()
    if line == b"hang\\n":
        time.sleep(1000)
    if line == b"stay\\n":
        writer.write(b"staying\\n")
        await activator.draining
        await asyncio.sleep(4)
    writer.write(b"bye\\n")
"""
SPEC = """\
name = "life"
app-dir = "/srv/life"
handler = "life:handle"
KEYS
[sockets.life]
ListenStream = "/run/life.sock"
[service]
SERVICE
"""
LASTING = """\
name = "lasting"
handler = "activator.examples.lasting:echo"
KEYS
[sockets.lasting]
ListenStream = "/run/lasting.sock"
[service]
FileDescriptorStoreMax = 100
"""
# Leaves its connections at once, and so is not surprised by the end.
CAREFUL = """\
import activator

def echo(sock):
    activator.fdstore.keep("lasting", sock)
    while data := sock.recv(65536):
        sock.sendall(data)
"""


@contextmanager
def serving(box: Box, keys: str, service: str = "") -> Iterator[None]:
    """Have the service of the module above active."""
    box.write(CODE, MODULE)
    with installed(box, SPEC.replace("KEYS", keys).replace("SERVICE", service)):
        box.systemctl("start", "life.socket", "life.service")
        yield


@contextmanager
def talking(box: Box, path: str) -> Iterator[Inside]:
    """Have a connection, by socat, in the body."""
    with box.popen("socat", "-", f"UNIX-CONNECT:{path}", bufsize=1) as process:
        try:
            yield process
        finally:
            process.kill()


def ask(process: Inside, question: str) -> str:
    """Send a line and read one."""
    assert process.stdin
    assert process.stdout
    process.stdin.write(f"{question}\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


@pytest.mark.parametrize("keys", ["", "workers = 2"])
def test_watchdog(box: Box, keys: str) -> None:
    """A loop that hangs is noticed; systemd restarts the service, or its parent the worker."""
    with serving(box, keys, "WatchdogSec = 3"):
        before = box.show("life.service", "MainPID")
        with box.popen("socat", "-", "UNIX-CONNECT:/run/life.sock", text=True) as client:
            client.communicate("hang\n", timeout=120)
        assert "bye\n" == socat(box, "UNIX-CONNECT:/run/life.sock", "x\n")
        box.wait_active("life.service")
        if keys:
            assert before == box.show("life.service", "MainPID")
            box.wait_for(lambda: "hangs and is ended" in box.journal("life.service"), "its end")
            assert "bye\n" == socat(box, "UNIX-CONNECT:/run/life.sock", "x\n")
            assert "0" == box.show("life.service", "NRestarts")
        else:
            assert before != box.show("life.service", "MainPID")
            assert "1" == box.show("life.service", "NRestarts")
            assert "Watchdog timeout" in box.journal("life.service")


@pytest.mark.parametrize("keys", ["", "hand-over = true"])
def test_drains_for_longer_than_the_time_to_stop(box: Box, keys: str) -> None:
    """While it drains it asks for more time than TimeoutStopSec= gives, and gets it."""
    with (
        serving(box, keys, "TimeoutStopSec = 3"),
        talking(box, "/run/life.sock") as client,
    ):
        assert "staying" == ask(client, "stay")
        box.systemctl("stop", "life.socket", "life.service")
        assert client.stdout
        assert "bye\n" == client.stdout.read()
        assert "success" == box.show("life.service", "Result")


@pytest.mark.parametrize("keys", ["", "workers = 2"])
def test_status(box: Box, keys: str) -> None:
    """The status says how many connections there are, while there are."""
    with serving(box, keys), talking(box, "/run/life.sock") as client:
        assert "staying" == ask(client, "stay")
        box.wait_for(
            lambda: "ready: 1 open, 1 accepted" in box.show("life.service", "StatusText"),
            "the status",
        )
        client.kill()


@pytest.mark.parametrize("keys", ["", "hand-over = true"])
def test_connections_outlive_restarts(box: Box, keys: str) -> None:
    """Clients talk on over restarts and hand-overs, on the same connections."""
    with installed(box, LASTING.replace("KEYS", keys)):
        box.systemctl("start", "lasting.socket")
        with (
            talking(box, "/run/lasting.sock") as one,
            talking(box, "/run/lasting.sock") as two,
        ):
            for turn in range(3):
                for client in (one, two):
                    assert f"turn {turn}" == ask(client, f"turn {turn}")
                box.systemctl("reload" if keys and turn == 1 else "restart", "lasting.service")
            assert "after" == ask(one, "after")
            assert "after" == ask(two, "after")
        assert "0" == box.show("lasting.service", "NRestarts")


@pytest.mark.parametrize("keys", ["", "hand-over = true"])
def test_connections_outlive_a_kill(box: Box, keys: str) -> None:
    """What was left with systemd in time comes back after SIGKILL too."""
    box.write("/srv/careful/careful.py", CAREFUL)
    text = LASTING.replace("KEYS", f'app-dir = "/srv/careful"\n{keys}')
    with installed(box, text.replace("activator.examples.lasting:echo", "careful:echo")):
        box.systemctl("start", "lasting.socket")
        with talking(box, "/run/lasting.sock") as client:
            assert "before" == ask(client, "before")
            box.wait_for(
                lambda: "1" == box.show("lasting.service", "NFileDescriptorStore"), "the store"
            )
            before = box.show("lasting.service", "MainPID")
            box.systemctl("kill", "--signal=KILL", "lasting.service")
            box.wait_for(
                lambda: box.show("lasting.service", "MainPID") not in ("0", before), "a restart"
            )
            assert "after" == ask(client, "after")
