"""The rig itself: boxes boot, are what they say, and leave nothing behind."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import pytest

from activator.version import __version__
from tests.boxes.box import PREFIX, WAIT_S, Box, remove_stale_cgroups
from tests.boxes.fixtures import PROJECT, box_root
from tests.boxes.keeper import cgroup_mounts
from tests.boxes.needs import cgroup_mount
from tests.boxes.recipes import MOVING, SUITES

# Boots a box of the tree given, says so, and waits to be killed.
BOOT_AND_WAIT = """
import sys
from pathlib import Path
from time import monotonic, sleep
from tests.boxes.box import Box
with Box("bookworm", Path(sys.argv[1])) as box:
    print(box.cgroup, box.directory, box.pid, flush=True)
    sys.stdin.read()
"""


def test_version(box: Box) -> None:
    """Each box runs the systemd that its suite is there for."""
    if box.suite == MOVING:
        assert box.version >= SUITES[box.suite]
    else:
        assert SUITES[box.suite] == box.version


def test_dynamic_user(box: Box) -> None:
    """DynamicUser= gives a service a user id from systemd's own range."""
    done = box.run(
        "systemd-run", "--quiet", "--wait", "--pipe", "--property=DynamicUser=yes", "id", "-u"
    )

    assert 61184 <= int(done.stdout) <= 65519


def test_wheel_inside(box: Box) -> None:
    """The wheel is installed for the box's own Python, with its command on the PATH."""
    assert f"activator, version {__version__}\n" == box.run("activator", "--version").stdout


def test_own_network(box: Box) -> None:
    """A box has a loopback of its own and no other way out."""
    lines = box.run("ip", "-brief", "address").stdout.splitlines()

    assert [line.split()[0] for line in lines] == ["lo"]
    assert "127.0.0.1/8" in lines[0]


def test_units(box: Box) -> None:
    """Units written for a test are at work in the body, and nothing of them is left after it."""
    socket = "[Socket]\nListenStream=/run/rig.sock\nAccept=yes\n"
    service = "[Service]\nExecStart=cat\nStandardInput=socket\n"

    with box.units({"rig.socket": socket, "rig@.service": service}):
        box.systemctl("start", "rig.socket")
        box.wait_active("rig.socket")
        echo = box.run("socat", "-", "UNIX-CONNECT:/run/rig.sock", input="hello\n")

    assert echo.stdout == "hello\n"
    assert box.show("rig.socket", "LoadState") == "not-found"
    assert box.systemctl("list-units", "--all", "--no-legend", "rig*").stdout == ""


def test_popen_signals(box: Box) -> None:
    """A signal to a client that was started in a box reaches the process inside."""
    script = "trap 'echo caught; exit 7' TERM; echo ready; while :; do sleep 0.01; done"

    with box.popen("sh", "-c", script) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.stdout.readline() == "caught\n"

    assert process.returncode == 7


def test_run_timeout(box: Box) -> None:
    """A command that takes too long is killed, in the box as well."""
    with pytest.raises(subprocess.TimeoutExpired):
        box.run("sleep", "4711", timeout=0.2)

    assert box.run("pgrep", "-fx", "sleep 4711", check=False).returncode == 1


def test_files(box: Box) -> None:
    """Text is written and read back as it is, with the mode asked for."""
    box.write("/run/rig/a file", "one\ntwo", mode=0o600)

    assert box.exists("/run/rig/a file")
    assert box.read("/run/rig/a file") == "one\ntwo"
    assert box.run("stat", "--format=%a", "/run/rig/a file").stdout == "600\n"
    box.run("rm", "-r", "/run/rig")


@pytest.mark.box
def test_stop_leaves_nothing() -> None:
    """After a stop, the box's processes and its cgroup are gone."""
    with Box("bookworm", box_root("bookworm")) as box:
        inside = os.pidfd_open(box.pid)
        assert (box.cgroup / "cgroup.procs").exists()

    _assert_ended(inside)
    assert not _cgroups(box.name)
    assert not box.directory.exists()


@pytest.mark.box
@pytest.mark.parametrize("name", ["SIGINT", "SIGKILL", "SIGTERM"])
def test_killed_run_leaves_nothing(name: str) -> None:
    """A test run that a signal ends takes its box with it, cgroup and all."""
    tree = box_root("bookworm")
    number = signal.Signals[name]
    command = [sys.executable, "-c", BOOT_AND_WAIT, str(tree)]
    with subprocess.Popen(
        command,
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout
        cgroup, directory, pid = process.stdout.readline().split()
        inside = os.pidfd_open(int(pid))
        process.send_signal(number)

    assert process.returncode == -number
    _assert_ended(inside)
    _wait_gone(Path(cgroup).name)
    assert not Path(directory).exists()


@pytest.mark.box
def test_stale_cgroup() -> None:
    """A cgroup whose test run no longer exists is removed, that of a living one is kept."""
    box_root("bookworm")  # says why boxes cannot run here
    mount = cgroup_mount()
    assert mount
    with subprocess.Popen(["true"]) as process:
        pass
    stale = mount / f"{PREFIX}-{process.pid}-1-bookworm"
    alive = mount / f"{PREFIX}-{os.getpid()}-0-bookworm"
    (stale / "payload").mkdir(parents=True)
    alive.mkdir()
    try:
        remove_stale_cgroups()

        assert not stale.exists()
        assert alive.exists()
    finally:
        alive.rmdir()


def _assert_ended(pidfd: int) -> None:
    """Check that a process ends; closes the descriptor."""
    readable, _, _ = select.select([pidfd], [], [], WAIT_S)
    os.close(pidfd)
    assert readable


def _cgroups(name: str) -> list[Path]:
    """Return the cgroups of a name in all hierarchies."""
    return [mount / name for mount in cgroup_mounts("cgroup", "cgroup2") if (mount / name).exists()]


def _wait_gone(name: str) -> None:
    """Wait until no cgroup of a name is left."""
    deadline = monotonic() + WAIT_S
    while left := _cgroups(name):
        assert monotonic() < deadline, f"still there: {left}"
        sleep(0.02)
