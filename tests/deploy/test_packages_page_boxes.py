"""docs/packages.md and README.md, followed on a fresh system that has the packages' files alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boxes.box import Box
from tests.boxes.fixtures import ONE, PROJECT, box_root
from tests.deploy.test_debian_boxes import carry, snapshot
from tests.deploy.test_readme_boxes import follow
from tests.support.pages import blocks

PAGE = (PROJECT / "docs/packages.md").read_text()
FILES = "/root/files"
pytestmark = pytest.mark.parametrize("packages", [ONE], indirect=True)


@pytest.fixture
def box(packages: Path) -> Iterator[Box]:
    """Yield a box with a folder of the packages' files, which has their documentation later."""
    with Box(packages.name, box_root(packages.name)) as box:
        box.write("/etc/dpkg/dpkg.cfg.d/documentation", "path-include=/usr/share/*/activator*\n")
        box.run("mkdir", FILES)
        box.run("mv", *carry(box, packages), FILES)
        yield box


def run(box: Box, mark: str, **words: str) -> str:
    """Run the commands of a block of the page as they stand, and return all that was said."""
    (block,) = blocks(PAGE, mark)
    text = block.text
    for word, value in words.items():
        text = text.replace(word, value)
    # apt asks before it removes anything that was not named.
    script = f"set -e\ncd {FILES}\nexec 2>&1\n{text}"
    done = box.run("sh", "-c", script, input="y\n", check=False)
    assert 0 == done.returncode, done.stdout
    return done.stdout


def test_a_life_of_the_packages(box: Box) -> None:
    """Installed from files, used, and removed with what they served: nothing is left."""
    before = snapshot(box)
    run(box, "from files")
    follow(box)

    box.run("sh", "-c", f"apt-get install -q -y {FILES}/activator-examples_*.deb")
    run(box, "an example")
    assert "active" == box.show("echo.socket", "ActiveState")
    said = run(box, "remove", NAME="echo")
    assert "/etc/systemd/system/echo.socket\n" in said
    assert "dpkg: warning" not in said
    assert "not-found" == box.show("echo.socket", "LoadState")
    # apt makes directories of its own.
    assert [] == [path for path in snapshot(box) - before if not path.startswith("/var/lib/apt/")]
