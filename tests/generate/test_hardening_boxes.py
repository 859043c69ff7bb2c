"""Hardening under the real systemd: what is closed is closed, and each need opens just that.

Every need is tried by a probe in a service that has it and in one that has not. All units of
a box are written first and asked in one go, so that a box costs seconds.
"""

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from activator.generate import hardening, specfile
from activator.generate.render import render
from tests.boxes.box import Box, Inside

pytestmark = pytest.mark.each_systemd

ROOT = Path(__file__).parents[2]
INSIDE = Path(__file__).parents[1] / "boxes/inside"
PROGRAMS = "/opt/probes"
# A peer outside the services' sandboxes, which echoes.
PEER = "/run/peer.sock"
PORT = 7790
SHARED_MEMORY = 4711


class Case(NamedTuple):
    """What a need opens.

    Attributes:
        needs: The need, or several of which the first is tried.
        probe: What the service is asked.
        closed: Its answer without the first need; a pattern.
        opened: Its answer with it; a pattern.
        settings: Further lines of [service].
        since: The first systemd of Debian in which it is closed.
    """

    needs: tuple[str, ...]
    probe: str
    closed: str
    opened: str
    settings: str = ""
    since: int = 0


# Tells a call that the filter refuses from one that the kernel does.
TOLD = 'SystemCallErrorNumber = "EUCLEAN"\n'
# Boxes do not have these privileges to give.
WITHOUT = 'CapabilityBoundingSet = ""\nAmbientCapabilities = ""\n'

CASES = (
    Case(("state",), "directory STATE_DIRECTORY", "KeyError", "ok 700"),
    Case(("state:other/place",), "directory STATE_DIRECTORY", "KeyError", "ok 700"),
    Case(("cache",), "directory CACHE_DIRECTORY", "KeyError", "ok 700"),
    Case(("logs",), "directory LOGS_DIRECTORY", "KeyError", "ok 700"),
    Case(("runtime",), "directory RUNTIME_DIRECTORY", "KeyError", "ok 755"),
    Case(("read:/home/anna/shown",), "read /home/anna/shown/file", "EACCES", "ok text"),
    Case(("read:/tmp/shown",), "read /tmp/shown/file", "ENOENT", "ok text"),
    Case(("write:/srv/data",), "write /srv/data/new", "EROFS", "ok"),
    Case(("write:/home/anna/open",), "write /home/anna/open/new", "EACCES", "ok"),
    Case(("home:read-only",), "read /home/anna/shown/file", "EACCES", "ok text"),
    Case(("home", "user:root"), "write /home/anna/new", "EACCES", "ok"),
    Case(("devices:/dev/probe",), "device /dev/probe", "ENOENT", "ok 00"),
    Case(("exec:/tmp",), "run /tmp/program", "EACCES", "ok ran"),
    Case(("jit",), "jit", "EPERM|EACCES", "ok"),
    Case(("jit",), "memfd", "EPERM", "ok"),
    Case(("ipc",), "read /dev/shm/theirs", "ENOENT", "ok text"),
    Case(("ipc",), f"sysv {SHARED_MEMORY}", "ENOENT", "ok"),
    Case(("user:games",), "identity", r"ok 6\d{4} 6\d{4}", "ok 5 60"),
    Case(("user:root",), "identity", r"ok 6\d{4} 6\d{4}", "ok 0 0"),
    Case(("group:adm",), "read /srv/for-adm", "EACCES", "ok text"),
    Case(("capability:CAP_DAC_READ_SEARCH",), "read /srv/for-root", "EACCES", "ok text"),
    Case(("capability:CAP_NET_BIND_SERVICE", "listen:81"), "listen 81", "EACCES", "ok"),
    Case(("unix",), f"unix {PEER}", "EAFNOSUPPORT", "ok x"),
    Case(("network",), f"tcp 127.0.0.1 {PORT}", "EAFNOSUPPORT", "ok x"),
    Case(("network:127.0.0.1",), f"tcp 127.0.0.1 {PORT}", "EAFNOSUPPORT", "ok x"),
    Case(("listen:8000-8100", "network"), "listen 8090", "EPERM", "ok", since=254),
    Case(("family:AF_NETLINK",), "family AF_NETLINK", "EAFNOSUPPORT", "ok"),
    Case(("processes",), "listing /proc/1", "ENOENT", "ok .*status"),
    Case(("system-info",), "read /proc/meminfo", "ENOENT", "ok MemTotal"),
    Case(("ptrace",), "ptrace", "EPERM", "ok"),
    Case(("resources",), "priority", "EPERM", "ok 1"),
    # A box has no right to raise the limit LimitRTPRIO=, so the kernel refuses.
    Case(("realtime",), "realtime", "EUCLEAN", "ok|EPERM", TOLD),
    Case(("namespaces",), "namespace 10000000", "EPERM", "ok"),
    Case(("namespaces:user",), "namespace 10000000", "EPERM", "ok"),
    Case(("mounts",), "mount", "EPERM", "ok"),
    Case(("cgroups",), "cgroup", "EROFS", "ok"),
    Case(("clock",), "clock", "EUCLEAN", "ok|EPERM", TOLD + WITHOUT),
    Case(("hostname",), "hostname", "EPERM", "ok"),
    Case(("kernel-log",), "kernel_log", "EUCLEAN", "ok|EPERM", TOLD + WITHOUT),
    Case(("kernel-modules",), "module", "EUCLEAN", "EPERM", TOLD + WITHOUT),
    Case(
        ("kernel-settings", "user:root", "system-info"),
        "rewrite /proc/sys/net/ipv4/ip_default_ttl",
        "EROFS",
        "ok",
    ),
    Case(("io-uring",), "io_uring", "EUCLEAN", "ok|EPERM|ENOSYS", TOLD),
    Case(("syscalls:@chown",), "chown", "EPERM", "ok"),
)
# What stays closed although a need opens what lies beside it: needs, probe, answer.
LIMITS = (
    Case(("network:127.0.0.1",), f"tcp 127.0.0.2 {PORT}", "", "ETIMEDOUT|EPERM"),
    Case(("network",), f"unix {PEER}", "", "EAFNOSUPPORT"),
    Case(("network",), "listen 8080", "", "EPERM", since=254),
    Case(("unix",), f"tcp 127.0.0.1 {PORT}", "", "EAFNOSUPPORT"),
    Case(("listen:8000-8100",), "listen 8200", "", "EPERM", since=254),
    Case(("read:/home/anna/shown",), "write /home/anna/shown/new", "", "EROFS"),
    Case(("read:/home/anna/shown",), "listing /home/anna", "", "ok shown"),
    Case(("write:/srv/data",), "write /srv/other", "", "EROFS"),
    Case(("write:/srv/data",), "run /srv/data/program", "", "EACCES"),
    Case(("write:/home/anna/open",), "listing /home/anna", "", "ok open"),
    Case(("state",), "run /var/lib/{name}/program", "", "EACCES"),
    Case(("home:read-only",), "write /home/anna/open/new", "", "EROFS"),
    Case(("namespaces:user",), "namespace 8000000", "", "EPERM"),
    Case(("jit",), "run /tmp/program", "", "EACCES"),
    Case(("capability:CAP_DAC_READ_SEARCH",), "chown", "", "EPERM"),
    Case(("user:root",), "read /srv/for-games", "", "EACCES"),
    Case((), "own_shared_memory", "", "ok"),
    Case((), "run /tmp/program", "", "EACCES"),
    Case((), "run /dev/shm/program", "", "EACCES"),
    Case((), "processes", "", "ok 9"),
)


class Probing:
    """Collects services and what to ask them, and asks all at once.

    Args:
        box: Where they run.
    """

    def __init__(self, box: Box) -> None:
        self.box = box
        self.specs: dict[tuple[tuple[str, ...], str], str] = {}
        self.questions: dict[str, list[str]] = {}

    def add(self, needs: tuple[str, ...], settings: str, question: str) -> tuple[str, int]:
        """Note a question for a service with these needs; return where its answer will be."""
        name = self.specs.setdefault((needs, settings), f"probe-{len(self.specs)}")
        questions = self.questions.setdefault(name, [])
        questions.append(question.format(name=name))
        return name, len(questions) - 1

    def ask(self) -> dict[str, list[str]]:
        """Write all units, start the sockets, and return the answers of each service."""
        files = dict(PEERS)
        for (needs, settings), name in self.specs.items():
            files |= units(name, needs, settings, self.box.version)
        with furnished(self.box), installed(self.box, files):
            return ask(self.box, self.questions)


PEERS = {
    "peer.socket": f"[Socket]\nListenStream={PEER}\nListenStream=0.0.0.0:{PORT}\nAccept=yes\n"
    "TriggerLimitIntervalSec=0\n",
    "peer@.service": "[Service]\nExecStart=cat\nStandardInput=socket\n",
}


def ask(box: Box, questions: dict[str, list[str]]) -> dict[str, list[str]]:
    """Ask services that listen at /run/NAME.sock; return their answers."""
    jobs = [(f"/run/{name}.sock", texts) for name, texts in questions.items()]
    done = box.run(box.python, f"{PROGRAMS}/ask.py", input=json.dumps(jobs), timeout=600)
    return dict(zip(questions, json.loads(done.stdout), strict=True))


def units(
    name: str, needs: tuple[str, ...], settings: str, version: int, more: str = ""
) -> dict[str, str]:
    """Return the units of a service that probes."""
    return render(
        specfile.loads(
            f'name = "{name}"\nmode = "per-connection"\nsystemd = {version}\n'
            f'exec = "/usr/bin/python3 -I -B {PROGRAMS}/probes.py"\nneeds = {json.dumps(needs)}\n'
            f'[service]\nStandardInput = "socket"\n{settings}'
            f'[sockets.ask]\nListenStream = "/run/{name}.sock"\n{more}'
        )
    )


@contextlib.contextmanager
def installed(box: Box, files: dict[str, str]) -> Iterator[None]:
    """Have many units loaded and their sockets listening in the body; faster than one by one."""
    sockets = [name for name in files if name.endswith(".socket")]
    services = [name.replace("@.", "@*.") for name in files if name.endswith(".service")]
    box.run(box.python, "-c", INSTALL, input=json.dumps(files))
    box.systemctl("daemon-reload")
    try:
        verified = box.run("systemd-analyze", "verify", *sockets, check=False)
        assert ("", "") == (verified.stdout, verified.stderr)
        box.systemctl("start", *sockets)
        yield
    finally:
        box.systemctl("stop", *sockets, *services)
        box.run("rm", *(f"{UNITS}/{name}" for name in files))
        box.systemctl("daemon-reload")
        box.systemctl("reset-failed")


UNITS = "/run/systemd/system"
INSTALL = f"""
import json, pathlib, sys
for name, text in json.load(sys.stdin).items():
    pathlib.Path("{UNITS}", name).write_text(text)
"""


@contextlib.contextmanager
def furnished(box: Box) -> Iterator[None]:
    """Have the files and devices in the body that the probes look for."""
    box.run("sh", "-euc", FURNISH)
    try:
        yield
    finally:
        box.run("sh", "-c", CLEAR)


FURNISH = f"""
mkdir -p /srv/data /home/anna/shown /home/anna/open /tmp/shown
chmod 0777 /srv/data /home/anna/open
chmod 0755 /home/anna/shown /tmp/shown
for file in /home/anna/shown/file /tmp/shown/file /dev/shm/theirs; do echo text >$file; done
chmod 0644 /dev/shm/theirs
echo text >/srv/for-adm; chgrp adm /srv/for-adm; chmod 0640 /srv/for-adm
echo text >/srv/for-root; chmod 0600 /srv/for-root
echo text >/srv/for-games; chown games: /srv/for-games; chmod 0600 /srv/for-games
mknod -m 0666 /dev/probe c 1 5
python3 -c 'import ctypes; assert ctypes.CDLL(None).shmget({SHARED_MEMORY}, 16, 0o1666) >= 0'
"""
CLEAR = f"""
rm -rf /srv/* /home/anna /tmp/shown /dev/shm/theirs /dev/probe /var/lib/private /var/lib/probe-*
rm -rf /var/lib/other /var/cache/private /var/cache/probe-* /var/log/private /var/log/probe-*
ipcrm -M {SHARED_MEMORY}
"""


@pytest.fixture(scope="module")
def programs(box: Box) -> Iterator[None]:
    """Have the programs in the box that its services run."""
    for name in ("probes.py", "ask.py"):
        box.write(f"{PROGRAMS}/{name}", (INSIDE / name).read_bytes())
    box.write(f"{PROGRAMS}/holding.py", HOLDING)
    box.write(f"{PROGRAMS}/spawning.py", SPAWNING)
    yield
    box.run("rm", "-r", PROGRAMS)


@pytest.fixture(scope="module")
def answers(box: Box, programs: None) -> dict[Case, list[str]]:
    """Return what the services of all cases answered, without and with the need."""
    del programs
    probing = Probing(box)
    places = {
        case: [
            probing.add(needs, case.settings, case.probe)
            for needs in ((case.needs[1:], case.needs) if case.closed else (case.needs,))
        ]
        for case in (*CASES, *LIMITS)
    }
    found = probing.ask()
    return {case: [found[name][at] for name, at in where] for case, where in places.items()}


def case_id(case: Case) -> str:
    """Return a case's name."""
    return f"{'+'.join(case.needs) or 'nothing'} {case.probe.split()[0]}"


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_need(box: Box, answers: dict[Case, list[str]], case: Case) -> None:
    """What a need opens fails without it and works with it."""
    closed, opened = answers[case]

    if box.version >= case.since:
        assert re.match(case.closed, closed), f"without: {closed}"
    assert re.match(f"({case.opened})", opened), f"with: {opened}"


@pytest.mark.parametrize("case", LIMITS, ids=case_id)
def test_limit(box: Box, answers: dict[Case, list[str]], case: Case) -> None:
    """A need opens nothing beside what it names."""
    (answer,) = answers[case]

    if box.version >= case.since:
        assert re.fullmatch(f"({case.opened})( .*)?", answer)


def test_every_need_is_tried() -> None:
    """Each need of the table has a case."""
    tried = {hardening.find(case.needs[0])[0].form for case in CASES}

    assert set(hardening.needs()) - tried == {"exec"}


HOLDING = """\
import sys
for line in sys.stdin:
    print(line, end="", flush=True)
"""
SPAWNING = """\
import subprocess

def spawn(sock):
    try:
        done = subprocess.run(["/bin/echo", "ran"], capture_output=True, check=True)
    except OSError as error:
        sock.sendall(type(error).__name__.encode())
    else:
        sock.sendall(done.stdout)
"""
SECOND = """\
[sockets.second]
mode = "per-connection"
ListenStream = "/run/probe-second.sock"
"""
PER_CONNECTION = """\
name = "holding"
mode = "per-connection"
exec = "/usr/bin/python3 -I /opt/probes/holding.py"
[service]
StandardInput = "socket"
[sockets.holding]
ListenStream = "127.0.0.1:7791"
"""


def exposure(box: Box, unit: str) -> float:
    """Return what systemd-analyze says about a unit: 0 is closed, 10 is open."""
    text = box.run("systemd-analyze", "security", "--no-pager", unit).stdout
    found = re.search(r"Overall exposure level for .*: ([0-9.]+)", text)
    assert found, text
    return float(found[1])


def say(client: Inside, text: str) -> str:
    """Send a line and return the answer's line; the connection stays open."""
    assert client.stdin
    assert client.stdout
    client.stdin.write(text)
    client.stdin.flush()
    return client.stdout.readline()


def served(box: Box, text: str, address: str, unit: str) -> float:
    """Return the exposure of a spec's service while it serves a client.

    Args:
        box: Where it runs.
        text: The spec.
        address: Where the client connects, in socat's words.
        unit: The service, a pattern.
    """
    with (
        installed(box, render(specfile.loads(text, systemd=box.version))),
        box.popen("socat", "-t120", "-", address) as client,
    ):
        assert say(client, "hello\n") == "hello\n"
        listed = box.systemctl("list-units", "--state=running", "--plain", "--no-legend", unit)
        level = exposure(box, listed.stdout.split()[0])
        rest = client.communicate("bye\n", timeout=120)
        assert rest == ("bye\n", "")
    return level


@pytest.mark.parametrize(
    ("name", "port", "unit"),
    [("echo", 7777, "echo.service"), ("echo-each", 7778, "echo-each@*.service")],
)
def test_examples_are_closed(box: Box, name: str, port: int, unit: str) -> None:
    """The shipped examples score 0.2 at most while they answer, by TCP and by path."""
    text = (ROOT / f"units/{name}.toml").read_text()

    assert served(box, text, f"TCP:127.0.0.1:{port}", unit) <= 0.2
    assert served(box, text, f"UNIX-CONNECT:/run/{name}.sock", unit) <= 0.2


@pytest.mark.usefixtures("programs")
def test_programs_are_closed(box: Box) -> None:
    """A program of the user's own is as closed, and answers."""
    assert served(box, PER_CONNECTION, "TCP:127.0.0.1:7791", "holding@*.service") <= 0.2


def test_standard(box: Box) -> None:
    """The profile for usual daemons scores well below what they have."""
    text = (ROOT / "units/echo.toml").read_text()
    text = text.replace("mode =", 'hardening = "standard"\nmode =')

    assert served(box, text, "TCP:127.0.0.1:7777", "echo.service") <= 1.5


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize(
    ("needs", "expected"),
    [([], "PermissionError"), (["exec"], "ran\n"), (["exec:/usr/bin/echo"], "ran\n")],
)
def test_need_exec(box: Box, needs: list[str], expected: str) -> None:
    """A handler whose interpreter is known runs no other program, unless it needs to."""
    assert expected == spawned(box, "/usr/bin/python3", PROGRAMS, needs)


@pytest.mark.usefixtures("programs")
def test_own_program_is_in_sight(box: Box) -> None:
    """A virtual environment in somebody's home serves, and others' files stay out of sight."""
    box.run("mkdir", "/home/anna")
    box.run("cp", "-r", PROGRAMS, "/home/anna/app")
    box.run("python3", "-m", "venv", "--without-pip", "--system-site-packages", "/home/anna/venv")
    box.run("chmod", "0700", "/home/anna")

    answer = spawned(box, "/home/anna/venv/bin/python", "/home/anna/app", [])
    box.run("rm", "-r", "/home/anna")

    assert answer == "PermissionError"


def spawned(box: Box, python: str, directory: str, needs: list[str]) -> str:
    """Return what a handler tells about running a program."""
    text = (
        f'name = "spawning"\npython = "{python}"\napp-dir = "{directory}"\n'
        f'handler = "spawning:spawn"\nneeds = {json.dumps(needs)}\n'
        '[sockets.spawning]\nListenStream = "/run/spawning.sock"\n'
    )
    with installed(box, render(specfile.loads(text, systemd=box.version))):
        return box.run("socat", "-t120", "-", "UNIX-CONNECT:/run/spawning.sock").stdout


@pytest.mark.usefixtures("programs")
def test_services_share_directories(box: Box) -> None:
    """Instances, and a service for other sockets beside them, write where the others do."""
    files = units("probe-state", ("state",), "", box.version, SECOND)
    address = "UNIX-CONNECT:/run/probe-state.sock"
    with (
        installed(box, files),
        box.popen("socat", "-t120", "-", address) as first,
        box.popen("socat", "-t120", "-", address) as second,
        box.popen("socat", "-t120", "-", "UNIX-CONNECT:/run/probe-second.sock") as other,
    ):
        question = "write /var/lib/probe-state/mark\n"
        clients = (first, second, other)
        answers = [say(client, question) for client in (*clients, *clients)]
        assert [("", "")] * 3 == [client.communicate("") for client in clients]
    box.run("sh", "-c", "rm -r /var/lib/private /var/lib/probe-state")

    assert ["ok\n"] * 6 == answers
