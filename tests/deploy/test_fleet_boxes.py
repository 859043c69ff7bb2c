"""The collection on booted hosts of three systemds, driven by Ansible over ssh."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.boxes.fixtures import box_root, give_up
from tests.boxes.network import Host, Network
from tests.boxes.recipes import FLEET, SUITES
from tests.support.fleet import PORT, SHOP, SPEC, Fleet

pytest.importorskip("ansible")
pytestmark = [pytest.mark.box, pytest.mark.stress]

UNITS = "/etc/systemd/system"


@pytest.fixture(scope="module")
def booted(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Yield a fleet of a host for each suite, with the wheel on each."""
    if not shutil.which("ssh"):
        give_up("not installed: openssh-client")
    trees = {suite: box_root(suite, FLEET) for suite in SUITES}
    with ExitStack() as stack:
        network = stack.enter_context(Network())
        hosts = []
        for number, (suite, tree) in enumerate(trees.items(), 2):
            host = stack.enter_context(Host(suite, tree, network, number))
            inside = f"/root/{wheel.name}"
            host.write(inside, wheel.read_bytes())
            host.run(host.python, "-m", "installer", inside)
            hosts.append(host)
        yield Fleet(network, hosts, tmp_path_factory.mktemp("fleet"))


@pytest.fixture
def fleet(booted: Fleet) -> Iterator[Fleet]:
    """Yield the fleet with a shop's code on each host; nothing of it is left afterwards."""
    for host in booted.hosts:
        host.write("/srv/shop/releases/v1/shop.py", SHOP)
        host.run("ln", "-sfn", "releases/v1", "/srv/shop/current")
    yield booted
    for host in booted.hosts:
        host.run("activator", "uninstall", "shop", "--force", "--if-installed", check=False)
        host.run("rm", "-rf", "/srv/shop", "/var/lib/activator")


def test_present_on_each_systemd(fleet: Fleet) -> None:
    """Check mode tells what is then done, by each systemd; again, nothing is."""
    words = {"spec": SPEC}
    planned = fleet.module("service", words, "--check", "--diff")
    assert all("inactive" == host.show("shop.socket", "ActiveState") for host in fleet.hosts)
    done = fleet.module("service", words, "--diff")
    assert set(SUITES) == set(done)
    for host in fleet.hosts:
        told = done[host.suite]
        assert told["changed"], told
        assert [
            f"write {UNITS}/shop.socket",
            f"write {UNITS}/shop.service",
            "enable shop.socket",
            "daemon-reload",
            "start shop.socket",
        ] == told["commands"]
        for key in ("changed", "commands", "diff", "units"):
            assert planned[host.suite][key] == told[key]
        for file in told["diff"]:
            assert host.read(file["after_header"]) == file["after"]
        assert "v1" == fleet.ask(host)
    # The newest systemd is given more than the oldest one knows.
    assert done["bookworm"]["diff"] != done["sid"]["diff"]
    again = fleet.module("service", words, "--diff")
    assert [(False, [], [])] * 3 == [
        (told["changed"], told["commands"], told["diff"]) for told in again.values()
    ]


def test_a_file_of_the_controller(fleet: Fleet) -> None:
    """The spec is carried to the host; its change is told before it is made, and no more is."""
    path = fleet.directory / "shop.toml"
    spec = (
        f'name = "shop"\nhandler = "shop:shop"\npython = "{Host.python}"\n'
        f'app-dir = "/srv/shop/current"\n[sockets.shop]\nListenStream = "0.0.0.0:{PORT}"\n'
    )
    path.write_text(spec)
    words = {"src": str(path)}
    assert fleet.module("service", words, at="trixie")["trixie"]["changed"]
    (host,) = (host for host in fleet.hosts if host.suite == "trixie")
    before = fleet.ask(host), host.show("shop.service", "MainPID")
    path.write_text(spec + "[service]\nNice = 3\n")
    told = fleet.module("service", words, "--check", "--diff", at="trixie")["trixie"]
    steps = [f"write {UNITS}/shop.service", "daemon-reload", "try-restart shop.service"]
    assert (True, steps) == (told["changed"], told["commands"])
    (file,) = told["diff"]
    assert set(file["after"].splitlines()) - set(file["before"].splitlines()) >= {"Nice=3"}
    assert before == (fleet.ask(host), host.show("shop.service", "MainPID"))
    assert steps == fleet.module("service", words, at="trixie")["trixie"]["commands"]
    facts = fleet.module("sockets_facts", {"units": ["shop"]}, at="trixie")["trixie"]
    (socket,) = facts["ansible_facts"]["activator_sockets"]
    assert ("shop.socket", "shop.service") == (socket["name"], socket["service"])


def test_new_code_refuses_nobody(fleet: Fleet) -> None:
    """Clients from outside, that keep a connection and that do not, all the while get answers."""
    fleet.module("service", {"spec": SPEC})
    with ExitStack() as stack:
        shoppers = [
            stack.enter_context(fleet.shoppers(f"{host.address}:{PORT}", 2)) for host in fleet.hosts
        ]
        for host in fleet.hosts:
            host.write("/srv/shop/releases/v2/shop.py", SHOP.replace("v1", "v2"))
            host.run("ln", "-sfn", "releases/v2", "/srv/shop/current")
        for told in fleet.module("service", {"spec": SPEC, "state": "restarted"}).values():
            assert ["try-restart shop.service"] == told["commands"], told
        for host, talking in zip(fleet.hosts, shoppers, strict=True):
            assert "v2" == fleet.ask(host)
            counts, said = talking.end()
            assert {"200 v1", "200 v2"} == set(said)
            assert set(counts) <= {"kept: served", "kept: closed while idle", "short: served"}


def test_what_a_host_lacks_is_a_line(fleet: Fleet) -> None:
    """Without activator, it is told what to install; a host that cannot be reached is named."""
    program = "/usr/local/bin/activator"
    (host,) = (host for host in fleet.hosts if host.suite == "trixie")
    found = host.run("sh", "-c", "command -v activator").stdout.strip() or program
    host.run("mv", found, f"{found}.away")
    try:
        told = fleet.module("service", {"spec": SPEC}, at="trixie")["trixie"]
    finally:
        host.run("mv", f"{found}.away", found)
    assert told["failed"]
    assert "install Debian's package 'activator' there" in told["msg"]
    assert 1 == len(told["msg"].splitlines())

    words = ("--module-name", "activator.systemd.service", "--args", "name=shop state=absent")
    done = fleet.call("ansible", "all", *words, "--timeout", "5", inventory="10.77.0.99,")
    assert 4 == done.returncode, done.stdout + done.stderr
    assert done.stdout.startswith("10.77.0.99 | UNREACHABLE!")
