"""The collection on booted hosts of three systemds, driven by Ansible over ssh."""

import re
import subprocess
import sys
import venv
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.boxes.fixtures import PROJECT
from tests.boxes.network import Host
from tests.boxes.recipes import SUITES
from tests.support.fleet import PORT, SHOP, SPEC, Fleet, Told

pytest.importorskip("ansible")
pytestmark = [pytest.mark.box, pytest.mark.stress, pytest.mark.other_systemd]

UNITS = "/etc/systemd/system"
# Debian 12 has it; the Python of later hosts is too new for it.
OLDEST = "2.14"
PAGE = PROJECT / "docs/fleet.md"


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


def newer_directive(_: Fleet) -> Told:
    """Have a directive in the spec that the oldest systemd does not know."""
    return {"rollout_spec": SPEC | {"service": {"RestartSteps": 3}}}


def older_systemd(fleet: Fleet) -> Told:
    """Have a host say that its systemd is older than any that is supported."""
    script = (
        "#!/bin/sh\n"
        'case "$*" in\n'
        "*--property=Version*) exec echo Version=247.3-7+deb11u5 ;;\n"
        "esac\n"
        'exec /usr/bin/systemctl "$@"\n'
    )
    fleet.hosts[1].write("/usr/local/sbin/systemctl", script, mode=0o755)
    return {}


def no_toolkit(fleet: Fleet) -> Told:
    """Have the toolkit away from where a host looks for it."""
    here = fleet.hosts[1].suite
    name = f"{{{{ 'no-such-activator' if inventory_hostname == '{here}' else 'activator' }}}}"
    return {"rollout_executable": name}


def no_rights(fleet: Fleet) -> Told:
    """Have a user on a host who may not become root."""
    host = fleet.hosts[1]
    host.run("useradd", "--create-home", "guest", check=False)
    key = host.read("/root/.ssh/authorized_keys")
    host.run("install", "-d", "-o", "guest", "/home/guest/.ssh")
    host.write("/home/guest/.ssh/authorized_keys", key)
    here = f"inventory_hostname == '{host.suite}'"
    return {
        "ansible_user": f"{{{{ 'guest' if {here} else 'root' }}}}",
        "ansible_become": f"{{{{ {here} }}}}",
    }


@pytest.mark.parametrize(
    ("prepare", "host", "words"),
    [
        (newer_directive, 0, "systemd 252 does not know RestartSteps=; it needs 254 or later"),
        (older_systemd, 1, "systemd 247 is too old"),
        (no_toolkit, 1, "no-such-activator is not a command on this host"),
        (no_rights, 1, "sudo"),
    ],
)
def test_what_one_host_cannot_have_no_host_is_given(
    fleet: Fleet, prepare: Callable[[Fleet], Told], host: int, words: str
) -> None:
    """The play stops with a line that names the host, before any is touched."""
    try:
        done = fleet.roll_out(prepare(fleet), "v2", SHOP)
    finally:
        fleet.hosts[1].run("rm", "-f", "/usr/local/sbin/systemctl")
    suite = fleet.hosts[host].suite
    assert 2 == done.returncode, done.stdout + done.stderr
    (told,) = re.findall(rf"^fatal: \[{suite}\]: (.*)", done.stdout, re.MULTILINE)
    assert words in told, done.stdout
    untouched(fleet)


def test_a_host_that_is_gone_stops_the_play(fleet: Fleet) -> None:
    """It is named, and none is touched."""
    done = fleet.roll_out({}, "v2", SHOP, "--timeout", "5", before="10.77.0.99")
    assert 4 == done.returncode, done.stdout + done.stderr
    assert "10.77.0.99]: UNREACHABLE!" in done.stdout, done.stdout
    untouched(fleet)


def untouched(fleet: Fleet) -> None:
    """See that nothing was put on any host."""
    for host in fleet.hosts:
        assert "not-found" == host.show("shop.socket", "LoadState")
        assert "v1\n" == host.run("ls", "/srv/shop/releases").stdout


def test_the_oldest_ansible(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
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
    host.run("rm", "-rf", "/srv/shop")
    for flags, state in (["--check"], "not-found"), ([], "loaded"):
        done = fleet.roll_out({}, "v1", SHOP, "--limit", host.suite, *flags)
        assert 0 == done.returncode, done.stdout + done.stderr
        assert state == host.show("shop.socket", "LoadState")
    assert "v1" == fleet.ask(host)


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
