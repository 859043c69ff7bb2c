"""Long runs under load, on the booted systemd: nothing is lost, however often."""

from functools import partial

import pytest

from tests.boxes.box import Box
from tests.test_activation_boxes import clients, ended, example, installed, restart_under_load

pytestmark = pytest.mark.stress


def test_twenty_restarts(box: Box) -> None:
    """100 clients and twenty restarts: none is refused, cut short or left without an answer."""
    assert ["served"] == list(restart_under_load(box, number=100, times=20))


def replaced(box: Box, before: str) -> bool:
    """Tell whether the service has another main process."""
    return box.show("echo.service", "MainPID") not in ("0", before)


def test_kills_under_load(box: Box) -> None:
    """SIGKILL ten times under load: only what was in flight fails, and nobody is refused."""
    with installed(box, example(box, "echo")):
        box.systemctl("start", "echo.socket")
        with clients(box, "/run/echo.sock", 50) as process:
            assert process.stdout
            assert "ready\n" == process.stdout.readline()
            for _ in range(10):
                before = box.show("echo.service", "MainPID")
                box.systemctl("kill", "--signal=KILL", "echo.service")
                box.wait_for(partial(replaced, box, before), "another main process")
                box.wait_active("echo.service")
            counts = ended(process)
        # In flight is at most one conversation of each client at each kill.
        lost = sum(counts.pop(outcome, 0) for outcome in ("cut", "unanswered"))
        assert lost <= 10 * 50
        assert ["served"] == list(counts)
        assert "active" == box.show("echo.socket", "ActiveState")
