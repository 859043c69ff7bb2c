"""`activator adopt` as it is called: where specs go, the report, and the exit status."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

LINE = "stream tcp nowait root /bin/cat cat"


def adopt(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "activator", "adopt", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def inetd(tmp_path: Path) -> str:
    """Return the path of an inetd.conf of two services."""
    (tmp_path / "inetd.conf").write_text(f"7 {LINE}\n9 {LINE}\n")
    return f"{tmp_path}/inetd.conf"


def test_written(inetd: str, tmp_path: Path) -> None:
    """Each spec is a file, its path is printed, and `activator gen` takes it."""
    done = adopt(inetd, "-o", f"{tmp_path}/specs")
    paths = [f"{tmp_path}/specs/7.toml", f"{tmp_path}/specs/9.toml"]
    assert (done.returncode, done.stdout.splitlines()) == (0, paths)
    assert "7.toml, 1 lines kept" in done.stderr
    command = [sys.executable, "-m", "activator", "gen", *paths, "--stdout"]
    assert b"ListenStream=7" in subprocess.run(command, capture_output=True, check=True).stdout


def test_over_no_file(inetd: str, tmp_path: Path) -> None:
    """Where one file is there already, nothing is written."""
    (tmp_path / "9.toml").write_text("mine")
    done = adopt(inetd, "-o", str(tmp_path))
    assert done.returncode == 1
    assert "9.toml: the file is there already" in done.stderr
    assert (tmp_path / "9.toml").read_text() == "mine"
    assert not (tmp_path / "7.toml").exists()


def test_stdout_can_be_read(tmp_path: Path) -> None:
    """One spec is printed as it is, so that a pipe has nothing else."""
    (tmp_path / "inetd.conf").write_text(f"7 {LINE}\n")
    done = adopt(f"{tmp_path}/inetd.conf", "--stdout")
    command = [sys.executable, "-m", "activator", "gen", "-", "--stdout"]
    made = subprocess.run(command, input=done.stdout, capture_output=True, text=True, check=True)
    assert "ListenStream=7\n" in made.stdout


def test_json(inetd: str) -> None:
    """JSON has specs and notes, and needs no other place."""
    done = adopt(inetd, "nosuch.service", "--format", "json")
    services = json.loads(done.stdout)["services"]
    assert [one["name"] for one in services] == ["7", "9", None]
    assert services[0]["spec"].startswith("# Made by `activator adopt`")
    assert services[2]["notes"][0]["kind"] == "refused"
    assert done.returncode == 1


def test_rest_is_taken(tmp_path: Path) -> None:
    """What is refused makes the status 1; the rest is written nevertheless."""
    (tmp_path / "inetd.conf").write_text(f"7 raw tcp nowait root /bin/cat\n9 {LINE}\n")
    done = adopt(f"{tmp_path}/inetd.conf", "-o", str(tmp_path))
    assert (done.returncode, done.stdout.splitlines()) == (1, [f"{tmp_path}/9.toml"])


def test_command() -> None:
    """A command stands behind --, with a name if one is given."""
    done = adopt("--stdout", "--name", "shop", "--", "gunicorn", "--bind", ":80", "a:b")
    assert done.returncode == 0
    assert 'name = "shop"\nexec = "gunicorn a:b"' in done.stdout


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ([], "nothing to adopt"),
        (["x.service"], "where to?"),
        (["x.service", "--stdout", "-o", "x"], "--stdout goes alone"),
        (["x.service", "--stdout", "--name", "y"], "--name is for a command"),
    ],
)
def test_usage(words: list[str], what: str) -> None:
    """Wrong usage is told in a line, with the status 2."""
    done = adopt(*words)
    assert (done.returncode, what in done.stderr) == (2, True)
    assert "Traceback" not in done.stderr


def test_empty(tmp_path: Path) -> None:
    """A file in which nothing is served is told."""
    (tmp_path / "inetd.conf").write_text("# nothing\n")
    done = adopt(f"{tmp_path}/inetd.conf", "--stdout")
    assert (done.returncode, "nothing in it is known here" in done.stderr) == (1, True)
