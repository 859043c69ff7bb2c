"""The whole vocabulary under the real systemd: nothing that we generate makes it say a word."""

from pathlib import Path, PurePosixPath

import pytest

from activator.generate import specfile
from activator.generate.render import Renderer
from tests.boxes.box import Box
from tests.support import corpus, vocabulary

pytestmark = pytest.mark.each_systemd

ROOT = Path(__file__).parents[2]
SHOW_OPEN = Path(__file__).parents[1] / "boxes/inside/show_open.py"
# Without --man=no, the manual pages of Documentation= would have to be in the box.
VERIFY = "systemd-analyze verify --man=no --recursive-errors=yes *"


def verify(box: Box, files: dict[str, str]) -> str:
    """Return what systemd-analyze says of units, all in one go; they are never loaded."""
    directory = PurePosixPath(box.run("mktemp", "--directory").stdout.strip())
    box.write_all(directory, files)
    done = box.run("sh", "-c", f"cd {directory} && {VERIFY}", check=False, timeout=300)
    box.run("rm", "--recursive", str(directory))
    said = done.stdout + done.stderr
    return said if done.returncode == 0 else f"{said}exit status {done.returncode}"


def test_every_directive(box: Box) -> None:
    """Every documented directive, set by a spec, is taken without a remark."""
    renderer = Renderer()
    files: dict[str, str] = {}
    for _, tree in vocabulary.specs(box.version):
        files |= renderer.render(specfile.from_options(tree, {}))
    assert verify(box, files) == ""


def test_every_kind_of_socket_in_every_mode(box: Box) -> None:
    """The corpus is taken without a remark, and what a box can open is open once started."""
    renderer = Renderer()
    files: dict[str, str] = {}
    for name, text in corpus.texts(box.version).items():
        files |= renderer.render(specfile.loads(text, name))
    assert verify(box, files) == ""
    wanted = {
        f"{name}.socket": listener.seen
        for listener, name in corpus.listeners(box.version).items()
        if listener.seen
    }
    box.write("/root/show_open.py", SHOW_OPEN.read_text())
    with box.units({name: files[name] for socket in wanted for name in made_for(socket)}):
        box.systemctl("start", *wanted)
        seen = box.run(box.python, "/root/show_open.py").stdout.splitlines()
    assert set(wanted.values()) - set(seen) == set()


def made_for(socket: str) -> tuple[str, str]:
    """Return the units of a spec with one shared socket."""
    return socket, f"{socket.removesuffix('.socket')}.service"


def test_the_examples(box: Box) -> None:
    """The specs that we ship, made for this version, are taken without a remark."""
    renderer = Renderer()
    files: dict[str, str] = {}
    for path in sorted(ROOT.glob("units/*.toml")):
        files |= renderer.render(specfile.load(path, systemd=box.version))
    assert verify(box, files) == ""


def test_the_committed_renderings(box: Box) -> None:
    """The units that we ship, made for the oldest version, are taken by every one."""
    files = {path.name: path.read_text() for path in sorted(ROOT.glob("units/*.s*"))}
    assert files
    assert verify(box, files) == ""
