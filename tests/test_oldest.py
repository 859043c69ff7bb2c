"""Every optional library in the oldest version that is named: it works, as Debian 12 has it."""

import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from tests.runtime.serving.test_command import test_uvloop_is_used_if_wanted as test_uvloop
from tests.runtime.serving.test_metrics import test_what_is_told as test_prometheus_client
from tests.runtime.serving.test_web import (
    test_drain_loses_no_request,
    test_failed_start,
    test_lifespan,
    test_websocket,
    test_websockets_go_on_after_a_hand_over,
)

__all__ = [
    "test_drain_loses_no_request",
    "test_failed_start",
    "test_lifespan",
    "test_prometheus_client",
    "test_uvloop",
    "test_websocket",
    "test_websockets_go_on_after_a_hand_over",
]
ROOT = Path(__file__).parents[1]
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install")
QUEUES = """\
import socket
from activator.live import diag

with socket.create_server(("127.0.0.1", 0)):
    print(len(diag.ask([]).details) > 0)
"""


def oldest() -> dict[str, str]:
    """Return the libraries of the extras and their oldest versions."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    del extras["dev"]
    return dict(word.split(">=") for words in extras.values() for word in words)


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with all of them."""
    directory = tmp_path_factory.mktemp("oldest")
    words = [f"{name}=={version}" for name, version in oldest().items()]
    words.append("asgiref>=3.4")  # for this uvicorn; later ones, and so the tests, need none
    done = subprocess.run(
        [*PIP, "--no-deps", "--no-compile", "--only-binary=:all:", f"--target={directory}", *words],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        message = f"they are not to be had here: {done.stderr.splitlines()[-1]}"
        # Other interpreters than that of Debian 12 are newer than some of them.
        is_due = "CI" in os.environ and sys.version_info[:2] == (3, 11)
        (pytest.fail if is_due else pytest.skip)(message)
    return directory


@pytest.fixture(autouse=True)
def with_libraries(libraries: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have services find these first."""
    monkeypatch.setenv("PYTHONPATH", str(libraries))


def run(text: str) -> str:
    """Return what a program prints."""
    words = [sys.executable, "-c", text]
    return subprocess.run(words, check=True, capture_output=True, text=True, cwd=ROOT).stdout


def test_versions() -> None:
    """Services really find them."""
    names = list(oldest())
    text = f"from importlib.metadata import version\nfor name in {names}: print(version(name))"
    found = dict(zip(names, run(text).split(), strict=True))
    assert {name: re.sub(r"(\.0)+$", "", version) for name, version in oldest().items()} == {
        name: re.sub(r"(\.0)+$", "", version) for name, version in found.items()
    }


def test_watchfiles(tmp_path: Path) -> None:
    """A change restarts what runs."""
    code = "import time\ntime.sleep(1000)\n"
    (tmp_path / "web.socket").write_text(f"[Socket]\nListenStream={tmp_path}/web\n")
    (tmp_path / "web.service").write_text(
        f"[Service]\nExecStart={sys.executable} {tmp_path}/code.py\n"
    )
    (tmp_path / "code.py").write_text(code)
    words = (sys.executable, "-m", "activator", "run", "--reload", "--now")
    log = tmp_path / "log"
    with (
        log.open("w") as stream,
        subprocess.Popen([*words, tmp_path / "web.socket"], stdout=stream, cwd=ROOT) as process,
    ):
        for number in range(1, 1200):
            if "changed: " in log.read_text():
                break
            # Again and again: when it has read the units, nothing tells.
            (tmp_path / "code.py").write_text(code + "#" * number)
            time.sleep(0.1)
        process.terminate()
        assert 0 == process.wait()
    assert f"changed: {tmp_path}/code.py" in log.read_text()


def test_tomlkit() -> None:
    """A need is added, and the comment stays."""
    text = (
        "from activator.learn.writing import with_needs as w\nprint(w('needs = []  # x', ['jit']))"
    )
    assert 'needs = ["jit"]  # x\n' == run(text)


def test_pyroute2() -> None:
    """The kernel tells queues through it."""
    assert "True\n" == run(QUEUES)
