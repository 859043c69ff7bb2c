"""Fixtures that hand booted boxes, and the wheel under test, to the tests."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from tests.boxes.box import Box
from tests.boxes.needs import missing_for_boxes, required
from tests.boxes.recipes import BOX, MOVING, SUITES, Recipe
from tests.boxes.roots import RootError, ensure_root, locked

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import Scheduling

PROJECT = Path(__file__).parents[2]
# What the wheel is made from; a copy is built, so that no build/ appears in the checkout.
WHEEL_SOURCES = ("README.md", "LICENSE", "pyproject.toml", "activator", "templates", "units")
BUILD_WHEEL = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use a box, so that ``-m 'not box'`` leaves them out."""
    for item in items:
        if isinstance(item, pytest.Function) and "box" in item.fixturenames:
            item.add_marker("box")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> "Scheduling | None":
    """Take our own scheduler in place of xdist's loadgroup.

    That one puts the group into the test's id, which pytest 9.2 no longer lets it do:
    pytest-dev/pytest-xdist#1386.
    """
    if config.getoption("dist") != "loadgroup":
        return None
    from tests.boxes.schedule import BoxScheduling  # noqa: PLC0415 - xdist may be absent

    return BoxScheduling(config, log)


def give_up(reason: str) -> NoReturn:
    """Skip the test, or fail it where a booted systemd is required."""
    if required():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def box_root(suite: str, recipe: Recipe = BOX) -> Path:
    """Return a suite's root file system, or skip or fail the test that needs it."""
    if missing := missing_for_boxes():
        give_up(missing)
    try:
        return ensure_root(suite, recipe)
    except RootError as error:
        reason = str(error)
    if suite == MOVING:
        pytest.skip(f"{suite.upper()} IS NOT TESTED: {reason}")
    give_up(reason)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel under test, built once for all workers of a run."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    target = base / "wheel"
    with locked(base / "wheel.lock", fcntl.LOCK_EX):
        if not target.is_dir():
            _build_wheel(base / "wheel.sources", target)
    (path,) = target.glob("*.whl")
    return path


def _build_wheel(sources: Path, target: Path) -> None:
    shutil.rmtree(sources, ignore_errors=True)
    sources.mkdir()
    for name in WHEEL_SOURCES:
        path = PROJECT / name
        if path.is_dir():
            shutil.copytree(path, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, sources)
    partial = sources / "dist"
    done = subprocess.run(
        [sys.executable, "-c", BUILD_WHEEL, str(partial)],
        cwd=sources,
        capture_output=True,
        check=False,
        text=True,
    )
    if done.returncode:
        # Each test that needs the wheel shows this: the last lines will do.
        reason = "\n".join(done.stderr.strip().splitlines()[-5:])
        pytest.fail(f"the wheel could not be built:\n{reason}", pytrace=False)
    partial.rename(target)
    shutil.rmtree(sources)


@pytest.fixture(scope="session", params=list(SUITES))
def box(request: pytest.FixtureRequest) -> Iterator[Box]:
    """Yield a booted box of each suite, with the wheel installed for its own Python.

    It is shared by all tests of a session: leave it as it was found.
    """
    suite = str(request.param)
    tree = box_root(suite)  # skips, before a wheel is built for nothing
    wheel: Path = request.getfixturevalue("wheel")
    with Box(suite, tree) as box:
        inside = f"/root/{wheel.name}"
        box.write(inside, wheel.read_bytes())
        box.run(box.python, "-m", "installer", inside)
        yield box


@pytest.fixture
def end_box(box: Box) -> Box:
    """Return a box of the oldest and of the newest suite, for tests that take long."""
    if box.suite not in (next(iter(SUITES)), MOVING):
        pytest.skip("the oldest and the newest systemd are enough")
    return box
