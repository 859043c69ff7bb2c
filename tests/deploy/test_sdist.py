"""The sdist: the whole project, which is tested and installed from as a clone is."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.support.tree import ADDED, project_files


@pytest.fixture(scope="module")
def unpacked(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory that the sdist unpacks to."""
    directory = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(directory, filter="data")
    (path,) = directory.iterdir()
    return path


def _run(unpacked: Path, *arguments: str) -> str:
    """Run Python in the unpacked sdist, without this checkout in its sight."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=unpacked,
        env=os.environ | {"PYTHONPATH": str(unpacked)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_it_holds_the_whole_project(unpacked: Path) -> None:
    """Every file of the project is in the sdist, and only what setuptools adds beside them."""
    packed = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    added = {name for name in packed if name in ADDED or ".egg-info/" in name}
    assert set(project_files()) == packed - added


def test_its_files_are_known_without_git(unpacked: Path) -> None:
    """The unpacked sdist knows its files as a clone does, for what is built from it."""
    assert set(project_files()) == set(project_files(unpacked))


def test_tests_run_from_it(unpacked: Path) -> None:
    """A part of the tests passes there, those that look at pages, tables and packaging too."""
    said = _run(
        unpacked,
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_docs.py"),
        *("tests/unitfile/test_address.py", "tests/test_distribution.py"),
    )
    assert " passed" in said
    where = _run(unpacked, "-c", "import activator; print(activator.__file__)")
    assert Path(where).is_relative_to(unpacked)
