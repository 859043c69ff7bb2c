"""docs/tutorial.md, command by command, on a booted system that has the toolkit's packages."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boxes.box import Box
from tests.boxes.fixtures import PROJECT, box_root
from tests.boxes.recipes import TUTORIAL
from tests.deploy.test_debian_boxes import NAMES, carry

PAGE = PROJECT / "docs/tutorial.md"
STEP = re.compile(
    r"<!-- (?P<kind>write|run)(?:: (?P<path>\S+))? -->\n```\w+\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@pytest.fixture
def box(packages: Path) -> Iterator[Box]:
    """Yield a box that can build packages, and has ours."""
    with Box(packages.name, box_root(packages.name, TUTORIAL)) as box:
        box.run("dpkg", "--install", *carry(box, packages, *NAMES))
        yield box


@pytest.mark.parametrize("packages", ["trixie"], indirect=True)
def test_the_tutorial_works(box: Box) -> None:
    """Every file is written and every command run, in order and in one shell."""
    script = ["set -e", "cd /root"]
    for step in STEP.finditer(PAGE.read_text()):
        if step["kind"] == "write":
            box.write(f"/root/{step['path']}", step["text"])
        else:
            script.append(step["text"])
    # Each command that a reader would see is there; a page without marks would test nothing.
    assert PAGE.read_text().count("```sh\n") == len(script) - 2
    box.write("/root/tutorial.sh", "\n".join(script))
    done = box.run("bash", "-m", "/root/tutorial.sh", check=False, timeout=600)
    assert 0 == done.returncode, done.stdout[-2000:] + done.stderr[-2000:]
    assert 2 == done.stdout.count("Hello, Ann\n")
    assert 1 == done.stdout.count("Welcome, Ann\n")
    tail = "active\ninactive\nHello, Ann\nactive\n"
    assert tail in done.stdout
    assert re.search(r"Overall exposure level for greeter.service: 0\.[12] SAFE", done.stdout)
    assert done.stdout.rstrip().endswith("inactive")
    assert "" == box.systemctl("--failed", "--plain", "--no-legend").stdout
