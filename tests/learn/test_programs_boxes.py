"""Programs that nobody here wrote: what is learned of them holds on a booted systemd."""

import json
import shlex
import signal
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
        _, errors = process.communicate(timeout=120)
    machine.run("rm", "/run/learned-waits")
    assert "Traceback" not in errors
    left = machine.run("ls", "/etc/systemd/system", "/tmp", "/var/lib").stdout
    assert "learn" not in left
    sleeping = ("pgrep", "-f", "sleep 1000")
    machine.wait_for(lambda: 1 == machine.run(*sleeping, check=False).returncode, "their end")
