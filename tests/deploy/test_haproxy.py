"""The module haproxy_server with HAProxy itself: whom it drains, has back, and leaves alone."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.boxes.fixtures import give_up
from tests.deploy.test_collection import Told, environment, module
from tests.support.tree import ROOT

pytest.importorskip("ansible")
__all__ = ["environment", "module"]  # fixtures

PATIENCE_S = 60
# Unix sockets only: no port is taken.
CONFIGURATION = """\
global
    stats socket {directory}/admin mode 600 level admin
defaults
    mode tcp
    timeout connect 60s
    timeout client 60s
    timeout server 60s
frontend page
    mode http
    bind unix@{directory}/up
    http-request return status 200
listen web
    bind unix@{directory}/web
    server up unix@{directory}/up check inter 100ms
    server down unix@{directory}/down check inter 100ms fall 1
    server resting unix@{directory}/up check inter 100ms weight 0
listen more
    bind unix@{directory}/more
    server up unix@{directory}/up
"""


class Front:
    """An HAProxy whose servers are one that listens, one that does not, and one of no weight."""

    def __init__(self, directory: Path, module: Callable[..., Told]) -> None:
        self.directory = directory
        self._module = module

    def ask(self, command: str) -> list[str]:
        """Return the lines that HAProxy answers."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_S)
            connection.connect(str(self.directory / "admin"))
            connection.sendall(f"{command}\n".encode())
            with connection.makefile() as file:
                return file.read().splitlines()

    def is_up(self) -> bool:
        """Tell whether it answers."""
        with suppress(FileNotFoundError, ConnectionRefusedError):
            return bool(self.ask("show info"))
        return False

    def status(self, server: str) -> str:
        """Return what it shows of a server."""
        rows = (line.split(",") for line in self.ask("show stat"))
        return next(row[17] for row in rows if row[:2] == server.split("/"))

    def wait(self, server: str, status: str) -> None:
        """Wait until it shows a status of a server."""
        end = time.monotonic() + PATIENCE_S
        while not self.status(server).startswith(status):
            assert time.monotonic() < end, self.ask("show stat")
            time.sleep(0.02)

    def set(self, server: str | list[str], state: str, **more: object) -> Told:
        """Run the module."""
        path = str(self.directory / "admin")
        return self._module("haproxy_server", socket=path, server=server, state=state, **more)


@pytest.fixture
def front(module: Callable[..., Told]) -> Iterator[Front]:
    """Yield an HAProxy that runs."""
    if not shutil.which("haproxy"):
        give_up("not installed: haproxy")
    # The path of a socket must be short.
    with (
        TemporaryDirectory(prefix="haproxy-") as directory,
        running(Path(directory), module) as found,
    ):
        yield found


@contextmanager
def running(directory: Path, module: Callable[..., Told]) -> Iterator[Front]:
    """Have an HAProxy run in the body."""
    (directory / "haproxy.cfg").write_text(CONFIGURATION.format(directory=directory))
    command = ("haproxy", "-db", "-f", str(directory / "haproxy.cfg"))
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            found = Front(directory, module)
            end = time.monotonic() + PATIENCE_S
            while not found.is_up():
                assert time.monotonic() < end
                time.sleep(0.02)
            found.wait("web/up", "UP")
            found.wait("web/down", "DOWN")
            yield found
        finally:
            process.terminate()


@pytest.mark.parametrize("server", ["web/up", "web/down", "web/resting", "more/up"])
def test_a_server_is_drained_and_comes_back(front: Front, server: str) -> None:
    """Whether its check finds it, or it has one at all; a second time, nothing is done."""
    before = front.status(server).split()[0]
    assert front.set(server, "drain", check=True)["changed"]
    assert "0" == admin_state(front, server)
    assert [True, False] == [front.set(server, "drain")["changed"] for _ in range(2)]
    assert "8" == admin_state(front, server)
    assert front.set(server, "ready", check=True)["changed"]
    assert [True, False] == [front.set(server, "ready")["changed"] for _ in range(2)]
    assert "0" == admin_state(front, server)
    front.wait(server, before)


def admin_state(front: Front, server: str) -> str:
    """Return what was asked of a server: 0 nothing, 1 maintenance, 8 drain."""
    rows = (line.split() for line in front.ask("show servers state"))
    return next(row[6] for row in rows if "/".join(row[1:4:2]) == server)


def test_a_server_in_maintenance_stays_there(front: Front) -> None:
    """Somebody has taken it out, and is who brings it back."""
    front.ask("set server web/up state maint")
    for state in "drain", "ready":
        assert not front.set("web/up", state)["changed"]
        assert "1" == admin_state(front, "web/up")


def test_clients_are_waited_for(front: Front) -> None:
    """Those of all servers are counted; who stays is left after the time that was given."""
    servers = ["web/up", "more/up"]
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE_S)
        client.connect(str(front.directory / "more"))
        end = time.monotonic() + PATIENCE_S
        while not front.set(servers, "ready")["connections"]:
            assert time.monotonic() < end
        assert 1 == front.set(servers, "drain", seconds=0)["connections"]
        assert ["8", "8"] == [admin_state(front, server) for server in servers]
    # A run that was broken off has drained them: the next one waits nonetheless.
    assert 0 == front.set(servers, "drain", seconds=PATIENCE_S)["connections"]


@pytest.mark.parametrize("server", ["web/none", "none/up", "web"])
def test_an_unknown_server_is_a_line(front: Front, server: str) -> None:
    """Nothing is done to those beside it."""
    told = front.set(["web/up", server], "drain")
    assert told["failed"]
    assert f"HAProxy has no server {server}" == told["msg"]
    assert "0" == admin_state(front, "web/up")


def test_no_haproxy_is_a_line(module: Callable[..., Told], tmp_path: Path) -> None:
    """Its socket is named."""
    path = str(tmp_path / "none")
    told = module("haproxy_server", socket=path, server="web/up", state="drain")
    assert f"{path}: HAProxy cannot be asked: No such file or directory" == told["msg"]


def test_the_page_has_a_configuration_that_haproxy_takes(tmp_path: Path) -> None:
    """Without a warning, too."""
    if not shutil.which("haproxy"):
        give_up("not installed: haproxy")
    page = (ROOT / "docs/fleet.md").read_text()
    (text,) = re.findall(r"^```\n(global\n.*?)^```$", page, re.DOTALL | re.MULTILINE)
    path = tmp_path / "haproxy.cfg"
    path.write_text(text)
    done = subprocess.run(
        ("haproxy", "-c", "-f", str(path)), capture_output=True, text=True, check=False
    )
    assert (0, "") == (done.returncode, done.stderr)
