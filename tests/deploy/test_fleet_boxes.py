"""The collection on booted hosts of three systemds, driven by Ansible over ssh."""

import json
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.boxes.fixtures import PROJECT, box_root, give_up
from tests.boxes.network import Host, Network
from tests.boxes.recipes import FLEET, SUITES
from tests.support.fleet import PORT, SHOP, SPEC, Fleet, Run

pytest.importorskip("ansible")
pytestmark = [pytest.mark.box, pytest.mark.fleet]

UNITS = "/etc/systemd/system"
# Debian 12 has it; the Python of later hosts is too new for it.
OLDEST = "2.14"
PAGE = PROJECT / "docs/fleet.md"
ROLLOUT = """\
- import_playbook: activator.systemd.rollout
"""

BALANCER = """\
global
    stats socket {socket} mode 600 level admin
defaults
    mode http
    timeout connect 60s
    timeout client 60s
    timeout server 60s
frontend shop
    bind 10.77.0.1:{port}
    default_backend shop
backend shop
"""
GIVEN: dict[str, object] = {
    "rollout_name": "shop",
    "rollout_spec": SPEC,
    "rollout_health_url": f"http://{{{{ ansible_host }}}}:{PORT}/",
    "rollout_health_from": "localhost",
    "rollout_health_retries": 2,
    "rollout_canary_checks": 2,
}


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
    assert "install Debian's package 'activator' there" in told["msg"], told
    assert 1 == len(told["msg"].splitlines())

    words = ("--module-name", "activator.systemd.service", "--args", "name=shop state=absent")
    done = fleet.call("ansible", "all", *words, "--timeout", "5", inventory="10.77.0.99,")
    assert 4 == done.returncode, done.stdout + done.stderr
    assert "10.77.0.99 | UNREACHABLE!" in done.stdout


@pytest.fixture
def variables(fleet: Fleet) -> dict[str, object]:
    """Return the variables of a roll-out whose first version all hosts serve."""
    for host in fleet.hosts:
        host.run("rm", "-rf", "/srv/shop")
    done = roll_out(fleet, GIVEN, "v1")
    assert 0 == done.returncode, done.stdout + done.stderr
    return GIVEN


def roll_out(
    fleet: Fleet, given: dict[str, object], version: str, text: str = SHOP, *flags: str
) -> Run:
    """Roll a version out, to all hosts unless flags of ansible-playbook say otherwise."""
    more = {
        "rollout_release": str(fleet.release(version, text)),
        "rollout_version": version,
        "rollout_health_content": version,
    }
    return fleet.playbook(ROLLOUT, "--extra-vars", json.dumps(given | more), *flags)


def test_roll_out(fleet: Fleet, variables: dict[str, object]) -> None:
    """A release goes to one host after another; clients from outside see no refusal."""
    with ExitStack() as stack:
        shoppers = [
            stack.enter_context(fleet.shoppers(f"{host.address}:{PORT}", 2)) for host in fleet.hosts
        ]
        done = roll_out(fleet, variables, "v2")
        assert 0 == done.returncode, done.stdout + done.stderr
        for talking in shoppers:
            counts, said = talking.end()
            assert {"200 v1", "200 v2"} == set(said)
            assert set(counts) <= {"kept: served", "kept: closed while idle", "short: served"}
    again = roll_out(fleet, variables, "v2")
    assert 0 == again.returncode, again.stdout + again.stderr
    assert 3 == again.stdout.count("changed=0"), again.stdout
    # A roll-out that was broken off after the link was moved is taken up.
    host = fleet.hosts[-1]
    host.run("ln", "-sfn", "releases/v1", "/srv/shop/current")
    again = roll_out(fleet, variables, "v1", SHOP, "--limit", host.suite)
    assert 0 == again.returncode, again.stdout + again.stderr
    assert "v1" == fleet.ask(host)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (SHOP + "\nraise SystemExit('no shop today')\n", "no shop today"),
        (SHOP.replace("200 OK", "500 No"), "Ask the address"),
    ],
    ids=["does not start", "does not serve"],
)
def test_a_broken_release_stops_at_the_first_host(
    fleet: Fleet, variables: dict[str, object], broken: str, reason: str
) -> None:
    """It is taken back there, and no other host sees it."""
    changed = SPEC | {"service": {"Nice": 3}}
    pids = {host.suite: host.show("shop.service", "MainPID") for host in fleet.hosts}
    done = roll_out(fleet, variables | {"rollout_spec": changed}, "v2", broken)
    assert 2 == done.returncode, done.stdout + done.stderr
    assert '"rolled back; it failed at ' in done.stdout, done.stdout
    assert reason in done.stdout, done.stdout
    first, *others = fleet.hosts
    assert ["v1"] * 3 == [fleet.ask(host) for host in fleet.hosts]
    assert "releases/v1\n" == first.run("readlink", "/srv/shop/current").stdout
    assert not first.exists("/srv/shop/releases/v2")
    assert "Nice" not in first.read(f"{UNITS}/shop.service")
    for host in others:
        assert pids[host.suite] == host.show("shop.service", "MainPID")
        assert not host.exists("/srv/shop/releases/v2")


def test_a_first_release_that_fails_leaves_nothing(fleet: Fleet) -> None:
    """A host that had nothing of the name has nothing again."""
    host, *_ = fleet.hosts
    host.run("rm", "-rf", "/srv/shop")
    broken = SHOP + "\nraise SystemExit('no shop today')\n"
    done = roll_out(fleet, GIVEN, "v1", broken, "--limit", host.suite)
    assert 2 == done.returncode, done.stdout + done.stderr
    assert '"rolled back; it failed at ' in done.stdout, done.stdout
    assert "not-found" == host.show("shop.socket", "LoadState")
    assert "" == host.run("ls", "/srv/shop/releases").stdout
    assert not host.exists("/srv/shop/current")


def test_a_host_that_is_gone_ends_the_play(fleet: Fleet, variables: dict[str, object]) -> None:
    """The hosts after it are as they were."""
    given = json.dumps(variables | {"rollout_spec": SPEC | {"service": {"Nice": 3}}})
    words = ("--extra-vars", given, "--timeout", "5")
    done = fleet.playbook(ROLLOUT, *words, before="10.77.0.99")
    assert 4 == done.returncode, done.stdout + done.stderr
    assert "10.77.0.99]: UNREACHABLE!" in done.stdout, done.stdout
    for host in fleet.hosts:
        assert "Nice" not in host.read(f"{UNITS}/shop.service")


def test_the_oldest_ansible(
    fleet: Fleet, variables: dict[str, object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Debian 12's rolls out to hosts of that release, after it has told what would be done."""
    if sys.version_info >= (3, 12):
        pytest.skip("that version does not run on this Python")
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    pip = (str(environment / "bin/python"), "-m", "pip", "--quiet", "--disable-pip-version-check")
    subprocess.run([*pip, "install", f"ansible-core=={OLDEST}.*"], check=True)
    path = f"{environment / 'bin'}:{fleet.environment['PATH']}"
    monkeypatch.setitem(fleet.environment, "PATH", path)
    assert f"core {OLDEST}." in fleet.call("ansible", "--version").stdout
    host, *_ = fleet.hosts
    for flags, said in (["--check"], "v1"), ([], "v2"):
        done = roll_out(fleet, variables, "v2", SHOP, "--limit", host.suite, *flags)
        assert 0 == done.returncode, done.stdout + done.stderr
        assert said == fleet.ask(host)


@pytest.fixture
def balancer(fleet: Fleet) -> Iterator[Path]:
    """Yield the runtime socket of an HAProxy that leads clients to all hosts."""
    if not shutil.which("haproxy"):
        give_up("not installed: haproxy")
    path = fleet.directory / "haproxy.sock"
    servers = (f"    server {host.suite} {host.address}:{PORT}\n" for host in fleet.hosts)
    config = fleet.directory / "haproxy.cfg"
    config.write_text(BALANCER.format(socket=path, port=PORT) + "".join(servers))
    with fleet.network.popen("haproxy", "-db", "-f", str(config)) as process:
        try:
            fleet.hosts[0].wait_for(path.exists, "HAProxy")
            yield path
        finally:
            process.terminate()


def test_hosts_are_drained_at_the_balancer(
    fleet: Fleet, variables: dict[str, object], balancer: Path
) -> None:
    """Each host is without new clients while it changes, and has them again afterwards."""
    given = variables | {"rollout_haproxy_socket": str(balancer), "rollout_haproxy_seconds": 5}
    with fleet.shoppers(f"10.77.0.1:{PORT}", 2) as talking:
        done = roll_out(fleet, given, "v2")
        assert 0 == done.returncode, done.stdout + done.stderr
        counts, said = talking.end()
    assert {"200 v1", "200 v2"} == set(said), counts
    assert set(counts) <= {"kept: served", "kept: closed while idle", "short: served"}
    told = re.findall(r"^TASK .* : Tell HAProxy.*\n(\w+): ", done.stdout, re.MULTILINE)
    assert ["changed"] * 6 == told, done.stdout
    again = fleet.network.popen(
        "socat", "-", f"UNIX-CONNECT:{balancer}", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    stat, _ = again.communicate("show stat\n")
    rows = [line.split(",") for line in stat.splitlines()]
    assert ["no check"] * 3 == [row[17] for row in rows if row[0] == "shop" and row[1] in SUITES]


def test_the_page_works(fleet: Fleet) -> None:
    """The playbook of docs/fleet.md does what it says, and nothing the second time."""
    (text,) = re.findall(
        r"^```yaml\n(- name: Echo.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE
    )
    try:
        done = fleet.playbook(text, "--check")
        assert 0 == done.returncode, done.stdout + done.stderr
        done = fleet.playbook(text)
        assert 0 == done.returncode, done.stdout + done.stderr
        assert 3 == done.stdout.count('"echo.socket": "listening"'), done.stdout
        assert 3 == fleet.playbook(text).stdout.count("changed=0")
    finally:
        for host in fleet.hosts:
            host.run("activator", "uninstall", "echo", "--if-installed")
