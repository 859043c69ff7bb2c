"""A fleet of one host: the roll-out of a release from nothing on, and what is wrong with some."""

from collections.abc import Iterator

import pytest

from tests.boxes.network import Host
from tests.support.fleet import SHOP, SPEC, Fleet
from tests.support.fleet_hosts import clear

pytest.importorskip("ansible")
pytestmark = pytest.mark.box

UNITS = "/etc/systemd/system"


@pytest.fixture
def fleet(small_fleet: Fleet) -> Iterator[Fleet]:
    """Yield the fleet; nothing is left on its host afterwards."""
    yield small_fleet
    clear(small_fleet)


@pytest.fixture
def host(fleet: Fleet) -> Host:
    """Return its host."""
    (host,) = fleet.hosts
    return host


def test_a_release_from_nothing_on(fleet: Fleet, host: Host) -> None:
    """Check mode works where nothing is yet; clients get answers while one follows another."""
    done = fleet.roll_out({}, "v1", SHOP, "--check")
    assert 0 == done.returncode, done.stdout + done.stderr
    assert not host.exists("/srv/shop")
    assert "not-found" == host.show("shop.socket", "LoadState")
    done = fleet.roll_out({}, "v1", SHOP)
    assert 0 == done.returncode, done.stdout + done.stderr
    with fleet.shoppers(f"{host.address}:7700", 2) as talking:
        done = fleet.roll_out({}, "v2", SHOP)
        assert 0 == done.returncode, done.stdout + done.stderr
        changed = {"rollout_spec": SPEC | {"service": {"Nice": 3}}}
        wrong = SHOP.replace("200 OK", "500 No")
        done = fleet.roll_out(changed, "v3", wrong)
        assert 2 == done.returncode, done.stdout + done.stderr
        assert '"rolled back; it failed at Ask the address' in done.stdout, done.stdout
        counts, said = talking.end()
    assert {"200 v1", "200 v2"} <= set(said)
    assert set(counts) <= {"kept: served", "kept: closed while idle", "short: served"}
    assert "v2" == fleet.ask(host)
    assert "releases/v2\n" == host.run("readlink", "/srv/shop/current").stdout
    assert not host.exists("/srv/shop/releases/v3")
    assert "Nice" not in host.read(f"{UNITS}/shop.service")
    again = fleet.roll_out({}, "v2", SHOP)
    assert 0 == again.returncode, again.stdout + again.stderr
    assert "changed=0" in again.stdout, again.stdout


def test_a_first_release_that_fails_leaves_nothing(fleet: Fleet, host: Host) -> None:
    """A host that had nothing of the name has nothing again."""
    broken = SHOP + "\nraise SystemExit('no shop today')\n"
    done = fleet.roll_out({"rollout_health_retries": 1}, "v1", broken)
    assert 2 == done.returncode, done.stdout + done.stderr
    assert '"rolled back; it failed at ' in done.stdout, done.stdout
    assert "not-found" == host.show("shop.socket", "LoadState")
    assert "" == host.run("ls", "/srv/shop/releases").stdout
    assert not host.exists("/srv/shop/current")


def test_what_a_run_has_lost_is_made_up(fleet: Fleet, host: Host) -> None:
    """A unit that was written, but never loaded, is: no handler has to be notified for it."""
    host.write("/srv/shop/current/shop.py", SHOP)
    fleet.module("service", {"spec": SPEC})
    assert "v1" == fleet.ask(host)
    path = f"{UNITS}/shop.service"
    changed = SPEC | {"service": {"Nice": 3}}
    (file,) = fleet.module("service", {"spec": changed}, "--check", "--diff")[host.suite]["diff"]
    host.write(path, file["after"])
    steps = ["daemon-reload", "try-restart shop.service"]
    for flags in ["--check"], []:
        assert steps == fleet.module("service", {"spec": changed}, *flags)[host.suite]["commands"]
    assert "3" == host.show("shop.service", "Nice")
    assert "v1" == fleet.ask(host)
    again = fleet.module("service", {"spec": changed})[host.suite]
    assert (False, []) == (again["changed"], again["commands"])
