"""Services that a booted systemd runs, each learned from while a client uses it."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from activator.live import learning
from tests.boxes.box import UNITS, Box
from tests.boxes.fixtures import ONE, box_root
from tests.boxes.recipes import LEARN
from tests.support.doctor import doctor, mend

SOCKET = "[Socket]\nListenStream=/run/guest.sock\n"
# All that it does, it can do without.
SERVER = """\
import os, socket

def tried(what):
    try:
        what()
    except OSError:
        pass

with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
    if "NOTIFY_SOCKET" in os.environ:
        manager.connect(os.environ["NOTIFY_SOCKET"])
        manager.send(b"READY=1")
listener = socket.socket(fileno=3)
while True:
    connection, _ = listener.accept() if listener.getsockopt(1, 30) else (listener, 0)
    tried(lambda: open("/proc/meminfo").close())
    tried(lambda: os.sched_setaffinity(0, {0}))
    tried(lambda: open(os.environ.get("STATE_DIRECTORY", "/nosuch") + "/book", "a").close())
    connection.sendall(f"{os.getuid()} {os.getpid()}".encode())
    connection.close()
    if connection is listener:
        break
"""
SERVICE = """\
[Service]
Type=notify
DynamicUser=yes
StateDirectory=guest
ProcSubset=pid
CapabilityBoundingSet=
RestrictAddressFamilies=AF_UNIX
SystemCallFilter=@system-service
SystemCallFilter=~@resources
SystemCallErrorNumber=EPERM
ProtectHome=yes
ExecStart=-/usr/bin/python3 /srv/guest.py
"""
CLIENT = ("--", "sh", "-c", "socat -u UNIX-CONNECT:/run/guest.sock - | grep '[0-9] [0-9]'")
ON_SYSTEM = ("activator", "learn", "--on-system")
LONG_S = 300


@pytest.fixture(scope="module")
def machine(wheel: Path) -> Iterator[Box]:
    """Yield a box that has strace, and ours."""
    with Box(ONE, box_root(ONE, LEARN)) as box:
        inside = f"/root/{wheel.name}"
        box.write(inside, wheel.read_bytes())
        box.run(box.python, "-m", "installer", inside)
        box.write("/srv/guest.py", SERVER)
        yield box


def learn(box: Box, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `activator learn --on-system`, and see that nothing is left of it."""
    done = box.run(*ON_SYSTEM, *words, check=False, timeout=LONG_S)
    assert_nothing_left(box)
    assert "Traceback" not in done.stderr
    return done


def assert_nothing_left(box: Box) -> None:
    """See that neither drop-ins nor traces nor tracers are left, as systemd has it, too."""
    assert "learn" not in box.run("ls", "/run", "/run/systemd/system").stdout
    tracers = ("pgrep", "-x", "strace")
    box.wait_for(lambda: 1 == box.run(*tracers, check=False).returncode, "their end", LONG_S)
    shown = box.systemctl("show", "--property=DropInPaths", "--value", "guest.service").stdout
    assert learning.DROP_IN not in shown


def is_open(box: Box) -> bool:
    """Tell whether the service is outside its sandbox, as systemd has it."""
    return box.show("guest.service", "ProcSubset") == "all"


def asked(box: Box) -> list[str]:
    """Return the user and the process by which a client is served."""
    return box.run("socat", "-u", "UNIX-CONNECT:/run/guest.sock", "-").stdout.split()


@contextmanager
def guest(box: Box, service: str = SERVICE, *, accept: bool = False) -> Iterator[None]:
    """Have the socket and its service, or the template of it, in the body."""
    name = "guest@.service" if accept else "guest.service"
    with box.units({"guest.socket": SOCKET + "Accept=yes\n" * accept, name: service}):
        box.systemctl("start", "guest.socket")
        yield
    box.run("rm", "-rf", "/var/lib/guest", "/var/lib/private/guest")


def test_a_service_of_the_system(machine: Box) -> None:
    """Needs, the lines that forbid them, and then the sandbox is on again, the socket never off."""
    with guest(machine):
        before = asked(machine)
        opened = machine.show("guest.socket", "ActiveEnterTimestampMonotonic")
        done = learn(machine, "guest.socket", "--format", "json", *CLIENT)
        assert 0 == done.returncode, done.stderr
        told = json.loads(done.stdout)
        assert ["state", "system-info", "resources"] == told["needs"], told
        lines = {row["line"].partition(": ")[2]: row["need"] for row in told["forbidding"]}
        assert {
            "ProcSubset=pid": "system-info",
            "SystemCallFilter=~@resources": "resources",
        } == lines
        assert any(line.endswith(": ProtectHome=yes") for line in told["idle"])
        assert f"{UNITS}/guest.service:5: ProcSubset=pid" == told["forbidding"][0]["line"]
        # As whoever it was before, by the client's own words.
        assert before[0] == done.stderr.split()[0]
        assert opened == machine.show("guest.socket", "ActiveEnterTimestampMonotonic")
        assert not is_open(machine)
        assert before[1] != asked(machine)[1]


@pytest.mark.stress
def test_each_connection_has_an_instance(machine: Box) -> None:
    """Those that come are traced, also from a user that is none; those that were there stay."""
    text = SERVICE.replace("Type=notify", "Type=simple").replace("DynamicUser=yes", "User=nobody")
    with guest(machine, text, accept=True), machine.connected("UNIX-CONNECT:/run/guest.sock", 1):
        done = learn(machine, "guest.socket", "--format", "json", *CLIENT)
        assert 0 == done.returncode, done.stderr
        assert {"system-info", "resources"} <= {*json.loads(done.stdout)["needs"]}
        assert "65534" == done.stderr.split()[0]


@pytest.mark.stress
def test_root_and_its_commands(machine: Box) -> None:
    """A service of root's, its first command too, and what runs past the sandbox is left alone."""
    text = "[Service]\nType=notify\nPrivateTmp=yes\nReadOnlyPaths=/srv\nProtectClock=yes\n"
    text += "ExecStartPre=/bin/touch /srv/before\nExecStartPre=+/bin/touch /etc/guest\n"
    with guest(machine, f"{text}ExecStart=/usr/bin/python3 /srv/guest.py\n"):
        done = learn(machine, "guest.socket", "--format", "json", *CLIENT)
    assert 0 == done.returncode, done.stderr
    told = json.loads(done.stdout)
    assert "write:/srv" in told["needs"]
    assert "write:/etc" not in told["needs"]
    lines = [row["line"].partition(": ")[2] for row in told["forbidding"]]
    assert ["ReadOnlyPaths=/srv"] == lines


WAITS = """\
socat -u UNIX-CONNECT:/run/guest.sock - >/dev/null
touch /run/client-waits
exec sleep 1000
"""


@pytest.mark.stress
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interruption(machine: Box, number: signal.Signals) -> None:
    """Whatever ends it, the sandbox is on again, and the client ends."""
    with guest(machine), machine.popen(*ON_SYSTEM, "guest.socket", "--", "sh", "-c", WAITS) as run:
        machine.wait_for(lambda: machine.exists("/run/client-waits"), "the client", LONG_S)
        assert is_open(machine)
        run.send_signal(number)
        _, errors = run.communicate(timeout=LONG_S)
        machine.run("rm", "/run/client-waits")
        assert "Traceback" not in errors
        assert run.returncode
        assert_nothing_left(machine)
        assert not is_open(machine)
        assert 2 == len(asked(machine))
    sleeping = ("pgrep", "-f", "sleep 1000")
    machine.wait_for(lambda: 1 == machine.run(*sleeping, check=False).returncode, "its end", LONG_S)


@pytest.mark.stress
def test_until_it_is_ended(machine: Box) -> None:
    """Without a client it goes on until Ctrl-C, or for a time; what was seen is told."""
    with guest(machine):
        asked(machine)
        with machine.popen(*ON_SYSTEM, "guest.socket") as run:
            assert run.stderr
            assert run.stderr.readline() == "the service is traced; SIGINT ends that\n"
            assert is_open(machine)
            asked(machine)
            run.send_signal(signal.SIGINT)
            out, errors = run.communicate(timeout=LONG_S)
        assert (0, "") == (run.returncode, errors)
        assert "\nsystem-info (" not in out
        assert "\nsystem-info\n" in out
        assert_nothing_left(machine)
        machine.systemctl("stop", "guest.service")
        done = learn(machine, "guest.socket", "--time", "1")
        assert 1 == done.returncode
        assert done.stderr.splitlines()[-1].startswith("nothing was traced: no client came")


@pytest.mark.stress
def test_what_sigkill_leaves(machine: Box) -> None:
    """Doctor names it while nobody learns, and its commands put the sandbox back."""
    with guest(machine):
        words = (*ON_SYSTEM, "guest.socket", "--", "sh", "-c", WAITS)
        with machine.popen(*words) as run:
            machine.wait_for(lambda: machine.exists("/run/client-waits"), "the client", LONG_S)
            assert [] == doctor(machine, "guest.socket")
            run.send_signal(signal.SIGKILL)
            run.wait(LONG_S)
            machine.run("pkill", "-f", "sleep 1000")
            run.communicate(timeout=LONG_S)
        machine.run("rm", "/run/client-waits")
        assert is_open(machine)
        done = machine.run(*ON_SYSTEM, "guest.socket", *CLIENT, check=False, timeout=LONG_S)
        assert (1, 1) == (done.returncode, done.stderr.count("\n"))
        assert done.stderr.startswith("guest.service is learned from already, or was by a command")
        (finding,) = doctor(machine, "guest.socket")
        assert ("left-traced", "guest.socket") == (finding["name"], finding["unit"])
        mend(machine, finding)
        assert_nothing_left(machine)
        assert [] == doctor(machine, "guest.socket")
        assert not is_open(machine)
        assert 2 == len(asked(machine))


@pytest.mark.stress
def test_what_goes_wrong(machine: Box) -> None:
    """Each is a line, and leaves all as it was."""
    as_nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    blind = ("env", "PATH=/nosuch", machine.python, "-m", "activator")
    with guest(machine):
        for words, said in (
            ((*ON_SYSTEM, "nosuch.socket"), "there is no nosuch.socket; see: systemctl list-un"),
            ((*as_nobody, *ON_SYSTEM, "guest.socket"), "--on-system changes units of the system"),
            ((*blind, *ON_SYSTEM[1:], "guest.socket"), "there is no strace; install it: apt "),
            ((*ON_SYSTEM, "guest.socket", "--", "/nosuch"), "/nosuch: No such file or directory"),
        ):
            done = machine.run(*words, check=False, timeout=LONG_S)
            assert (1, 1) == (done.returncode, done.stderr.count("\n")), done.stderr
            assert done.stderr.startswith(said), done.stderr
            assert_nothing_left(machine)
    with machine.units({"guest.socket": SOCKET}):
        done = learn(machine, "guest.socket", *CLIENT)
        assert (1, "there is no file of guest.service; see: systemctl cat guest.service\n") == (
            done.returncode,
            done.stderr,
        )
    with guest(machine, SERVICE + "RootDirectory=/srv\n"):
        done = learn(machine, "guest.socket", *CLIENT)
        assert done.stderr.startswith(f"{UNITS}/guest.service:13: guest.service has fi")
    forever = "Restart=always\nRestartSec=50ms\n[Unit]\nStartLimitIntervalSec=0\n"
    with guest(machine, f"[Service]\nProcSubset=pid\nExecStart=/bin/false\n{forever}"):
        done = learn(machine, "guest.socket", *CLIENT)
        assert (1, 1) == (done.returncode, done.stderr.count("\n"))
        assert done.stderr.startswith("guest.service ends at each start (exit-code); see: journal")
    # It fails at its second start, which is the one that is traced.
    text = f"{SERVICE}ExecStartPre=+/bin/sh -c '[ ! -e /run/once ] && touch /run/once'\n"
    with guest(machine, text):
        asked(machine)
        done = learn(machine, "guest.socket", *CLIENT)
        machine.run("rm", "/run/once")
        assert 1 == done.returncode
        assert done.stderr.startswith("not all is as it was: ")
        assert "guest.service" in done.stderr


@pytest.mark.stress
def test_names_and_files(machine: Box) -> None:
    """Units of the system are found by name, to be run on the local activator as well."""
    with machine.units({"guest.socket": SOCKET, "guest.service": SERVICE}):
        done = machine.run(
            "activator", "learn", "guest", "--format", "json", *CLIENT, timeout=LONG_S
        )
        assert {"system-info", "resources"} <= {*json.loads(done.stdout)["needs"]}
        assert [] == [line for line in machine.run("ls", "/tmp").stdout.split() if "learn" in line]
