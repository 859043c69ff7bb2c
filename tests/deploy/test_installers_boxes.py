"""Installed as docs/packages.md says, with the Python of each suite, from files, not an index."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from activator.version import __version__
from tests.boxes.building import BuildError, run_inside
from tests.boxes.fixtures import ONE, PROJECT, box_root
from tests.boxes.recipes import INSTALL, SUITES
from tests.support.pages import blocks

PAGE = (PROJECT / "docs/packages.md").read_text()
VERSION = f"activator, version {__version__}\n"
EXTRAS = ("asgi", "wsgi")
# Built from source wherever it is installed.
SOURCE = "systemd-python"
# In place of an index, what lies at /source; there is uv too, which Debian has not.
HEAD = """\
set -eu
export HOME=/root PIP_NO_INDEX=1 PIP_FIND_LINKS=/source
export UV_PYTHON_DOWNLOADS=never
export PATH="/root/.local/bin:$PATH:/source"
cd /root
mkdir -p .config/uv
printf '%s\n' 'no-index = true' 'find-links = ["/source"]' >.config/uv/uv.toml
"""
INSTALLERS = {
    "pip": """\
python3 -m venv venv
. venv/bin/activate
pip install systemd-activator
activator --version
man --where activator-needs
pip install 'systemd-activator[asgi,wsgi]'
python -c 'import uvicorn, httptools, waitress, systemd.journal'
""",
    "pipx": """\
pipx install systemd-activator
activator --version
""",
    "uv tool": """\
uv tool install systemd-activator
activator --version
uv tool install --force 'systemd-activator[asgi,wsgi]'
.local/share/uv/tools/systemd-activator/bin/python -c 'import uvicorn, httptools, waitress'
""",
    "uv pip": """\
uv venv
uv pip install 'systemd-activator[asgi]'
.venv/bin/activator --version
.venv/bin/python -c 'import uvicorn, httptools'
""",
}
# What takes each package away that systemd-python is built with.
LACKING = {
    "gcc": "rm /usr/bin/gcc /usr/bin/*-linux-gnu-gcc",
    "libc6-dev": "rm /usr/include/limits.h",
    "pkg-config": "rm /usr/bin/pkg-config",
    "python3-dev": "rm -r /usr/include/python3*",
    "libsystemd-dev": "find /usr/lib -name libsystemd.pc -delete",
}
NO_COMPILER = LACKING["gcc"]


def _pip(*words: str) -> None:
    """Run pip, or skip the test where it gets nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"the dependencies are not to be had: {done.stderr.strip()[-300:]}")


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(
            suite, marks=[] if suite == ONE else [pytest.mark.stress, pytest.mark.other_systemd]
        )
        for suite in SUITES
    ],
)
def tree(request: pytest.FixtureRequest) -> Path:
    """Return a root file system of a suite in which people install."""
    return box_root(str(request.param), INSTALL)


@pytest.fixture(scope="module")
def house(tree: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the wheel, all that it needs in that suite, and uv."""
    house = tmp_path_factory.mktemp("house")
    shutil.copy(wheel, house)
    uv = shutil.which("uv", path=str(Path(sys.executable).parent))
    assert uv
    shutil.copy(uv, house)
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extras = [name for extra in EXTRAS for name in project["optional-dependencies"][extra]]
    (source,) = (name for name in project["dependencies"] if name.startswith(SOURCE))
    python = (tree / "usr/bin/python3").readlink().name.removeprefix("python")
    # Each installer brings pip or setuptools along, where it builds.
    wanted = {*project["dependencies"], *extras, "pip", "setuptools", "wheel"} - {source}
    here = ("download", "--dest", str(house))
    _pip(*here, "--only-binary=:all:", f"--python-version={python}", *sorted(wanted))
    _pip(*here, "--no-deps", "--no-binary=:all:", source)
    return house


def _install(tree: Path, house: Path, script: str, where: Path) -> str:
    """Run a script where people install, and return what was said."""
    log = where / "log"
    run_inside(tree, HEAD + script, house, where, log)
    return log.read_text()


@pytest.mark.parametrize("installer", INSTALLERS)
def test_an_installer(installer: str, tree: Path, house: Path, tmp_path: Path) -> None:
    """It builds what needs a compiler, brings the command, its manual and the extras."""
    command = INSTALLERS[installer]
    if installer != "uv pip":
        assert f"`{installer} install systemd-activator`" in PAGE
    said = _install(tree, house, command, tmp_path)
    assert VERSION in said
    assert installer != "pip" or "/root/venv/share/man/man7/activator-needs.7\n" in said


def test_what_is_missing_is_told(tree: Path, house: Path, tmp_path: Path) -> None:
    """What an installer says without one of the packages is what the page says, for all of them."""
    (block,) = blocks(PAGE, "with a compiler")
    assert {*block.text.split()[2:]} == LACKING.keys()
    assert LACKING.keys() <= {*INSTALL.packages}
    _, _, table = PAGE.partition("| It says |")
    table, _, _ = table.partition("\n\n")
    rows = dict(re.findall(r"^\| `(.*)` \| (\S+) \|$", table, re.MULTILINE))
    assert LACKING.keys() == {*rows.values()}
    install = "python3 -m venv venv && venv/bin/pip install systemd-activator"
    for quoted, package in rows.items():
        with pytest.raises(BuildError):
            _install(tree, house, f"{LACKING[package]}\n{install}\n", tmp_path)
        said = (tmp_path / "log").read_text()
        # Versions of setuptools say the parts in another order.
        assert [] == [part for part in quoted.split(": ") if part.strip("'.") not in said], package


def test_debians_systemd_python(tree: Path, house: Path, tmp_path: Path) -> None:
    """Without a compiler, an environment that may see the system's has the command."""
    (block,) = blocks(PAGE, "without a compiler")
    apt, *commands = block.text.splitlines()
    assert {*apt.split()[2:]} <= {*INSTALL.packages}
    script = [NO_COMPILER, *commands, "venv/bin/activator --version"]
    script.append("venv/bin/python -c 'import systemd; print(systemd.__file__)'")
    said = _install(tree, house, "\n".join(script), tmp_path)
    assert VERSION in said
    assert "\n/usr/lib/python3/dist-packages/systemd/__init__.py\n" in said
