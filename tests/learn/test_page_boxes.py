"""docs/learn.md, command by command, on a booted system."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boxes.box import Box
from tests.boxes.fixtures import ONE, PROJECT, box_root
from tests.boxes.recipes import LEARN
from tests.support.pages import blocks

pytestmark = pytest.mark.stress

PAGE = (PROJECT / "docs/learn.md").read_text()
MARK = "--- block {}"


@pytest.fixture
def machine(wheel: Path) -> Iterator[Box]:
    """Yield a box that has strace, ours, and what --write takes."""
    library = importlib.util.find_spec("tomlkit")
    assert library
    assert library.origin
    with Box(ONE, box_root(ONE, LEARN)) as box:
        inside = f"/root/{wheel.name}"
        box.write(inside, wheel.read_bytes())
        box.run(box.python, "-m", "installer", inside)
        for file in Path(library.origin).parent.glob("*.py"):
            box.write(f"/usr/lib/python3/dist-packages/tomlkit/{file.name}", file.read_text())
        yield box


def test_the_page_works(machine: Box) -> None:
    """Every file is written and every command run, in order and in one shell, as is shown."""
    script = ["set -e"]
    shown: dict[int, str] = {}
    for number, block in enumerate(blocks(PAGE)):
        kind, _, path = block.mark.partition(": ")
        if kind == "write":
            machine.write(path, block.text)
        elif kind == "run":
            script += [f"echo; echo '{MARK.format(number)}'", block.text]
        elif kind == "shown":
            shown[number - 1] = block.text
        else:
            assert "apt install strace curl socat\n" == block.text
    machine.write("/root/page.sh", "\n".join(script))
    done = machine.run("bash", "/root/page.sh", check=False, timeout=300)
    assert 0 == done.returncode, done.stdout[-2000:] + done.stderr[-2000:]
    assert 4 == len(shown)
    for number, text in shown.items():
        output = done.stdout.partition(MARK.format(number))[2].partition("--- block")[0]
        # On a line of its own, "..." stands for any lines; in one, for some text.
        lines = [re.escape(line).replace(r"\.\.\.", ".*?") for line in text.splitlines()]
        pattern = "".join(r"(?:.*\n)*?" if line == ".*?" else rf"{line}\n" for line in lines)
        assert re.search(f"^{pattern}", output, re.MULTILINE), output
    assert "" == machine.systemctl("--failed", "--plain", "--no-legend").stdout
