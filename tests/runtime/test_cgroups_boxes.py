"""Processes of connections with cgroups of their own, under a real systemd."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from activator.generate import specfile
from activator.generate.render import render
from tests.boxes.box import Box

BASE = "/sys/fs/cgroup/system.slice/groups.service"
SOCKET = """\
[Socket]
ListenStream=127.0.0.1:7791
"""
SERVICE = """\
[Service]
Type=notify
ExecStart={python} -m activator serve --isolation process --cgroup {limits} {rest}
Delegate={delegate}
"""
# The kernel has this one without any controller.
LIMITS = "cgroup.max.descendants=0"
TIGHT = "memory.max=48M,memory.swap.max=0,pids.max=8"
MISSING = "the machine keeps the controllers memory and pids for cgroup v1"
SPEC = """\
name = "groups"
mode = "per-connection"
isolation = "process"
handler = "activator.examples.greet:greet"
needs = ["cgroups"]
cgroup = { "cgroup.max.descendants" = 0 }
[sockets.groups]
ListenStream = "127.0.0.1:7791"
"""
HANDLER = """\
import os


def handle(sock):
    with sock.makefile("r") as stream:
        for line in stream:
            sock.sendall(f"{do(line.strip())}\\n".encode())


def do(what):
    if what == "where":
        return open("/proc/self/cgroup").read().strip().rpartition("/")[2] == str(os.getpid())
    if what.startswith("cgroup."):
        own = open("/proc/self/cgroup").read().strip().rpartition("::")[2]
        return open("/sys/fs/cgroup" + own + "/" + what).read().strip()
    if what == "eat":
        return len(b"x" * (200 << 20))
    if what == "breed":
        count = 0
        try:
            while True:
                if not os.fork():
                    os.read(os.pipe()[0], 1)
                count += 1
        except OSError:
            return count
    if what == "escape":
        pid = os.fork()
        if not pid:
            os.setsid()
            os.closerange(0, 100)
            os.execvp("sleep", ["sleep", "1234"])
        return pid
    return what
"""


@contextmanager
def served(box: Box, limits: str = LIMITS, rest: str = "", delegate: str = "yes") -> Iterator[None]:
    """Have the socket listening, with the service behind it."""
    box.write("/root/groups.py", HANDLER)
    service = SERVICE.format(
        python=box.python,
        limits=limits,
        rest=rest or "--app-dir /root groups:handle",
        delegate=delegate,
    )
    with box.units({"groups.socket": SOCKET, "groups.service": service}):
        box.systemctl("start", "groups.socket")
        yield


def ask(box: Box, *lines: str) -> list[str]:
    """Return the answers that one connection gets."""
    text = "".join(f"{line}\\n" for line in lines)
    script = f"printf '{text}' | socat -t120 - TCP:127.0.0.1:7791"
    return box.run("sh", "-c", script, check=False).stdout.splitlines()


def groups(box: Box) -> set[str]:
    """Return the cgroups below the service's."""
    # Some may go while it looks.
    listed = box.run("find", BASE, "-mindepth", "1", "-type", "d", check=False).stdout.split()
    return {path.removeprefix(f"{BASE}/") for path in listed}


def test_own_group(box: Box) -> None:
    """Each process is in a cgroup of its own with its limits, and both go together."""
    with served(box):
        answers = ask(box, "where", "cgroup.max.descendants", "hello")
        assert ["True", "0", "hello"] == answers, box.journal("groups.service")
        box.wait_for(lambda: {"service"} == groups(box))
        box.systemctl("stop", "groups.socket", "groups.service")
        assert "success" == box.show("groups.service", "Result")


def test_limits(box: Box) -> None:
    """Who has used up the memory or the processes of its cgroup harms nobody else."""
    controllers = box.read("/sys/fs/cgroup/cgroup.controllers").split()
    if not {"memory", "pids"} <= set(controllers):
        pytest.skip(MISSING)
    with served(box, TIGHT):
        assert ["hello"] == ask(box, "hello")
        pid = box.show("groups.service", "MainPID")
        assert [] == ask(box, "eat")
        assert 0 < int(ask(box, "breed")[0]) < 8
        assert ["hello"] == ask(box, "hello")
        # The service itself is as it was, although systemd watches for lack of memory.
        assert pid == box.show("groups.service", "MainPID")
        box.wait_for(lambda: "has used up its memory.max" in box.journal("groups.service"))
        box.wait_for(lambda: {"service"} == groups(box))
        box.systemctl("stop", "groups.socket", "groups.service")


def test_nothing_escapes(box: Box) -> None:
    """What has left the process group of its connection ends with the cgroup."""
    with served(box):
        pid = ask(box, "escape")[0]
        box.wait_for(lambda: not box.exists(f"/proc/{pid}"))
        box.wait_for(lambda: {"service"} == groups(box))
        box.systemctl("stop", "groups.socket", "groups.service")


def test_program(box: Box) -> None:
    """Programs have cgroups, too."""
    with served(box, rest="--inetd cat /proc/self/cgroup"):
        (line,) = (line for line in ask(box) if line.startswith("0::"))
        assert line.rpartition("/")[2].isdecimal()
        box.systemctl("stop", "groups.socket", "groups.service")


def test_hardened(box: Box) -> None:
    """They can be had in a unit that is made of a spec, with a user of its own and all closed."""
    text = f'systemd = {box.version}\npython = "{box.python}"\n{SPEC}'
    with box.units(render(specfile.loads(text))):
        box.systemctl("start", "groups.socket")
        assert ["Hello, you!"] == ask(box, "you"), box.journal("groups.service")
        assert "service" in groups(box)
        box.systemctl("stop", "groups.socket", "groups.service")
        assert "success" == box.show("groups.service", "Result")


@pytest.mark.parametrize(
    ("limits", "delegate", "what"),
    [
        (LIMITS, "no", "is not delegated to the service; the unit needs Delegate=yes"),
        (
            "cgroup.max.depth=lots",
            "yes",
            "--cgroup: cgroup.max.depth=lots: Invalid argument",
        ),
        ("memory.most=1M", "yes", "--cgroup: memory.most=1M: there is no such limit here"),
    ],
)
def test_wrong(box: Box, limits: str, delegate: str, what: str) -> None:
    """What cannot be is told in one line."""
    with served(box, limits, delegate=delegate):
        box.systemctl("start", "groups.service", check=False)
        assert what in box.journal("groups.service")
        box.systemctl("stop", "groups.socket", check=False)
