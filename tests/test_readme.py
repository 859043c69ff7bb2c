"""The README: what it shows is what happens."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from activator import spec
from activator.render import render

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """Return the README's blocks in a language."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands(word: str) -> list[str]:
    """Return the README's commands that begin with a word, without their comments."""
    lines = "\n".join(blocks("sh")).replace("\\\n", " ").splitlines()
    return [line.partition("#")[0].strip() for line in lines if line.startswith(word)]


@pytest.mark.parametrize("text", blocks("toml"))
def test_specs_are_right(text: str) -> None:
    """Each spec that is shown gives units."""
    assert render(spec.loads(text))


@pytest.mark.parametrize("line", commands("activator gen"))
def test_gen_commands_work(line: str, tmp_path: Path) -> None:
    """Each `activator gen` that is shown works on the spec that is shown first."""
    (tmp_path / "echo.toml").write_text(blocks("toml")[0])
    program, *arguments = shlex.split(line)
    assert "activator" == program
    subprocess.run(
        [sys.executable, "-m", program, *arguments],
        cwd=tmp_path,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def test_the_mistake_is_told_as_shown(tmp_path: Path) -> None:
    """The error that is shown is the one that is given."""
    (tmp_path / "echo.toml").write_text(blocks("toml")[0] + 'ReceiveBuffer = "8k"\n')
    done = subprocess.run(
        [sys.executable, "-m", "activator", "gen", "echo.toml", "--stdout"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.stderr in README


def test_the_other_commands_are_known() -> None:
    """Nothing else is shown than what the demo and the tests of `activator run` and so on do."""
    tested = ("activator gen", "activator serve", "pip install", "journalctl")
    shown = [line for line in commands("") if line and not line.startswith(tested)]
    assert [
        "make demo",
        "make test",
        "activator run echo.toml",
        # tests/test_local_session.py
        "activator run --reload --now echo.toml",
        "activator run --control web.socket",
        "activator ctl restart web",
        # tests/test_local_input.py
        "activator run -l 7777 --accept --inetd -- cat",
    ] == shown


def test_the_demo_says_what_is_shown() -> None:
    """The lines of the demonstration that are shown come in this order, but for the numbers."""
    (shown,) = re.findall(r"```\n(1\. .*?)```", README, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-m", "activator", "demo"],
        env={"PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
        text=True,
    )
    said = iter([_general(line) for line in done.stdout.splitlines()])
    # `in` goes on where the line before was found.
    assert [] == [line for line in shown.splitlines() if _general(line) not in said]


def _general(line: str) -> str:
    """Return a line without what differs from run to run."""
    line = re.sub(r"(?<=\d )\d+$|/\S+/", "N", line)
    return line if line[:1].isdigit() else re.sub(r"\d+", "N", line)
