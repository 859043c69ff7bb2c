"""Fixtures that hand booted hosts to the tests of a fleet."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.boxes.fixtures import ONE, box_root, give_up
from tests.boxes.network import Host, Network
from tests.boxes.recipes import FLEET, SUITES
from tests.support.fleet import SHOP, Fleet


@contextmanager
def _booted(suites: Iterable[str], wheel: Path, directory: Path) -> Iterator[Fleet]:
    """Have a host of each suite, with the wheel on it."""
    programs = {"haproxy": "haproxy", "ssh": "openssh-client", "wrk": "wrk"}
    if missing := [package for program, package in programs.items() if not shutil.which(program)]:
        give_up(f"not installed: {', '.join(missing)}")
    trees = {suite: box_root(suite, FLEET) for suite in suites}
    with ExitStack() as stack:
        network = stack.enter_context(Network())
        hosts = []
        for number, (suite, tree) in enumerate(trees.items(), 2):
            host = stack.enter_context(Host(suite, tree, network, number))
            inside = f"/root/{wheel.name}"
            host.write(inside, wheel.read_bytes())
            host.run(host.python, "-m", "installer", inside)
            hosts.append(host)
        yield stack.enter_context(Fleet(network, hosts, directory))


@pytest.fixture(scope="session")
def booted(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Yield a fleet of a host for each suite."""
    with _booted(SUITES, wheel, tmp_path_factory.mktemp("fleet")) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def small_fleet(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Yield a fleet of one host."""
    with _booted([ONE], wheel, tmp_path_factory.mktemp("fleet")) as fleet:
        yield fleet


@pytest.fixture
def fleet(booted: Fleet) -> Iterator[Fleet]:
    """Yield the fleet with a shop's code on each host; nothing of it is left afterwards."""
    for host in booted.hosts:
        host.write("/srv/shop/releases/v1/shop.py", SHOP)
        host.run("ln", "-sfn", "releases/v1", "/srv/shop/current")
    yield booted
    clear(booted)


def clear(fleet: Fleet) -> None:
    """Remove the shop from all hosts."""
    for host in fleet.hosts:
        host.run("activator", "uninstall", "shop", "--force", "--if-installed", check=False)
        host.run("rm", "-rf", "/srv/shop", "/var/lib/activator")
