"""docs/adopt.md: what it shows is what happens, and it has all programs of the table."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from activator.adopt.programs import programs
from tests.support.tree import ROOT

PAGE = (ROOT / "docs/adopt.md").read_text()
WORDS = {
    "native": "passed by `LISTEN_FDS`",
    "config": "by number, which its configuration names",
    "words": "by words of its command line",
    "variable": "by a variable",
    "wsgi": "the runtime serves its application",
    "each": "a process for each connection",
    "proxy": "behind a proxy",
    "refused": "not at all",
}


def shown(kind: str) -> list[str]:
    """Return the marked blocks of a kind."""
    return re.findall(rf"<!-- {kind} -->\n```\w*\n(.*?)```\n", PAGE, re.DOTALL)


def files() -> dict[str, str]:
    """Return the files of the page by their names."""
    return dict(re.findall(r"^`([\w.]+)`:\n\n```\w*\n(.*?)```\n", PAGE, re.DOTALL | re.MULTILINE))


@pytest.mark.parametrize(("script", "prints"), [*zip(shown("run"), shown("prints"), strict=True)])
def test_example(script: str, prints: str, tmp_path: Path) -> None:
    """What the page shows is what its commands print."""
    for name, text in files().items():
        (tmp_path / name).write_text(text)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/sh", "-c", script.replace("--stdout", "--stdout 2>report")],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == prints


def test_programs() -> None:
    """The page has each program of the table."""
    rows = [
        f"| {f'`{each.name}` {each.since}'.strip()} | {WORDS[each.way]} | {each.text} |"
        for each in programs().values()
    ]
    table = PAGE.partition("<!-- table: programs -->\n")[2].partition("<!-- end -->")[0]
    assert table.splitlines()[2:] == rows
