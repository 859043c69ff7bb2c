"""packaging/develop/setup: what is missing is named before anything is tried."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.boxes.fixtures import PROJECT

# All that the script may find: no compiler, no pkg-config, nothing to install them with.
PROGRAMS = ("sh", "bash", "env", "id", "dirname", "cat", "cmp", "readlink", "tail", "rm", "sed")
PACKAGES = "gcc libc6-dev pkg-config libsystemd-dev"
# A Python that makes no environment, but says how it was asked for one.
PYTHON = """\
#!/bin/sh
case "$*" in
    *ensurepip*) exit 0 ;;
    *systemd*) exit {has_systemd} ;;
    *Python.h* | *version_info*) exit 0 ;;
    -V) echo "Python 3.11.2" ;;
    "-m venv "*) echo "$*" >&2; exit 3 ;;
    *) exit 1 ;;
esac
"""
Setup = Callable[[int], subprocess.CompletedProcess[str]]


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    """Return a function that runs the script with a Python that has systemd-python, or none."""
    script = tmp_path / "project/packaging/develop/setup"
    script.parent.mkdir(parents=True)
    shutil.copy(PROJECT / "packaging/develop/setup", script)
    (tmp_path / "bin").mkdir()
    for name in PROGRAMS:
        found = shutil.which(name)
        assert found
        (tmp_path / "bin" / name).symlink_to(found)
    python = tmp_path / "bin/python3"

    def run(has_systemd: int) -> subprocess.CompletedProcess[str]:
        python.write_text(PYTHON.format(has_systemd=has_systemd))
        python.chmod(0o755)
        return subprocess.run(
            ["/bin/sh", str(script), "demo"],
            env={"PATH": str(tmp_path / "bin")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_without_a_compiler(setup: Setup) -> None:
    """The packages that systemd-python is built with are named first, in one line."""
    done = setup(1)
    first, *_ = done.stderr.splitlines()
    assert first == (
        f"setup: missing what Debian has in the packages {PACKAGES}; "
        "install it with your system's own tool"
    )


def test_with_debians_systemd_python(setup: Setup) -> None:
    """Where the system has systemd-python, the environment sees it and no compiler is missed."""
    done = setup(0)
    assert "missing" not in done.stderr
    assert "-m venv --clear --system-site-packages .venv\n" in done.stderr
