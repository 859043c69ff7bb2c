"""Fixtures that hand booted boxes, and the wheel under test, to the tests."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from tests.boxes.box import Box
from tests.boxes.needs import missing_for_boxes, required
from tests.boxes.podman import Manager, PodmanBox
from tests.boxes.recipes import BOX, MOVING, PODMAN, ROOTS, SUITES, Recipe
from tests.boxes.roots import RootError, ensure_root, locked
from tests.support.dist import BuildError, build_sdist, build_wheel

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import Scheduling

# The suite whose systemd is tried where one is enough.
ONE = "trixie"
PROJECT = Path(__file__).parents[2]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use a box, so that ``-m 'not box'`` leaves them out.

    They run on one systemd, and on the others with ``make stress``, but for those marked
    ``each_systemd``.
    """
    for item in items:
        if isinstance(item, pytest.Function) and {"box", "podman_box"} & {*item.fixturenames}:
            item.add_marker("box")
            params = item.callspec.params
            suite = params.get("box") or params.get("podman_box") or params.get("packages")
            everywhere = any(map(item.get_closest_marker, ("stress", "each_systemd")))
            if suite not in (ONE, None) and not everywhere:
                item.add_marker("stress")
                item.add_marker("other_systemd")


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
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the sdist under test, built once for all workers of a run."""
    return _once(_shared(tmp_path_factory) / "sdist", build_sdist)


@pytest.fixture(scope="session")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel under test, built once for all workers of a run, from the sdist."""
    return _once(_shared(tmp_path_factory) / "wheel", partial(build_wheel, sdist))


def _once(target: Path, build: Callable[[Path], Path]) -> Path:
    """Have something built into a directory, unless another worker has done so; return its path."""
    with locked(target.with_suffix(".lock"), fcntl.LOCK_EX):
        if not target.is_dir():
            making = target.with_suffix(".partial")
            shutil.rmtree(making, ignore_errors=True)
            try:
                build(making)
            except BuildError as error:
                pytest.fail(f"not built: {error}", pytrace=False)
            making.rename(target)
    (path,) = target.iterdir()
    return path


def _shared(factory: pytest.TempPathFactory) -> Path:
    """Return a directory that all workers of a run have."""
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session", params=list(SUITES))
def box(request: pytest.FixtureRequest) -> Iterator[Box]:
    """Yield a booted box of each suite, with the wheel installed for its own Python.

    It is shared by all tests of a session: leave it as it was found.
    """
    suite = str(request.param)
    tree = box_root(suite)  # skips, before a wheel is built for nothing
    wheel: Path = request.getfixturevalue("wheel")
    with Box(suite, tree) as box:
        _install(box, wheel)
        yield box


@pytest.fixture(scope="session", params=ROOTS[PODMAN])
def podman_box(request: pytest.FixtureRequest) -> Iterator[PodmanBox]:
    """Yield a booted box with podman and the wheel, and an image for root and for a user.

    It is shared by all tests of a session: leave it as it was found.
    """
    suite = str(request.param)
    tree = box_root(suite, PODMAN)
    wheel: Path = request.getfixturevalue("wheel")
    with PodmanBox(suite, tree) as box:
        _install(box, wheel)
        box.prepare()
        yield box


@pytest.fixture(params=["root", "user"])
def manager(request: pytest.FixtureRequest, podman_box: PodmanBox) -> Manager:
    """Return the system's manager of a box with podman, and that of a user."""
    found: Manager = getattr(podman_box, request.param)
    return found


def _install(box: Box, wheel: Path) -> None:
    """Install a wheel in a box for its own Python."""
    inside = f"/root/{wheel.name}"
    box.write(inside, wheel.read_bytes())
    box.run(box.python, "-m", "installer", inside)


@pytest.fixture
def end_box(box: Box) -> Box:
    """Return a box of the oldest and of the newest suite, for tests that take long."""
    if box.suite not in (next(iter(SUITES)), MOVING):
        pytest.skip("the oldest and the newest systemd are enough")
    return box
