"""Nothing is lost: services of each sort under load on the booted systemd, in a short form.

The full figures are in test_stress_boxes.py.
"""

import pytest

from tests.boxes import loads
from tests.boxes.box import Box

EACH = pytest.mark.parametrize("sort", ["workers", "warm"])


@EACH
def test_restarts(box: Box, sort: str) -> None:
    """Clients of a service that is restarted see nothing of it."""
    with loads.serving(box, loads.SHARED[sort]):
        loads.under_load(box, 30, 2, "restart", loads.SERVICE)


@pytest.mark.parametrize("sort", ["threads", "warm"])
def test_reloads(box: Box, sort: str) -> None:
    """Clients of a service that hands over see nothing of it."""
    with loads.serving(box, loads.HAND_OVER[sort]):
        loads.under_load(box, 30, 2, "reload", loads.SERVICE)


def test_kills(box: Box) -> None:
    """SIGKILL costs what was in flight, and nobody is refused."""
    with loads.serving(box, loads.SHARED["workers"]):
        counts = loads.kill_over_and_over(box, 20, 3, 0.3)
    assert counts.pop("cut", 0) + counts.pop("unanswered", 0) <= 3 * 20
    assert ["served"] == list(counts)


def test_idle_exit(box: Box) -> None:
    """Clients that come around the moment when the service leaves are all answered."""
    with loads.serving(box, loads.ASYNC + 'idle-exit = "50ms"\n'):
        assert {"served": 200} == loads.script(box, "arrivals", 200, 20, 0.05)
        assert "0" == box.show(loads.SERVICE, "NRestarts")


def test_few_descriptors(box: Box) -> None:
    """More clients than descriptors are all answered in the end, and waiting costs little."""
    with loads.serving(box, loads.ASYNC, service="LimitNOFILE = 64\n"):
        counts, most, busy = loads.crowd(box, 100, 1.5)
    assert {"served": 100} == counts
    assert most < 64
    assert busy < 0.2


def test_managers_own_restart(box: Box) -> None:
    """daemon-reload and daemon-reexec go unnoticed."""
    with loads.serving(box, loads.HAND_OVER["workers"]):
        loads.under_load(box, 20, 1, "daemon-reload")
        loads.under_load(box, 20, 1, "daemon-reexec")


def test_short_connections(box: Box) -> None:
    """After many, a third of them reset, the service has what it had."""
    with loads.serving(box, loads.ASYNC):
        loads.script(box, "churn", 500, 20)
        before = loads.at_rest(box)
        counts = loads.script(box, "churn", 2000, 20)
        loads.kept(box, before)
    assert {"served", "left"} == set(counts)


HTTP = """\
async def answer(reader, writer):
    while await reader.readline() not in (b"\\r\\n", b""):
        pass
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\nConnection: close\\r\\n\\r\\nhi\\n")
"""


def test_curl(box: Box) -> None:
    """A client that nobody here wrote sees nothing of three hand-overs either."""
    box.write("/srv/http/web.py", HTTP)
    keys = 'handler = "web:answer"\napp-dir = "/srv/http"\nhand-over = true\n'
    program = (
        "curl",
        "--silent",
        "--no-progress-meter",
        "--show-error",
        "--parallel",
        "--parallel-max",
        "20",
    )
    url = f"http://{loads.ADDRESS}/?[1-3000]"
    with (
        loads.serving(box, keys),
        box.popen(*program, "--write-out", "%{http_code}\n", url) as curl,
    ):
        box.wait_active(loads.SERVICE)
        for _ in range(3):
            box.run("systemctl", "reload", loads.SERVICE)
        output, errors = curl.communicate(timeout=300)
        assert ("", 0) == (errors, curl.returncode)
        words = output.split()
    assert {"hi": 3000, "200": 3000} == {word: words.count(word) for word in set(words)}
