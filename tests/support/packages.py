"""The project's Debian packages, built once for all tests of a run."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.boxes.fixtures import PROJECT, box_root
from tests.boxes.recipes import BUILD, SUITES
from tests.boxes.roots import locked


def build(suite: str, base: Path) -> None:
    """Build the packages of the checkout for a suite into a directory of its name."""
    done = subprocess.run(
        [sys.executable, "packaging/deb.py", "-o", str(base), suite],
        cwd=PROJECT,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stderr


@pytest.fixture(scope="module", params=list(SUITES))
def packages(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a suite's packages; it is named as the suite is."""
    suite = str(request.param)
    box_root(suite)
    box_root(suite, BUILD)
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    out = base / "debs" / suite
    out.parent.mkdir(exist_ok=True)
    with locked(out.with_suffix(".lock"), fcntl.LOCK_EX):
        # The tests of a run share them.
        if not list(out.glob("*.deb")):
            build(suite, out.parent)
    return out
