"""SIGHUP takes up changed sockets with all who wait at them; nobody is refused or lost."""

import os
import re
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from tests.support.local import (
    PATIENCE,
    Activate,
    Running,
    alive,
    ask,
    connect,
    free_port,
    python,
    read_all,
    write_units,
)

# Tells each client its process and the descriptors' names, until SIGTERM; whoever it has
# accepted is answered, who waits then is left to the next process.
SERVER = """
import select
reading, writing = os.pipe()
os.set_blocking(writing, False)
signal.set_wakeup_fd(writing)
signal.signal(signal.SIGTERM, lambda *_: None)
listeners = [socket.socket(fileno=fd) for fd in sorted(daemon.listen_fds())]
names = os.environ["LISTEN_FDNAMES"].split(":")
while True:
    ready, _, _ = select.select([*listeners, reading], [], [])
    if reading in ready:
        sys.exit()
    for listener in ready:
        with listener.accept()[0] as client:
            send(client, [os.getpid(), names])
"""
# Takes nobody until it is told to by a file, so that clients wait.
LAZY = (
    """
while not os.path.exists(sys.argv[1]):
    time.sleep(0.02)
"""
    + SERVER
)


def units(tmp_path: Path, lines: str, server: str = "") -> None:
    """Write a socket with some lines, and its service."""
    start = server or python(tmp_path, SERVER)
    write_units(
        tmp_path,
        {
            "web.socket": f"[Socket]\n{lines}",
            "web.service": f"[Service]\nExecStart={start}\n",
        },
    )


def reload(run: Running, expected: str) -> None:
    """Have the units read again, and wait for what is told."""
    lines = "^(units read again: .*|not reloaded: .*)$"
    count = len(re.findall(lines, run.text, re.MULTILINE)) + 1
    run.process.send_signal(signal.SIGHUP)
    line = run.until(lines, count=count)
    assert f"units read again: {expected}" == line[0], run.text


def state(port: int) -> str:
    """Return what the kernel knows of a listener: its buffers, mark and backlog."""
    done = subprocess.run(
        ["ss", "-Hltnm", f"sport = :{port}"], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_settings_of_an_open_socket(tmp_path: Path, activate: Activate) -> None:
    """Options and backlog are set on what is open, and put back; the service and its queue stay."""
    port = free_port()
    address = f"ListenStream=127.0.0.1:{port}\n"
    units(tmp_path, address)
    run = activate("web.socket")
    run.until("listening")
    pid, names = ask(port)
    assert ["web.socket"] == names
    before = state(port)
    more = "ReceiveBuffer=100K\nBacklog=7\nFileDescriptorName=http\nKeepAlive=yes\n"
    units(tmp_path, address + more)
    reload(run, "web.socket changed")
    now = state(port)
    assert "rb204800" in now
    assert "7" == now.split()[2]
    assert pid == ask(port)[0]
    os.kill(pid, signal.SIGTERM)
    run.until("exited$")
    assert ["http"] == ask(port)[1]
    units(tmp_path, address)
    reload(run, "web.socket changed")
    assert before == state(port)
    assert 0 == run.stop()
    assert 1 == run.text.count("listening on")


def test_node_of_an_open_socket(tmp_path: Path, activate: Activate) -> None:
    """Mode, owner and symlinks change, and whoever waits in the queue is served."""
    address = f"ListenStream={tmp_path}/web\n"
    lazy = f"{python(tmp_path, LAZY)} {tmp_path}/go"
    units(tmp_path, f"{address}Symlinks={tmp_path}/one {tmp_path}/two\nSocketMode=0600\n", lazy)
    run = activate("web.socket")
    run.until("listening")
    inode = (tmp_path / "web").stat().st_ino
    with connect(f"{tmp_path}/web") as client:
        run.until("started$")
        owner = "SocketUser=65534\n" if os.getuid() == 0 else ""
        more = f"Symlinks={tmp_path}/two {tmp_path}/three\nSocketMode=0640\n{owner}"
        units(tmp_path, address + more, lazy)
        reload(run, "web.socket changed")
        (tmp_path / "go").touch()
        assert read_all(client.dup())
    status = (tmp_path / "web").stat()
    assert (inode, 0o640) == (status.st_ino, status.st_mode & 0o777)
    assert not owner or status.st_uid == 65534
    links = {path.name: str(path.readlink()) for path in tmp_path.iterdir() if path.is_symlink()}
    assert {"two": f"{tmp_path}/web", "three": f"{tmp_path}/web"} == links
    units(tmp_path, address, lazy)
    reload(run, "web.socket changed")
    assert os.geteuid() == (tmp_path / "web").stat().st_uid
    assert 0 == run.stop()
    assert not any(path.is_symlink() or path.is_socket() for path in tmp_path.iterdir())


def test_unknown_owner_changes_nothing(tmp_path: Path, activate: Activate) -> None:
    """A user that does not exist is told before anything is changed."""
    address = f"ListenStream={tmp_path}/web\n"
    units(tmp_path, address)
    run = activate("web.socket")
    run.until("listening")
    mode = (tmp_path / "web").stat().st_mode
    units(tmp_path, f"{address}SocketMode=0600\nSocketUser=no-such-user\n")
    run.process.send_signal(signal.SIGHUP)
    run.until(r"^not reloaded: web\.socket: there is no user no-such-user; correct SocketUser=$")
    assert mode == (tmp_path / "web").stat().st_mode
    assert 0 == run.stop()


def test_limits_of_an_open_socket(tmp_path: Path, activate: Activate) -> None:
    """With Accept=yes, MaxConnections= counts those who are there already."""
    lines = f"[Socket]\nListenStream={tmp_path}/cat\nAccept=yes\nMaxConnections="
    service = "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n"
    write_units(tmp_path, {"cat.socket": f"{lines}2\n", "cat@.service": service})
    run = activate("cat.socket")
    run.until("listening")
    with connect(f"{tmp_path}/cat") as first:
        first.sendall(b"1")
        assert b"1" == first.recv(1)
        write_units(tmp_path, {"cat.socket": f"{lines}1\n"})
        reload(run, "cat.socket changed")
        with connect(f"{tmp_path}/cat") as second:
            assert b"" == second.recv(1)
        first.sendall(b"2")
        assert b"2" == first.recv(1)
    assert 0 == run.stop()


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_added_and_removed_addresses(tmp_path: Path, activate: Activate, kind: str) -> None:
    """While addresses come and go, clients of the one that stays are all answered."""
    addresses = [f"{tmp_path}/{number}" for number in range(3)]
    if kind == "tcp":
        addresses = [f"127.0.0.1:{free_port()}" for _ in range(3)]
    stays, *others = [int(each.partition(":")[2]) if kind == "tcp" else each for each in addresses]
    lines = [f"ListenStream={each}\n" for each in addresses]
    units(tmp_path, lines[0] + lines[1])
    run = activate("web.socket")
    run.until("listening", count=2)
    answers: list[int] = []
    over = threading.Event()

    def clients() -> None:
        while not over.is_set():
            answers.append(ask(stays)[0])

    thread = threading.Thread(target=clients)
    thread.start()
    try:
        for text in (lines[2] + lines[0], lines[0], lines[0] + lines[1], lines[0] + lines[2]):
            units(tmp_path, text)
            reload(run, "web.socket made anew")
            count = len(answers)
            while len(answers) < count + 3:
                assert thread.is_alive()
                over.wait(0.01)
    finally:
        over.set()
        thread.join(PATIENCE)
    assert len(set(answers)) >= 4  # its descriptors changed, so it was started again
    assert 1 == len(re.findall(rf"listening on {addresses[0]}$", run.text, re.MULTILINE))
    assert ask(others[1])
    with pytest.raises(OSError, match=r"refused|No such file"):
        connect(others[0])
    assert 0 == run.stop()
    assert [] == [path for path in tmp_path.iterdir() if path.is_socket()]


def test_other_mode(tmp_path: Path, activate: Activate) -> None:
    """From Accept=no to Accept=yes and back, the socket and whoever waits at it stay."""
    address = f"[Socket]\nListenStream={tmp_path}/web\n"
    each = "with socket.socket(fileno=3) as client: send(client, [os.getpid(), 0])"
    write_units(
        tmp_path,
        {
            "web.socket": address,
            "web.service": f"[Service]\nExecStart={python(tmp_path, SERVER)}\n",
            "web@.service": f"[Service]\nExecStart={python(tmp_path, each, 'each')}\n",
        },
    )
    run = activate("web.socket")
    run.until("listening")
    inode = (tmp_path / "web").stat().st_ino
    pid, names = ask(f"{tmp_path}/web")
    assert names
    write_units(tmp_path, {"web.socket": f"{address}Accept=yes\n"})
    reload(run, "web.socket made anew")
    assert not alive(pid)
    assert 0 == ask(f"{tmp_path}/web")[1]
    write_units(tmp_path, {"web.socket": address})
    reload(run, "web.socket made anew")
    assert ["web.socket"] == ask(f"{tmp_path}/web")[1]
    assert inode == (tmp_path / "web").stat().st_ino
    assert 0 == run.stop()


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_who_waits_is_served_before_it_closes(
    tmp_path: Path, activate: Activate, kind: str
) -> None:
    """With Accept=yes, an address that goes serves those who have come already."""
    address = f"{tmp_path}/cat" if kind == "unix" else f"127.0.0.1:{free_port()}"
    target = address if kind == "unix" else int(address.partition(":")[2])
    lines = f"[Socket]\nListenStream={tmp_path}/other\nAccept=yes\nMaxConnections=1000\n"
    write_units(
        tmp_path,
        {
            "cat.socket": f"{lines}ListenStream={address}\n",
            "cat@.service": "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n",
        },
    )
    run = activate("cat.socket")
    run.until("listening", count=2)
    write_units(tmp_path, {"cat.socket": lines})
    # Stopped, so that all of them wait in the queue, and the signal comes first.
    os.kill(run.process.pid, signal.SIGSTOP)
    run.process.send_signal(signal.SIGHUP)
    clients = [connect(target) for _ in range(20)]
    os.kill(run.process.pid, signal.SIGCONT)
    run.until("units read again: cat.socket made anew")
    for client in clients:
        client.sendall(b"x")
        client.shutdown(socket.SHUT_WR)
        assert b"x" == read_all(client)
    with pytest.raises(OSError, match=r"refused|No such file"):
        connect(target)
    assert 0 == run.stop()


def test_failed_change_keeps_the_queue(tmp_path: Path, activate: Activate) -> None:
    """An address that cannot be had beside one that stays: this is given back, not opened again."""
    address = f"ListenStream={tmp_path}/web\n"
    units(tmp_path, address)
    run = activate("web.socket")
    run.until("listening")
    inode = (tmp_path / "web").stat().st_ino
    port = free_port()  # which nobody has afterwards
    with socket.create_server(("127.0.0.1", port)):
        units(tmp_path, f"{address}SocketMode=0600\nListenStream=127.0.0.1:{port}\n")
        run.process.send_signal(signal.SIGHUP)
        run.until("^not reloaded: .*already in use")
        status = (tmp_path / "web").stat()
        assert (inode, 0o666) == (status.st_ino, status.st_mode & 0o777)
        assert ask(f"{tmp_path}/web")
    reload(run, "web.socket made anew")
    assert ask(port)
    assert 0 == run.stop()


def test_link_in_the_place_of_a_socket(tmp_path: Path, activate: Activate) -> None:
    """A link that somebody has put in a socket's place is not followed when its mode changes."""
    path, other = tmp_path / "a", tmp_path / "other"
    unit = f"[Socket]\nListenStream={path}\nSocketMode="
    service = "[Service]\nExecStart=/bin/cat\n"
    write_units(tmp_path, {"a.socket": f"{unit}0600\n", "a.service": service})
    running = activate(str(tmp_path / "a.socket"))
    running.until("listening")
    other.write_text("secret")
    other.chmod(0o600)
    path.unlink()
    path.symlink_to(other)
    write_units(tmp_path, {"a.socket": f"{unit}0666\n"})
    running.process.send_signal(signal.SIGHUP)
    running.until(f"{path} has gone: restart this to make it anew")

    assert 0o100600 == other.stat().st_mode
    assert running.stop() == 0
    assert path.is_symlink()
