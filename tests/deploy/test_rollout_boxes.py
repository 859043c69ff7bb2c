"""Roll-outs by Ansible to hosts behind HAProxy, with clients all the while."""

import os
import re
import signal
from collections.abc import Iterator
from functools import partial

import pytest

from tests.boxes.network import Host
from tests.boxes.recipes import SUITES
from tests.support.fleet import PORT, Fleet, Run, Told
from tests.support.traffic import SHOP, SPEC, Balancer, balancer, traffic

pytest.importorskip("ansible")
pytestmark = [pytest.mark.box, pytest.mark.stress, pytest.mark.other_systemd]

UNITS = "/etc/systemd/system"
# What clients may see while hosts change: a WebSocket is told that the service restarts, and a
# client of lines that it should come again. No protocol lets these connections go on elsewhere.
SEEN = {
    *("web: answered", "web: closed with 1012", "web: left"),
    *("line: answered", "line: told to go", "line: left"),
}
# Its start may take as long as a busy machine wants, and is not waited for in vain for long.
START = {"TimeoutStartSec": 20}
# Ways in which a release can be broken → its code, more of its spec, and what the play tells.
BROKEN = {
    "does not import": (f"import no_such_module\n{SHOP}", {"Nice": 3}, "no_such_module"),
    "is never ready": (
        f"import time\ntime.sleep(3600)\n{SHOP}",
        {},
        "failed at Have the units as the spec has them",
    ),
    "crashes after a while": (
        f"import os, threading\nthreading.Timer(5, os._exit, [1]).start()\n{SHOP}",
        {"Nice": 3},
        "shop.service ended by itself while it was watched",
    ),
}


@pytest.fixture
def front(booted: Fleet) -> Iterator[Balancer]:
    """Yield an HAProxy before three hosts that serve version 1."""
    with balancer(booted) as found:
        try:
            done = roll_out(booted, found, "v1", rollout_serial=len(SUITES))
            assert 0 == done.returncode, done.stdout + done.stderr
            yield found
        finally:
            for host in booted.hosts:
                host.run("ip", "link", "set", "host0", "up")
                host.run("activator", "uninstall", "shop", "--force", "--if-installed")
                host.run("rm", "-rf", "/srv/shop", "/var/lib/activator")


def given(front: Balancer, **more: object) -> Told:
    """Return the variables of a roll-out."""
    servers = [f"{of}/{{{{ inventory_hostname }}}}" for of in ("web", "line")]
    return {
        "rollout_spec": SPEC,
        "rollout_haproxy_socket": str(front.socket),
        "rollout_haproxy_server": servers,
        "rollout_haproxy_seconds": 2,
        **more,
    }


def roll_out(fleet: Fleet, front: Balancer, version: str, text: str = SHOP, **more: object) -> Run:
    """Roll a version out through HAProxy."""
    return fleet.roll_out(given(front, **more), version, text)


def succeed(done: Run) -> None:
    """See that a play has done all."""
    assert 0 == done.returncode, done.stdout + done.stderr


def served(host: Host) -> str:
    """Return the release that a host notes as serving."""
    return host.run("readlink", "/srv/shop/served").stdout.strip()


def test_changes_behind_haproxy_lose_nobody(booted: Fleet, front: Balancer) -> None:
    """New code, other options, one more address, broken releases: no client is refused or cut."""
    sockets = {
        "web": {"ListenStream": [f"0.0.0.0:{PORT}", f"0.0.0.0:{PORT + 2}"], "Backlog": 300},
        "line": SPEC["sockets"]["line"] | {"Backlog": 300},
    }
    latest = SPEC | {"sockets": sockets, "service": START}
    with traffic(booted) as coming:
        done = roll_out(booted, front, "v2")
        succeed(done)
        told = re.findall(r"^TASK .* : Tell HAProxy.*\n(\w+): ", done.stdout, re.MULTILINE)
        assert ["changed"] * 6 == told, done.stdout
        succeed(roll_out(booted, front, "v2", rollout_spec=latest))
        for host in booted.hosts:
            assert "Backlog=300\n" in host.read(f"{UNITS}/shop-line.socket")
            assert "v2" == booted.ask(host, PORT + 2)
        pids = [host.show("shop.service", "MainPID") for host in booted.hosts]
        for reason, (text, service, words) in BROKEN.items():
            spec = latest | {"service": START | service}
            done = roll_out(booted, front, "v3", text, rollout_spec=spec, rollout_canary_checks=8)
            assert 2 == done.returncode, (reason, done.stdout + done.stderr)
            assert '"rolled back; it failed at ' in done.stdout, (reason, done.stdout)
            assert words in done.stdout, (reason, done.stdout)
        complaints, counts, said = coming.end()
    assert [] == complaints
    assert {"v1", "v2"} == said
    assert set(counts) <= SEEN, counts
    assert [{"no check"}] * 3 == front.states(booted.hosts)
    first, *others = booted.hosts
    assert "releases/v2\n" == first.run("readlink", "/srv/shop/current").stdout
    assert pids[1:] == [host.show("shop.service", "MainPID") for host in others]
    for host in booted.hosts:
        assert ("v2", "releases/v2") == (booted.ask(host), served(host))
        assert not host.exists("/srv/shop/releases/v3")
        assert "Nice" not in host.read(f"{UNITS}/shop.service")


def test_what_was_broken_off_is_taken_up_again(booted: Fleet, front: Balancer) -> None:
    """A host is cut off, then the play is killed: what is half done gets no clients, and is ended.

    With two hosts at a time, the others are not touched either.
    """
    first, middle, last = booted.hosts
    words = booted.words(given(front, rollout_serial=2), "v2", SHOP)
    with booted.play_rollout(*words, "--timeout", "5") as play:
        try:
            middle.wait_for(partial(is_moved, middle), "the link", 300)
            middle.run("ip", "link", "set", "host0", "down")
            output, errors = play.communicate(timeout=300)
        finally:
            play.kill()
    assert 2 == play.returncode, output + errors
    assert f"{middle.suite}]: UNREACHABLE!" in output
    assert f"left as it is, since {middle.suite} did not get through" in output
    assert [{"no check"}, {"DRAIN"}, {"no check"}] == front.states(booted.hosts)
    assert ["v2", "v1"] == [booted.ask(first), booted.ask(last)]
    assert not last.exists("/srv/shop/releases/v2")
    middle.run("ip", "link", "set", "host0", "up")
    # What had begun there ends by itself; either version serves, and `served` tells which has.
    assert booted.ask(middle) in ("v1", "v2")
    assert "releases/v1" == served(middle)

    with traffic(booted, 1) as coming:
        with booted.play_rollout(*booted.words(given(front), "v2", SHOP)) as play:
            try:
                last.wait_for(partial(is_moved, last), "the link", 300)
            finally:
                os.killpg(play.pid, signal.SIGKILL)
        assert [{"no check"}, {"no check"}, {"DRAIN"}] == front.states(booted.hosts)
        # At once: what the play had begun may still be under way.
        succeed(roll_out(booted, front, "v2"))
        complaints, counts, said = coming.end()
    assert [] == complaints
    assert "v2" in said
    assert set(counts) <= SEEN, counts
    assert [{"no check"}] * 3 == front.states(booted.hosts)
    for host in booted.hosts:
        assert ("v2", "releases/v2") == (booted.ask(host), served(host))


def is_moved(host: Host) -> bool:
    """Tell whether a host is to serve the new version from the next start on."""
    return host.run("readlink", "/srv/shop/current").stdout == "releases/v2\n"


def test_a_host_that_fails_does_not_hold_up_those_beside_it(booted: Fleet, front: Balancer) -> None:
    """Of several at a time, it is taken back, and the others are finished and get clients."""
    failing = booted.hosts[1]
    content = f"{{{{ 'never' if inventory_hostname == '{failing.suite}' else 'v2' }}}}"
    done = roll_out(booted, front, "v2", rollout_serial=len(SUITES), rollout_health_content=content)
    assert 2 == done.returncode, done.stdout + done.stderr
    assert 1 == done.stdout.count('"rolled back; it failed at '), done.stdout
    assert [{"no check"}] * 3 == front.states(booted.hosts)
    for host in booted.hosts:
        version = "v1" if host is failing else "v2"
        assert (version, f"releases/{version}") == (booted.ask(host), served(host))
