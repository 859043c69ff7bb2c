"""Hand-over under the real systemd: what ``systemctl reload`` does, and what it tells."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.boxes.box import UNITS, Box
from tests.boxes.loads import clients
from tests.runtime.test_activation_boxes import installed, socat

CODE = "/srv/shop/shop.py"
MODULE = """\
import os

async def handle(reader, writer):
    writer.write(f"VERSION {os.environ.get('COLOUR', 'none')}".encode())
"""
SPEC = """\
name = "shop"
app-dir = "/srv/shop"
handler = "shop:handle"
KEYS
[sockets.shop]
ListenStream = "/run/shop.sock"
"""
ECHO = """\
name = "again"
handler = "activator.examples.echo:echo"
workers = 2
[sockets.again]
ListenStream = "127.0.0.1:7779"
"""


@contextmanager
def shop(box: Box, keys: str) -> Iterator[None]:
    """Have version 1 running."""
    box.write(CODE, MODULE.replace("VERSION", "1"))
    with installed(box, SPEC.replace("KEYS", keys)):
        box.systemctl("start", "shop.socket")
        assert "1 none" == answer(box), box.journal("shop.service")
        try:
            yield
        finally:
            box.run("rm", "-rf", "/srv/shop")


def answer(box: Box) -> str:
    """Ask once."""
    return socat(box, "UNIX-CONNECT:/run/shop.sock", "")


def reload(box: Box) -> int:
    """Return the status of ``systemctl reload``."""
    return box.run("systemctl", "reload", "shop.service", check=False, timeout=120).returncode


@pytest.mark.parametrize("keys", ["hand-over = true", "workers = 2"])
def test_reload(box: Box, keys: str) -> None:
    """New code and environment are taken up, by the same service; a failure is reported."""
    with shop(box, keys):
        main = box.show("shop.service", "MainPID")
        box.write(CODE, MODULE.replace("VERSION", "2"))
        box.write(f"{UNITS}/shop.service.d/colour.conf", "[Service]\nEnvironment=COLOUR=blue\n")
        try:
            box.systemctl("daemon-reload")
            assert (0, "2 blue") == (reload(box), answer(box))
        finally:
            box.run("rm", "-r", f"{UNITS}/shop.service.d")
        # What the manager knows by now goes for the next one.
        box.systemctl("daemon-reload")
        box.write(CODE, "raise ValueError('nope')")
        assert (1, "2 blue") == (reload(box), answer(box))
        assert "active" == box.show("shop.service", "ActiveState")
        assert "the last reload failed" in box.show("shop.service", "StatusText")
        assert "ValueError: nope" in box.journal("shop.service", "--priority=err")
        box.write(CODE, MODULE.replace("VERSION", "3"))
        assert (0, "3 none") == (reload(box), answer(box))
        assert "last reload" not in box.show("shop.service", "StatusText")
        assert main == box.show("shop.service", "MainPID")
        assert "0" == box.show("shop.service", "NRestarts")


def test_notify_reload(box: Box) -> None:
    """With Type=notify-reload systemd itself asks, and waits for the end."""
    if box.version < 253:
        pytest.skip("since 253")
    keys = f"hand-over = true\nsystemd = {box.version}\n[service]\nType = 'notify-reload'"
    with shop(box, keys):
        for number in "234":
            box.write(CODE, MODULE.replace("VERSION", number))
            assert (0, f"{number} none") == (reload(box), answer(box))
        box.write(CODE, "raise ValueError('nope')")
        # No release up to 262 lets a service say that it failed; the status tells.
        assert (0, "4 none") == (reload(box), answer(box))
        assert "the last reload failed" in box.show("shop.service", "StatusText")
        assert "active" == box.show("shop.service", "ActiveState")


def test_killed_while_reloading(box: Box) -> None:
    """A service that is killed then is started anew, and the reload fails."""
    with shop(box, "hand-over = true"):
        begins = "import sys, time; print('begun', file=sys.stderr, flush=True); time.sleep(600)\n"
        box.write(CODE, begins + MODULE.replace("VERSION", "2"))
        with box.popen("systemctl", "reload", "shop.service") as process:
            box.wait_state("shop.service", "reloading")
            # What has not read its code yet would be of the next version.
            box.wait_for(lambda: "begun" in box.journal("shop.service").splitlines(), "a beginning")
            box.write(CODE, MODULE.replace("VERSION", "3"))
            box.systemctl("kill", "--signal=KILL", "shop.service")
            assert 0 != process.wait(120)
        assert "3 none" == answer(box)
        box.wait_active("shop.service")


def test_reloads_under_load(box: Box) -> None:
    """50 clients and three reloads: none is refused, cut short or left without an answer."""
    with installed(box, ECHO):
        box.systemctl("start", "again.socket")
        with clients(box, 50, "127.0.0.1:7779") as talking:
            for _ in range(3):
                box.run("systemctl", "reload", "again.service", timeout=120)
            counts = talking.end()
        assert ["served"] == list(counts)
        assert "Traceback" not in box.journal("again.service")
