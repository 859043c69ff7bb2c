"""Each failure made real on the booted systemd: doctor names it, and its commands mend it."""

from contextlib import ExitStack

import pytest

from tests.boxes.box import Box
from tests.support.doctor import (
    ACCEPT,
    GOOD,
    PATH,
    SERVER,
    SOCKET,
    UNITS,
    doctor,
    found,
    ill,
    knock,
    mend,
    replaced,
    service,
)


def test_a_healthy_system(box: Box) -> None:
    """Where nothing is wrong, nothing is found, in any loaded socket."""
    assert [] == doctor(box)
    assert "nothing found (" in box.run("activator", "doctor").stdout
    with ill(box, SOCKET, GOOD):
        assert [] == doctor(box, "ill.socket")
        assert "served" == box.run("socat", "-u", f"UNIX-CONNECT:{PATH}", "-").stdout
        assert [] == doctor(box, "ill.service")


def test_an_unknown_unit(box: Box) -> None:
    """A unit that does not exist is an error in one line."""
    done = box.run("activator", "doctor", "nothing.socket", check=False)
    assert (1, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith("there is no nothing.socket; see: ")


def test_trigger_limit(box: Box) -> None:
    """A service that never takes its client."""
    limits = "TriggerLimitBurst=2\nTriggerLimitIntervalSec=1min\n"
    with ill(box, SOCKET + limits, service("/bin/true", "[Unit]\nStartLimitBurst=0\n")):
        knock(box)
        mend(box, found(box, "trigger-limit-hit"), replaced(box, GOOD))
        assert "active" == box.show("ill.socket", "ActiveState")
        assert [] == doctor(box, "ill.socket")


def test_start_limit(box: Box) -> None:
    """A service that fails at once, again and again."""
    limits = "[Unit]\nStartLimitBurst=2\nStartLimitIntervalSec=1min\n"
    with ill(box, SOCKET, service("/bin/false", limits)):
        knock(box)
        mend(box, found(box, "service-start-limit-hit"), replaced(box, GOOD))
        assert "active" == box.show("ill.socket", "ActiveState")


def test_already_active(box: Box) -> None:
    """A service that was started without its socket."""
    with ill(box, SOCKET, service("/bin/sleep inf"), start=False):
        box.systemctl("start", "ill.service")
        assert box.systemctl("start", "ill.socket", check=False).returncode
        mend(box, found(box, "already-active"))
        assert "active" == box.show("ill.socket", "ActiveState")
        assert [] == doctor(box, "ill.socket")


def test_address_in_use(box: Box) -> None:
    """Another service listens at the address; then, another socket does."""
    text = "[Socket]\nListenStream=127.0.0.1:7990\n"
    squat = "socat", "TCP-LISTEN:7990,reuseaddr,fork", "-"
    box.run("systemd-run", "--quiet", "--unit=squatter", *squat)
    box.wait_for(lambda: ":7990" in box.run("ss", "-ltn").stdout, "the other's port")
    with ExitStack() as stack, ill(box, text, GOOD):
        stack.callback(box.systemctl, "stop", "squatter.service", check=False)
        finding = found(box, "address-in-use")
        assert any("held by socat" in line for line in finding["evidence"])
        assert finding["commands"][0].startswith("# squatter.service works: ")
        assert "systemctl stop squatter.service" == finding["commands"][1]
        mend(box, finding)
        assert "active" == box.show("ill.socket", "ActiveState")
        with box.units({"late.socket": text, "late.service": GOOD}):
            box.systemctl("start", "late.socket", check=False)
            finding = found(box, "address-in-use", "late.socket")
            assert "systemctl stop ill.socket" == finding["commands"][1]
            mend(box, finding)
            assert "active" == box.show("late.socket", "ActiveState")


def test_permission(box: Box) -> None:
    """An address at which not even the system's manager may open a socket."""
    with ill(box, SOCKET.replace(PATH, "/sys/ill.sock"), GOOD):
        mend(
            box,
            found(box, "permission"),
            lambda: box.write(f"{UNITS}/ill.socket", SOCKET),
        )
        assert "active" == box.show("ill.socket", "ActiveState")


def test_missing_user(box: Box) -> None:
    """A socket of a user that does not exist."""
    with ill(box, SOCKET + "SocketUser=nobodyknows\n", GOOD):
        mend(box, found(box, "missing-user"))
        assert "nobodyknows" == box.run("stat", "--format=%U", PATH).stdout.strip()


def test_files(box: Box) -> None:
    """A file that vanished from under its socket, and one that stayed without it."""
    with ill(box, SOCKET, GOOD):
        box.run("rm", PATH)
        mend(box, found(box, "file-gone"))
        assert "served" == box.run("socat", "-u", f"UNIX-CONNECT:{PATH}", "-").stdout
        box.systemctl("stop", "ill.socket", "ill.service")
        mend(box, found(box, "stale-file"))
        assert "served" == box.run("socat", "-u", f"UNIX-CONNECT:{PATH}", "-").stdout


def test_fifo_that_exists(box: Box) -> None:
    """A FIFO that belongs to the socket's user since the first start, and one that is no FIFO."""
    path = "/run/ill.fifo"
    with ill(box, f"[Socket]\nListenFIFO={path}\nSocketUser=nobody\n", GOOD):
        box.systemctl("restart", "ill.socket", check=False)
        finding = found(box, "file-exists")
        assert f"rm {path}" == finding["commands"][0]
        mend(box, finding)
        box.systemctl("restart", "ill.socket")
        assert "active" == box.show("ill.socket", "ActiveState")
        box.systemctl("stop", "ill.socket")
        box.write(path, "precious")
        box.systemctl("start", "ill.socket", check=False)
        finding = found(box, "file-exists")
        assert not any(line.startswith("rm ") for line in finding["commands"])
        mend(box, finding, lambda: box.run("rm", path))
        assert "active" == box.show("ill.socket", "ActiveState")


def test_a_socket_that_does_not_open(box: Box) -> None:
    """What no other diagnosis is for is told in systemd's words."""
    with ill(box, SOCKET.replace(PATH, "/etc/hostname/ill.sock"), GOOD):
        finding = found(box, "not-open")
        assert any("Not a directory" in line for line in finding["evidence"])
        mend(box, finding, lambda: box.write(f"{UNITS}/ill.socket", SOCKET))
        assert "active" == box.show("ill.socket", "ActiveState")


def test_changed_files(box: Box) -> None:
    """Files that were changed and not read, and a socket that is older than they are."""
    with ill(box, SOCKET, GOOD):
        box.write(f"{UNITS}/ill.socket", SOCKET + "SocketMode=0600\n")
        mend(box, found(box, "not-reloaded"))
        assert "600" == box.run("stat", "--format=%a", PATH).stdout.strip()
        assert [] == doctor(box, "ill.socket")
        box.write(f"{UNITS}/ill.socket", SOCKET + "SocketMode=0640\n")
        box.systemctl("daemon-reload")
        mend(box, found(box, "outdated"))
        assert "640" == box.run("stat", "--format=%a", PATH).stdout.strip()
        assert [] == doctor(box, "ill.socket")


def test_never_accepted(box: Box) -> None:
    """A service that opens a port of its own beside what it was passed."""
    text = "[Socket]\nListenStream=127.0.0.1:7990\n"
    with ill(box, text, service("/usr/bin/socat TCP-LISTEN:7991,reuseaddr,fork -")):
        with box.connected("TCP:127.0.0.1:7990", 1):
            finding = found(box, "never-accepted")
            assert "listens at 127.0.0.1:7991" in finding["message"].replace("0.0.0.0", "127.0.0.1")
            mend(box, finding, replaced(box, GOOD))
        assert "served" == box.run("socat", "-u", "TCP:127.0.0.1:7990", "-").stdout


def test_queue_overflow(box: Box) -> None:
    """A service that holds what it was passed and does not accept."""
    text = "[Socket]\nListenStream=127.0.0.1:7990\nBacklog=2\n"
    with ill(box, text, service("/bin/sleep inf")):
        with box.connected("TCP:127.0.0.1:7990", 4):
            finding = found(box, "queue-overflow")
            mend(box, finding, replaced(box, GOOD))
        assert "served" == box.run("socat", "-u", "TCP:127.0.0.1:7990", "-").stdout


def test_connections_max(box: Box) -> None:
    """As many connections as MaxConnections= allows."""
    text = service("/bin/sleep inf", "StandardInput=socket\n")
    socket = f"{SOCKET}{ACCEPT}MaxConnections=2\n"
    with ill(box, socket, text), box.connected(f"UNIX-CONNECT:{PATH}", 2):
        mend(box, found(box, "connections-max"))
        assert "8" == box.show("ill.socket", "MaxConnections")
        assert "connections-max" not in [one["name"] for one in doctor(box, "ill.socket")]


def test_failed_instances(box: Box) -> None:
    """Instances that fail and stay."""
    with ill(box, SOCKET + ACCEPT, service("/bin/false")):
        for _ in range(3):
            knock(box)
        mend(box, found(box, "failed-instances"))
        assert ["instances-fail"] == [one["name"] for one in doctor(box, "ill.socket")]
        for _ in range(3):
            knock(box)
        box.wait_for(lambda: box.show("ill.socket", "NAccepted") == "6", "all clients")
        box.wait_for(
            lambda: ["instances-fail"] == [one["name"] for one in doctor(box, "ill.socket")],
            "their end",
        )


def test_masked(box: Box) -> None:
    """A service that is masked, so that nobody is served."""
    box.write("/run/systemd/system/ill.service", GOOD)
    box.write("/root/server.py", SERVER)
    with box.units({"ill.socket": SOCKET}):
        box.systemctl("start", "ill.socket")
        box.systemctl("mask", "ill.service")
        mend(box, found(box, "service-masked"))
        assert "served" == box.run("socat", "-u", f"UNIX-CONNECT:{PATH}", "-").stdout
        box.systemctl("stop", "ill.socket", "ill.service")
    box.run("rm", "/run/systemd/system/ill.service")
    box.systemctl("daemon-reload")


def test_missing_service(box: Box) -> None:
    """A socket without a service."""
    box.write("/root/server.py", SERVER)
    with box.units({"ill.socket": SOCKET, "ill.service": "[Service]\n"}):
        box.systemctl("start", "ill.socket", check=False)
        mend(box, found(box, "service-missing"), replaced(box, GOOD))
        assert "active" == box.show("ill.socket", "ActiveState")


def test_lost_in_a_wrapper(box: Box) -> None:
    """A shell that starts the server and waits for it."""
    text = "[Socket]\nListenStream=127.0.0.1:7990\n"
    shell = "/bin/sh -c 'LOST=1 /usr/bin/python3 /root/server.py; true'"
    with ill(box, text, service(shell)):
        with box.connected("TCP:127.0.0.1:7990", 1):
            finding = found(box, "listen-pid-lost")
            assert "LISTEN_PID=" in finding["evidence"][0]
            better = shell.replace("LOST=1 /usr", "exec /usr").replace("; true", "")
            mend(box, finding, replaced(box, service(better)))
        assert "served" == box.run("socat", "-u", "TCP:127.0.0.1:7990", "-").stdout


def test_text_for_people(box: Box) -> None:
    """Each finding has its evidence and its commands, a line each."""
    with ill(box, SOCKET + "SocketUser=nobodyelse\n", GOOD):
        done = box.run("activator", "doctor", "ill.socket", check=False)
        assert 1 == done.returncode
        lines = done.stdout.splitlines()
        assert lines[0].startswith("ill.socket: there is no user 'nobodyelse'")
        assert "    mend      systemctl start ill.socket" == lines[-1]


@pytest.mark.parametrize("command", ["doctor"])
def test_without_a_manager(command: str, box: Box) -> None:
    """Where systemd cannot be asked, one line says so."""
    argv = ("env", "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere", "activator", command, "--user")
    done = box.run(*argv, check=False)
    assert 1 == done.returncode
    assert 1 == len(done.stderr.splitlines())
