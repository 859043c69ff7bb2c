"""``activator demo``: what it says has happened."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from activator.cli.demo.play import ACTS
from tests.support.services import ROOT

DEMO = (sys.executable, "-m", "activator", "demo")


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Return an empty directory whose path is short enough for sockets in it."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


def demo(directory: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the demonstration, with next to nothing in its environment."""
    return subprocess.run(
        [*DEMO, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(directory), **more},
    )


def test_demo(tmp_path: Path) -> None:
    """All acts are shown to the end, and nothing is left behind."""
    run = demo(tmp_path)
    assert ("", 0) == (run.stderr, run.returncode), run.stdout
    lines = run.stdout.splitlines()
    assert [f"{number}. {title}" for number, (title, _) in enumerate(ACTS, 1)] == [
        line for line in lines if re.match(r"\d\. ", line)
    ]
    said = [line.removeprefix("  > ") for line in lines if line.startswith("  > ")]
    # Crash, restarts, changed code.
    assert 3 == sum(bool(re.fullmatch(r"\d+ clients answered, 0 lost", line)) for line in said)
    assert 6 == sum(line.startswith("SIGTERM: all ended, status 0") for line in said)
    assert any("world, you are 127.0.0.2:" in line for line in said)
    assert any(line.startswith("3 restarts, 4 processes, ") for line in said)
    assert "'Restarts are for services, not for clients. (qotd)'" in said
    assert "\x1b" not in run.stdout
    assert [] == list(tmp_path.iterdir())


def test_an_act_alone(tmp_path: Path) -> None:
    """One act is shown without those before it, and without texts of files."""
    run = demo(tmp_path, "--quiet", "2")
    assert ("", 0) == (run.stderr, run.returncode), run.stdout
    assert run.stdout.startswith("\n2. ")
    assert "activator gen" not in run.stdout
    assert "state:" not in run.stdout


@pytest.mark.parametrize("number", ["0", "9", "one"])
def test_no_such_act(tmp_path: Path, number: str) -> None:
    """What is no act is wrong usage."""
    assert 2 == demo(tmp_path, number).returncode


def test_what_fails_is_told(tmp_path: Path) -> None:
    """Where something else happens, it says so in one line, and fails."""
    (tmp_path / "sitecustomize.py").write_text(
        "from activator.cli.demo import generating\n"
        "generating.HANDLER = generating.HANDLER.replace('Hello', 'Hullo')\n"
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    run = demo(scratch, "2", PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert 1 == run.returncode
    (line,) = run.stderr.splitlines()
    assert line.startswith("the demonstration failed: 127.0.0.1:")
    assert line.endswith(" has answered 'Hullo, world!'")
    assert [] == list(scratch.iterdir())


def test_ended_it_leaves_nothing(tmp_path: Path) -> None:
    """SIGTERM ends it with all that it has started."""
    with subprocess.Popen(
        [*DEMO, "3"],
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)},
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "listens on" in line:
                process.terminate()
                break
        process.stdout.read()
        assert 143 == process.wait()
    assert [] == list(tmp_path.iterdir())
    left = [path for path in Path("/proc").glob("[0-9]*") if _has(path, str(tmp_path))]
    assert [] == left


def _has(process: Path, text: str) -> bool:
    """Tell whether a process's environment holds a text."""
    try:
        return text.encode() in (process / "environ").read_bytes()
    except OSError:
        return False


def test_long_directory(tmp_path: Path) -> None:
    """A directory for temporary files whose path is too long for sockets is not used."""
    (long := tmp_path / ("long" * 15)).mkdir()
    run = demo(long, "--quiet", "2")
    assert ("", 0) == (run.stderr, run.returncode)
    assert " /tmp/activator-demo-" in run.stdout


def test_a_minimal_system_is_enough() -> None:
    """The foreign units call /bin/sh alone, which every Debian has: not even kill(1)."""
    text = (ROOT / "activator/cli/demo/quoted.service").read_text()
    programs = re.findall(r"^Exec\w+=[-@:+!]*(\S+)", text, re.MULTILINE)
    assert {"/bin/sh", "/usr/sbin/quoted"} == set(programs)
