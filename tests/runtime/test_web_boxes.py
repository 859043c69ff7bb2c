"""Web applications under the real systemd: restarts under load, and the end of an idle one."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.boxes.box import Box
from tests.boxes.loads import ended, served
from tests.boxes.packages import carry
from tests.runtime.test_activation_boxes import example, installed

CLIENTS = Path(__file__).parents[1] / "boxes/inside/web_clients.py"
PACKAGES = "/srv/packages"
# The frameworks and servers, with what they need; click and jinja2 are in the boxes.
NAMES = (
    *("uvicorn", "h11", "starlette", "anyio", "idna", "typing_extensions"),
    *("waitress", "flask", "werkzeug", "itsdangerous", "blinker"),
)


@contextmanager
def serving(box: Box, text: str) -> Iterator[None]:
    """Have the units of a spec, with the packages that it needs, and its socket up."""
    if not box.exists(PACKAGES):
        carry(box, NAMES, PACKAGES)
    with installed(box, f'environment = {{ PYTHONPATH = "{PACKAGES}" }}\n{text}'):
        box.systemctl("start", "web.socket")
        yield


def spec(box: Box, kind: str) -> str:
    """Return the shipped example, for ASGI or WSGI."""
    text = example(box, "web")
    return text if kind == "asgi" else text.replace("asgi", "wsgi")


@pytest.mark.parametrize(
    ("kind", "address"), [("asgi", "127.0.0.1:8088"), ("wsgi", "/run/web.sock")]
)
def test_restarts_lose_no_request(box: Box, kind: str, address: str) -> None:
    """Clients that keep their connections open, and three restarts: each request is answered."""
    box.write("/root/web_clients.py", CLIENTS.read_text())
    with serving(box, spec(box, kind)):
        with box.popen(box.python, "/root/web_clients.py", address, "40") as process:
            assert process.stdout
            assert "ready\n" == process.stdout.readline(), box.journal("web.service")
            pids = {box.show("web.service", "MainPID")}
            for _ in range(3):
                box.run("systemctl", "restart", "web.service", timeout=120)
                pids.add(box.show("web.service", "MainPID"))
            box.wait_for(lambda: served(process) > 500, "500 answers", 300)
            counts = ended(process)
        assert 4 == len(pids)
        assert {"served", "closed"} == set(counts)
        assert counts["served"] > 500
        # Each client was told by its last answer; that is all that a restart costs it.
        assert counts["closed"] <= 3 * 40
        said = box.run("journalctl", "--quiet", "--unit=web", "_TRANSPORT=stdout").stdout
        assert "" == said


def test_idle_exit(box: Box) -> None:
    """An application that nobody uses ends, and the next client starts it again."""
    with serving(box, spec(box, "asgi").replace('"10min"', '"300ms"')):
        for _ in range(2):
            answer = box.run("curl", "--silent", "--fail", "-m120", "http://127.0.0.1:8088/").stdout
            assert "127.0.0.1" == json.loads(answer)["client"][0]
            box.wait_state("web.service", "inactive")
        assert "success" == box.show("web.service", "Result")


def test_a_failed_start_is_told(box: Box) -> None:
    """An application that cannot be loaded makes a failed unit, with the reason in its log."""
    text = spec(box, "asgi").replace("activator.examples.web_asgi:app", "nope:app")
    with serving(box, text + "[service]\nRestart = 'no'\n"):
        box.systemctl("start", "web.service", check=False)
        assert "failed" == box.show("web.service", "ActiveState")
        assert "there is no module 'nope'" in box.journal("web.service")
