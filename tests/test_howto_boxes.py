"""docs/howto/ as it stands, with Debian's programs: without systemd and root, then with both."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boxes.box import Box
from tests.boxes.fixtures import ONE, box_root
from tests.boxes.recipes import LEARN
from tests.support.howto import MODULES, PLACE, PROGRAMS, SECONDS, Example, examples, shell

pytestmark = pytest.mark.stress

USER = "www-data"
RUN = re.compile(r"^activator run hello\.toml(?: --runtime-dir run)? &$", re.MULTILINE)
# What is about a run, or has a further program in the background.
RUNS = ("Without root", "HAProxy")
AS_USER = ("runuser", "-u", USER, "--", "env", f"--chdir={PLACE}", "HOME=/tmp")


@pytest.fixture(scope="module")
def machine(wheel: Path) -> Iterator[Box]:
    """Yield a box that has the programs, and ours."""
    with Box(ONE, box_root(ONE, LEARN)) as box:
        inside = f"/root/{wheel.name}"
        box.write(inside, wheel.read_bytes())
        box.run(box.python, "-m", "installer", inside)
        yield box


def installed(script: str) -> str:
    """Return the commands that have systemd run the service in place of `activator run`."""
    script = re.sub(r"^(activator wait-for|django-admin) .*\n", "", script, flags=re.MULTILINE)
    script = RUN.sub("activator install hello.toml", script)
    return script.replace("kill %1; wait", "activator uninstall hello")


@pytest.mark.parametrize("example", list(examples()), ids=lambda e: f"{e.page}-{e.title}")
def test_the_example_works(example: Example, machine: Box) -> None:
    """A user's own run answers, and so does the hardened service that systemd starts."""
    program, module = PROGRAMS.get(example.title, "true"), MODULES.get(example.title, "sys")
    there = f"command -v {program} && python3 -c 'import {module}'"
    if machine.run("sh", "-c", there, check=False).returncode:
        pytest.skip(f"not in the box: {program if module == 'sys' else module}")
    machine.run("rm", "-rf", PLACE)
    machine.run("install", "-d", "-o", USER, PLACE)
    for name, text in example.files.items():
        machine.write(f"{PLACE}/{name}", text)
    done = machine.run(*AS_USER, *shell(example.script), check=False, timeout=2 * SECONDS)
    assert (0, []) == (done.returncode, example.unprinted(done.stdout)), done.stdout + done.stderr
    if not RUN.search(example.script) or example.title in RUNS:
        return
    command = shell(f"cd {PLACE}\n{installed(example.script)}")
    done = machine.run(*command, check=False, timeout=2 * SECONDS)
    said = done.stdout + done.stderr
    if done.returncode:
        said += machine.journal("hello.service")
        machine.run("activator", "uninstall", "hello", check=False)
    assert (0, []) == (done.returncode, example.unprinted(done.stdout)), said
    assert "" == machine.systemctl("--failed", "--plain", "--no-legend").stdout
