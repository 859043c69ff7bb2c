"""The README and the pages that show commands: what they show is what happens."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from activator.generate import specfile
from activator.generate.render import render
from activator.testing.activation import Activate
from tests.support.local import free_port
from tests.support.pages import README, blocks
from tests.support.tree import ROOT

LONGEST = 180  # lines: more than that is a page of docs/
SPEC = (ROOT / "docs/spec.md").read_text()
WEB = (ROOT / "docs/howto/python-web.md").read_text()
TELEMETRY = (ROOT / "docs/telemetry.md").read_text()
DEMO = (ROOT / "docs/demo.md").read_text()
ECHO = (ROOT / "units/echo.toml").read_text()
# What is run by the tests that are named; each mark and command of the README is among them.
RUN = {
    # Here, and on a booted systemd: tests/deploy/test_readme_boxes.py
    "run": None,
    "install it": None,
    "new code": None,
    "install": [
        # tests/deploy/test_installers.py
        "pip install .",
        "pipx install .",
        "uv tool install .",
        # tests/deploy/test_debian_boxes.py
        "make deb SUITES=trixie",
        # tests/deploy/test_make_install.py
        "sudo make install",
    ],
    # tests/cli/test_demo.py; and what runs this one.
    "make": ["make demo", "make test"],
}
GEN = [
    line
    for block in blocks(SPEC, language="sh")
    for line in block.commands
    if line.startswith("activator gen ")
]


def activator(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a directory."""
    return subprocess.run(
        [sys.executable, "-m", "activator", *arguments],
        cwd=cwd,
        env=os.environ | variables,
        check=False,
        capture_output=True,
        text=True,
    )


def test_it_is_short() -> None:
    """The README is read in one go; what is more is in docs/."""
    assert len(README.splitlines()) <= LONGEST


def test_every_command_is_run_by_a_test() -> None:
    """No block of commands is there that no test runs."""
    for block in blocks(README, language="sh"):
        known = RUN[block.mark]
        assert known is None or known == block.commands
    assert RUN.keys() == {block.mark for block in blocks(README, language="sh")}


def test_every_page_is_listed() -> None:
    """Each page of docs/ is in the table, and each link leads to a file."""
    linked = set(re.findall(r"\]\(([^):]+)\)", README))
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= linked
    assert "docs/howto/index.md" in linked  # which lists the others: tests/test_howto.py
    assert [] == [target for target in linked if not (ROOT / target).exists()]


def test_the_first_service(tmp_path: Path) -> None:
    """What is pasted into an empty folder works: files are written, and curl is answered."""
    text = "".join(block.text for block in blocks(README, "run"))
    port = str(free_port())  # of its own, as tests run side by side
    script = tmp_path / "script"
    folder = tmp_path / "empty"
    folder.mkdir()
    script.write_text("set -e\n" + text.replace("8080", port))
    programs = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "-m", script],
        cwd=folder,
        env=os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    assert "\nHello, world!\n" in f"\n{done.stdout}"
    assert "ListenStream=127.0.0.1:" in done.stdout
    assert {"hello.py", "hello.toml"} <= {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("page", [README, SPEC], ids=["README", "spec"])
def test_the_mistake_is_told_as_shown(page: str, tmp_path: Path) -> None:
    """The error that is shown is the one that is given."""
    lines = 'name = "echo"', 'handler = "a:b"', "", "[sockets.echo]", "ListenStream = 80"
    (tmp_path / "echo.toml").write_text("\n".join([*lines, 'ReceiveBuffer = "8k"']))
    (first, *_) = blocks(README, "run")
    files = dict(
        re.findall(r"cat >(\S+) <<'END'\n(.*?)^END$", first.text, re.DOTALL | re.MULTILINE)
    )
    (tmp_path / "hello.toml").write_text(files["hello.toml"].replace("8080", "80800"))
    name = "hello" if page is README else "echo"
    done = activator("gen", f"{name}.toml", "--stdout", cwd=tmp_path)
    assert 1 == done.returncode
    assert done.stderr.splitlines()[0] in page


@pytest.mark.parametrize("text", [block.text for block in blocks(WEB, language="toml")])
def test_specs_are_right(text: str) -> None:
    """Each spec that is shown gives units."""
    assert render(specfile.loads(text))


@pytest.mark.parametrize("line", GEN)
def test_gen_commands_work(line: str, tmp_path: Path) -> None:
    """Each `activator gen` that is shown works on the example."""
    (tmp_path / "echo.toml").write_text(ECHO)
    _, *arguments = shlex.split(line)
    assert 0 == activator(*arguments, cwd=tmp_path).returncode


def test_figures_are_told_as_shown(tmp_path: Path) -> None:
    """A scrape of the address that Prometheus is given starts the service, and is answered."""
    (spec,) = (block.text for block in blocks(TELEMETRY, language="toml"))
    (config,) = (block.text for block in blocks(TELEMETRY, language="yaml"))
    (tmp_path / "shop.toml").write_text(spec)
    (tmp_path / "shop.py").write_text("def serve(sock):\n    sock.sendall(b'hello')\n")
    (target,) = re.findall(r'targets: \["(.*)"\]', config)
    assert target in spec
    assert f"http://{target}/metrics" in TELEMETRY
    with Activate() as activate:
        service = activate(tmp_path / "shop.toml")
        assert not service.pids
        with service.connect("metrics") as client:
            client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            answer = client.makefile().read()
        assert "activator_connections_accepted" in answer
        service.wait_for("started")
        assert 1 == len(service.pids)


def test_the_demo_says_what_is_shown(tmp_path: Path) -> None:
    """The lines of the demonstration that are shown come in this order, but for the numbers."""
    (shown,) = (block.text for block in blocks(DEMO, language="") if block.text.startswith("1. "))
    done = activator("demo", cwd=tmp_path)
    assert 0 == done.returncode, done.stderr
    said = iter([_general(line) for line in done.stdout.splitlines()])
    # `in` goes on where the line before was found.
    assert [] == [line for line in shown.splitlines() if _general(line) not in said]


def _general(line: str) -> str:
    """Return a line without what differs from run to run."""
    line = re.sub(r"(?<=\d )\d+$|/\S+/", "N", line)
    return line if line[:1].isdigit() else re.sub(r"\d+", "N", line)
