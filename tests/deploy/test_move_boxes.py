"""docs/move.md, command by command, on a booted system that has gunicorn and nginx."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boxes.box import Box
from tests.boxes.fixtures import ONE, PROJECT, box_root
from tests.boxes.recipes import LEARN
from tests.support.pages import blocks

pytestmark = pytest.mark.stress

PAGE = (PROJECT / "docs/move.md").read_text()


@pytest.fixture
def machine(wheel: Path) -> Iterator[Box]:
    """Yield a box that has the programs, and ours."""
    with Box(ONE, box_root(ONE, LEARN)) as box:
        inside = f"/root/{wheel.name}"
        box.write(inside, wheel.read_bytes())
        box.run(box.python, "-m", "installer", inside)
        yield box


def test_the_page_works(machine: Box) -> None:
    """Every file is written and every command run, in order and in one shell."""
    script = ["set -e", "cd /root"]
    for block in blocks(PAGE):
        kind, _, path = block.mark.partition(": ")
        if kind == "write":
            machine.write(path if path.startswith("/") else f"/root/{path}", block.text)
        else:
            assert "run" == kind
            script.append(block.text)
    machine.write("/root/page.sh", "\n".join(script))
    done = machine.run("bash", "-m", "/root/page.sh", check=False, timeout=600)
    assert 0 == done.returncode, done.stdout[-2000:] + done.stderr[-2000:]
    assert 3 == done.stdout.count("shop\n")
    assert 1 == done.stdout.count("web\n")
    assert 1 == done.stdout.count("GNU GENERAL PUBLIC LICENSE")
    assert "" == machine.systemctl("--failed", "--plain", "--no-legend").stdout
