"""docs/howto/: the files of each example are written, its commands run, and print what is shown."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.howto import (
    ELSEWHERE,
    FOLDER,
    MODULES,
    PLACE,
    PROGRAMS,
    Example,
    examples,
    files,
    shell,
)
from tests.support.local import environment, free_port
from tests.support.pages import blocks

EXAMPLES = list(examples())
PORT = re.compile(r"\b8\d{3}\b")
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
# Their code is tried by tests/runtime/test_loops.py, also with Unix sockets.
LOOPS = ("asyncio", "Tornado", "Twisted", "Trio", "anyio")
# Go compiles its standard library first.
LONG = (*LOOPS, "Go")


def missing(example: Example) -> str:
    """Return why an example cannot be tried here; empty if it can."""
    for program in ("curl", "socat", PROGRAMS.get(example.title, "sh")):
        if not shutil.which(program, path=PATH):
            return f"not installed: {program}"
    module = MODULES.get(example.title)
    if module and not find_spec(module):
        return f"not installed: {module}"
    if example.title == "nginx" and os.geteuid() == 0:
        # tests/test_howto_boxes.py has another user.
        return "as root, nginx wants a privilege that the unit takes from it"
    return ""


def run(example: Example, folder: Path) -> str:
    """Run an example in a folder, with ports of its own, as tests run side by side.

    Returns:
        What was wrong; empty if nothing was.
    """
    ports: dict[str, str] = {}

    def placed(text: str) -> str:
        text = PORT.sub(
            lambda port: ports.get(port[0]) or ports.setdefault(port[0], str(free_port())), text
        )
        return text.replace(PLACE, str(folder))

    for name, text in example.files.items():
        (folder / name).write_text(placed(text))
    done = subprocess.run(
        shell(placed(example.script)),
        cwd=folder,
        env=environment(PATH=PATH),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    unprinted = example._replace(prints=placed(example.prints)).unprinted(done.stdout)
    said = done.stdout + done.stderr
    if done.returncode or unprinted or "Traceback" in said:
        return f"status {done.returncode}, not printed {unprinted}, but\n{said}"
    return ""


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(
            example,
            id=f"{example.page}-{example.title}",
            marks=[pytest.mark.stress] if example.title in LONG else [],
        )
        for example in EXAMPLES
    ],
)
def test_the_example_works(example: Example, tmp_path: Path) -> None:
    """The files and the commands of the page do what the page says."""
    if reason := missing(example):
        pytest.skip(reason)
    assert "" == run(example, tmp_path)


@pytest.mark.parametrize(
    ("title", "old", "new"),
    [
        ("socketserver", "TCP:127.0.0.1:8000", "TCP:127.0.0.1:8001"),  # another port
        ("http.server", 'b"hello', 'b"hallo'),
    ],
)
def test_a_wrong_page_is_noticed(title: str, old: str, new: str, tmp_path: Path) -> None:
    """A command or a file that is wrong fails, at once."""
    (example,) = (example for example in EXAMPLES if example.title == title)
    changed = {name: text.replace(old, new) for name, text in example.files.items()}
    wrong = example._replace(files=changed, script=example.script.replace(old, new))
    assert wrong != example
    assert "" != run(wrong, tmp_path)


def test_every_block_is_tried() -> None:
    """No page has a file or a command that no test looks at, and each example prints something."""
    assert {*PROGRAMS, *MODULES, *LOOPS} <= {example.title for example in EXAMPLES}
    assert all(example.prints for example in EXAMPLES)
    for path in FOLDER.glob("*.md"):
        text = path.read_text()
        marks = [block.mark for block in blocks(text)]
        assert {*marks} <= {"", "run", "prints", *ELSEWHERE}, path
        # What has no mark is a file.
        sections = re.split(r"^## ", text, flags=re.MULTILINE)
        assert marks.count("") == sum(len(files(section)) for section in sections), path


def test_every_page_is_listed() -> None:
    """Each page is in the table of the first one, and each example has its name there."""
    table = (FOLDER / "index.md").read_text()
    pages = {path.name for path in FOLDER.glob("*.md")} - {"index.md"}
    assert pages == set(re.findall(r"\| \[.*?\]\((\S+)\) \|", table))
    lower = table.lower()
    words = {example.title.partition(" with ")[0].removeprefix("In ") for example in EXAMPLES}
    unlisted = {word for word in words if word.lower() not in lower}
    assert {"Any other program", "A filter"} == unlisted
