"""docs/containers.md: its commands run as they stand, and what it says is refused is refused."""

import re

import pytest

from activator.errors import ActivatorError
from activator.generate import specfile
from tests.boxes.fixtures import PROJECT
from tests.boxes.podman import IMAGE, Manager
from tests.deploy.test_containers_boxes import flags

PAGE = (PROJECT / "docs/containers.md").read_text()
STEP = re.compile(
    r"<!-- (?P<kind>write|run)(?:: (?P<path>\S+))? -->\n```\w+\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
# The image that the page begins with; nothing is fetched for a test.
BASE = re.compile(r"^FROM (\S+)$", re.MULTILINE)
COMMAND = re.compile(r"^(activator (?:install|uninstall))", re.MULTILINE)
HEAD = 'name = "shop"\nimage = "localhost/shop:1"\nexec = "serve"\n'
SOCKET = '[sockets.http]\nListenStream = "127.0.0.1:7801"\n'
BAD = {
    'podman = "bookworm"': f'podman = "bookworm"\n{HEAD}{SOCKET}',
    'handler = "a:b"': f'handler = "a:b"\n{HEAD}{SOCKET}',
    'image = "Shop one"': HEAD.replace("localhost/shop:1", "Shop one") + SOCKET,
    '[container]` with `Memry = "1"': f'{HEAD}{SOCKET}[container]\nMemry = "1"\n',
}


@pytest.mark.box
def test_the_page_works(manager: Manager) -> None:
    """Every file is written and every command run, in order, as root and as a user."""
    folder = manager.home / "hello"
    script = ["set -e", f"cd {folder}"]
    for step in STEP.finditer(PAGE):
        if step["kind"] == "write":
            manager.write(folder / step["path"], step["text"])
        else:
            script.append(COMMAND.sub(rf"\1 {' '.join(flags(manager))}", step["text"]))
    # Each command that a reader would see is there; a page without marks would test nothing.
    assert PAGE.count("```sh\n") == len(script) - 2
    base = BASE.search(PAGE)
    assert base
    manager.run("podman", "tag", IMAGE, base[1])
    images = (base[1], "localhost/hello:1", "localhost/hello:2")
    try:
        done = manager.run("sh", "-c", "\n".join(script), check=False, timeout=600)
        assert 0 == done.returncode, done.stdout[-2000:] + done.stderr[-2000:]
        first = done.stdout.index("Hello from version 1\n")
        assert done.stdout.index("Hello from version 2\n") > first
    finally:
        words = ("activator", "uninstall", "hello", *flags(manager), "--if-installed")
        manager.run(*words, check=False)
        manager.run("podman", "rmi", "--force", "--ignore", *images, check=False)
        manager.run("rm", "-rf", str(folder))


@pytest.mark.parametrize("written", BAD)
def test_the_page_tells_what_is_refused(written: str) -> None:
    """Each row of the table has what is said."""
    with pytest.raises(ActivatorError) as caught:
        specfile.loads(BAD[written])
    (line,) = caught.value.lines()
    assert f"| `{written}` | {line.partition(': ')[2]} |" in PAGE
