"""Programs that nobody here wrote: what is learned of them holds on a booted systemd."""

import json
import re
import shlex
import shutil
import signal
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boxes.box import Box
from tests.boxes.fixtures import ONE, box_root
from tests.boxes.recipes import LEARN

pytestmark = pytest.mark.stress

PROGRAMS = tomllib.loads(Path(__file__).with_name("programs.toml").read_text())
# Debian starts what it installs.
STARTED = ("redis-server", "memcached", "mosquitto", "haproxy", "prometheus-node-exporter")
SPEC = """\
name = "learned"
hardening = "strict"
{}
[sockets.learned]
ListenStream = "127.0.0.1:9199"
"""


@pytest.fixture(scope="module")
def machine(wheel: Path) -> Iterator[Box]:
    """Yield a box that has the programs, and ours."""
    with Box(ONE, box_root(ONE, LEARN)) as box:
        box.systemctl("stop", *STARTED)
        inside = f"/root/{wheel.name}"
        box.write(inside, wheel.read_bytes())
        box.run(box.python, "-m", "installer", inside)
        yield box


@pytest.mark.parametrize("name", PROGRAMS)
def test_learned_needs_hold(machine: Box, name: str) -> None:
    """The client is served by the hardened unit with what was learned, and nothing is to spare."""
    program = PROGRAMS[name]
    for path, text in program.get("files", {}).items():
        machine.write(path, text)
    machine.write("/root/learned.toml", SPEC.format(program["spec"]))
    words = ("activator", "learn", "/root/learned.toml", "--verify", "--format", "json", "--")
    done = machine.run(*words, *shlex.split(program["client"]), check=False, timeout=600)
    assert 0 == done.returncode, done.stderr
    told = json.loads(done.stdout)
    assert program["needs"] == told["needs"], told
    assert "" == told["verified"]["reason"]
    left = machine.run("ls", "/etc/systemd/system", "/tmp", "/var/lib", "/var/lib/private").stdout
    assert "learn" not in left


@pytest.mark.parametrize("name", PROGRAMS)
def test_learned_from_the_system(machine: Box, name: str) -> None:
    """A service that runs, shut in, tells its needs, with which it then serves its client."""
    program = PROGRAMS[name]
    for path, text in program.get("files", {}).items():
        machine.write(path, text)
    spec = SPEC.format(program["spec"])
    machine.write("/root/learned.toml", spec)
    machine.run("activator", "install", "/root/learned.toml")
    try:
        words = ("activator", "learn", "--on-system", "learned.socket", "--format", "json", "--")
        done = machine.run(*words, *shlex.split(program["client"]), check=False, timeout=600)
        assert 0 == done.returncode, done.stderr
        told = json.loads(done.stdout)
        assert set(program["needs"]) <= set(told["needs"]), told
        open_spec = re.sub(r"^needs = .*\n", "", spec, flags=re.MULTILINE)
        if len(program["exposure"]) > 1:
            needs = json.dumps(told["needs"])
            shut = open_spec.replace("[sockets", f"needs = {needs}\n[sockets")
            machine.write("/root/learned.toml", shut)
            machine.run("activator", "install", "/root/learned.toml")
            client = machine.run(*shlex.split(program["client"]), check=False, timeout=300)
            assert 0 == client.returncode, machine.journal("learned*")
    finally:
        machine.run("activator", "uninstall", "/root/learned.toml")
        machine.run("rm", "-rf", "/var/lib/private/learned", "/var/lib/learned")
    assert "learn" not in machine.run("ls", "/run/systemd/system", "/run", "/tmp").stdout
    needs = json.dumps(program["needs"])
    specs = (
        open_spec.replace('"strict"', '"none"'),
        open_spec.replace("[sockets", f"needs = {needs}\n[sockets"),
    )
    found = [exposure(machine, text) for text, _ in zip(specs, program["exposure"], strict=False)]
    print(f"exposure of {name}, {needs}: {' '.join(found)}")  # noqa: T201 - for docs/learn.md
    assert program["exposure"] == found


@pytest.fixture
def other(box: Box) -> Iterator[Box]:
    """Yield a box of another systemd, with this machine's strace."""
    strace = shutil.which("strace")
    if box.suite == ONE or strace is None:
        pytest.skip("the other systemds are tried here, with a strace")
    said = subprocess.run(["ldd", strace], capture_output=True, check=True, text=True).stdout
    libraries = re.findall(r"=> (/\S+/libunwind\S*)", said)
    added = [path for path in (strace, *libraries) if not box.exists(path)]
    try:
        for path in added:
            box.write(path, Path(path).read_bytes(), 0o755)
        yield box
    finally:
        box.run("rm", *added)


@pytest.mark.parametrize("name", ["runs-a-program", "writes-to-syslog", "compiles"])
def test_learned_on_other_systemds(other: Box, name: str) -> None:
    """As on the one where all are tried: what stands in the drop-in is theirs as well."""
    program = PROGRAMS[name]
    for path, text in program["files"].items():
        other.write(path, text)
    other.write("/root/learned.toml", SPEC.format(program["spec"]))
    other.run("activator", "install", "/root/learned.toml")
    try:
        words = ("activator", "learn", "--on-system", "learned.socket", "--format", "json", "--")
        done = other.run(*words, *shlex.split(program["client"]), check=False, timeout=600)
        assert 0 == done.returncode, done.stderr
        assert set(program["needs"]) <= set(json.loads(done.stdout)["needs"]), done.stdout
        assert "" == other.systemctl("--failed", "--plain", "--no-legend").stdout
    finally:
        other.run("activator", "uninstall", "/root/learned.toml")
        other.run("rm", "/root/learned.toml", *program["files"])
    assert "learn" not in other.run("ls", "/run/systemd/system", "/run", "/tmp").stdout


def exposure(machine: Box, spec: str) -> str:
    """Return what systemd-analyze says of a spec's program, not of a proxy before it."""
    machine.write("/root/exposed/learned.toml", spec)
    machine.run("activator", "gen", "/root/exposed/learned.toml", "-o", "/root/exposed/units")
    path = "/root/exposed/units/learned.service"
    said = machine.run("systemd-analyze", "security", "--no-pager", "--offline=yes", path).stdout
    machine.run("rm", "-r", "/root/exposed")
    level = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert level, said
    return level[1]


# Tells when the units are installed, and ends no more.
WAITS = """\
socat -u TCP:127.0.0.1:9199 - | grep -q hello || exit 1
[ ! -e /etc/systemd/system/learned.socket ] || { touch /run/learned-waits; sleep 1000; }
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interruption(machine: Box, number: signal.Signals) -> None:
    """Whatever ends it, the units are taken back, and the client and its children end."""
    program = PROGRAMS["runs-a-program"]
    for path, text in program["files"].items():
        machine.write(path, text)
    machine.write("/root/learned.toml", SPEC.format(program["spec"]))
    words = ("activator", "learn", "/root/learned.toml", "--verify", "--", "sh", "-c", WAITS)
    with machine.popen(*words) as process:
        machine.wait_for(lambda: machine.exists("/run/learned-waits"), "the client", 300)
        process.send_signal(number)
        _, errors = process.communicate(timeout=600)
    machine.run("rm", "/run/learned-waits")
    assert "Traceback" not in errors
    left = machine.run("ls", "/etc/systemd/system", "/tmp", "/var/lib").stdout
    assert "learn" not in left
    sleeping = ("pgrep", "-f", "sleep 1000")
    machine.wait_for(lambda: 1 == machine.run(*sleeping, check=False).returncode, "their end")
