"""Where `activator run` listens: taken, stale, forbidden and moved addresses."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.support.local import ONCE as SERVE_ONCE
from tests.support.local import (
    Activate,
    ask,
    command,
    connect,
    environment,
    failure,
    free_port,
    python,
    write_units,
)

GOOD = "[Service]\nExecStart=/bin/true\n"
LISTEN = "[Socket]\nListenStream=@activator-never-opened\n"


def test_port_in_use(tmp_path: Path) -> None:
    """A port in use is named with the command that tells by whom; no other socket is left open."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        write_units(
            tmp_path,
            {
                "a.socket": f"""
                    [Socket]
                    ListenStream={tmp_path}/first.sock
                    ListenStream=127.0.0.1:{port}
                    """,
                "a.service": GOOD,
            },
        )
        text = failure(tmp_path, "a.socket")

    assert text == (
        f"a.socket:3: 127.0.0.1:{port}: already in use; stop the other process "
        f"(ss -ltnp 'sport = :{port}' names it), or change ListenStream=\n"
    )
    assert not (tmp_path / "first.sock").exists()


def test_address_of_another_line(tmp_path: Path) -> None:
    """An address that is named twice is told from one that others use."""
    port = free_port()
    write_units(
        tmp_path,
        {
            "a.socket": f"[Socket]\nListenStream={port}\n",
            "b.socket": f"[Socket]\nListenStream=[::]:{port}\n",
            "a.service": GOOD,
            "b.service": GOOD,
        },
    )
    text = failure(tmp_path, "a.socket", "b.socket")

    assert text.startswith(f"b.socket:2: [::]:{port} is the same address as in a.socket:2;")


def test_absent_address_and_interface(tmp_path: Path) -> None:
    """An address that no interface has, and an interface that is not there, are explained."""
    write_units(
        tmp_path,
        {
            "a.socket": """
                [Socket]
                ListenStream=192.0.2.1:8080
                ListenStream=[fe80::1]:8080%%nosuch0
                """,
            "a.service": GOOD,
        },
    )
    first, second = failure(tmp_path, "a.socket").splitlines()

    assert first.startswith("a.socket:2: 192.0.2.1:8080: no interface has this address; set FreeB")
    assert second.startswith("a.socket:3: ListenStream=[fe80::1]:8080%nosuch0: there is no interf")


@pytest.mark.parametrize("directive", ["ListenStream", "ListenDatagram"])
def test_live_unix_socket(tmp_path: Path, directive: str) -> None:
    """A Unix socket that somebody listens on is left alone."""
    path = tmp_path / "sock"
    kind = socket.SOCK_STREAM if directive == "ListenStream" else socket.SOCK_DGRAM
    write_units(tmp_path, {"a.socket": f"[Socket]\n{directive}={path}\n", "a.service": GOOD})
    with socket.socket(socket.AF_UNIX, kind) as holder:
        holder.bind(str(path))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        text = failure(tmp_path, "a.socket")

    assert text.startswith(f"a.socket:2: another process is listening on {path}; stop it (ss")
    assert path.exists()


def test_stale_unix_socket(tmp_path: Path, activate: Activate) -> None:
    """A Unix socket that nobody listens on is replaced."""
    path = tmp_path / "sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
        stale.listen()
    service = f"[Service]\nExecStart={python(tmp_path, SERVE_ONCE)}\n"
    write_units(tmp_path, {"a.socket": f"[Socket]\nListenStream={path}\n", "a.service": service})
    run = activate("a.socket")
    run.until("listening")

    assert ask(str(path))["fds"]
    assert run.stop() == 0
    assert not path.exists()


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    """A file of another type at a socket's or FIFO's path is no reason to delete it."""
    (tmp_path / "file").write_text("precious")
    write_units(
        tmp_path,
        {
            "a.socket": f"[Socket]\nListenStream={tmp_path}/file\nListenFIFO={tmp_path}/file\n",
            "a.service": GOOD,
        },
    )
    first, second = failure(tmp_path, "a.socket").splitlines()

    assert first.startswith(f"a.socket:2: {tmp_path}/file exists and is not a socket; move it away")
    assert second.startswith(f"a.socket:3: {tmp_path}/file exists and is no FIFO; move it away")
    assert (tmp_path / "file").read_text() == "precious"


def test_fifo_that_differs(tmp_path: Path, activate: Activate) -> None:
    """A FIFO that is there is taken if it is as it would be made, else refused; it stays."""
    path = tmp_path / "fifo"
    os.mkfifo(path, 0o600)
    text = f"[Socket]\nListenFIFO={path}\nSocketMode="
    write_units(tmp_path, {"a.socket": f"{text}0640\n", "a.service": GOOD})
    assert "has another mode or owner than it would get" in failure(tmp_path, "a.socket")

    write_units(tmp_path, {"a.socket": f"{text}0600\n"})
    run = activate("a.socket")
    run.until("listening")
    assert run.stop() == 0
    assert path.exists()


def test_special_files(tmp_path: Path) -> None:
    """A special file that cannot be waited for, or is none, is refused."""
    write_units(
        tmp_path,
        {
            "a.socket": f"""
                [Socket]
                ListenSpecial=/etc/passwd
                ListenSpecial={tmp_path}
                ListenSpecial=/nowhere
                ListenUSBFunction=/activator
                """,
            "a.service": GOOD,
        },
    )
    lines = failure(tmp_path, "a.socket").splitlines()
    kinds = "a regular file nor a character device"

    assert [
        "a.socket:2: /etc/passwd cannot be waited for; choose a file that can be polled",
        f"a.socket:3: {tmp_path} is neither {kinds}; change ListenSpecial=",
        "a.socket:4: /nowhere: No such file or directory; change ListenSpecial=",
        "a.socket:5: ListenUSBFunction= is not run here; start this unit with systemd",
    ] == lines


def test_interface_and_owner(tmp_path: Path) -> None:
    """An interface, a user or a group that does not exist is an error with its hint."""
    port = free_port()
    for line, expected in (
        ("BindToDevice=nosuch0", "cannot bind to the interface nosuch0: No such device; correct"),
        ("SocketUser=no-such-user", "there is no user no-such-user; correct SocketUser="),
        ("SocketGroup=no-such-group", "there is no group no-such-group; correct SocketGroup="),
    ):
        where = port if "Device" in line else tmp_path / "sock"
        write_units(
            tmp_path,
            {"a.socket": f"[Socket]\nListenStream={where}\n{line}\n", "a.service": GOOD},
        )
        assert failure(tmp_path, "a.socket").startswith(f"a.socket:2: {expected}")
        assert not (tmp_path / "sock").exists()


def test_owner(tmp_path: Path, activate: Activate) -> None:
    """Nodes are given to SocketUser= and SocketGroup= where that is permitted."""
    write_units(
        tmp_path,
        {
            "a.socket": f"""
                [Socket]
                ListenStream={tmp_path}/sock
                ListenFIFO={tmp_path}/fifo
                SocketUser=65534
                """,
            "a.service": GOOD,
        },
    )
    run = activate("a.socket")
    run.until("listening", count=2)
    if os.getuid() == 0:
        assert {65534} == {(tmp_path / name).stat().st_uid for name in ("sock", "fifo")}
    else:
        run.until("stays ours: only root may give it to 65534", count=2)
    assert run.stop() == 0


def unprivileged(*arguments: str) -> list[str]:
    """Return a command line that runs as somebody who may not write everywhere."""
    if os.getuid() != 0:
        return command(*arguments)
    if not shutil.which("setpriv"):
        pytest.skip("needs setpriv to give privileges up")
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command(*arguments)]


def test_permission_denied(tmp_path: Path) -> None:
    """Where /run may not be written, the hint is --runtime-dir; a low port has its own."""
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o555)
    write_units(
        tmp_path,
        {
            "a.socket": f"""
                [Socket]
                ListenStream={locked}/sock
                ListenStream=/run/user/sock
                ListenStream=127.0.0.1:81
                """,
            "a.service": GOOD,
        },
    )
    done = subprocess.run(
        unprivileged("a.socket"),
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith(
        f"a.socket:2: {locked}/sock: not permitted; choose a directory that you may write to\n"
    )
    low = "a.socket:4: 127.0.0.1:81: not permitted; choose a port from 1024 on, or run as root\n"
    start = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text(encoding="ascii")
    assert (low in done.stderr) == (int(start) > 81)


def test_runtime_directory(tmp_path: Path, activate: Activate) -> None:
    """--runtime-dir moves /run and %t; a path that becomes too long is explained."""
    service = python(tmp_path, SERVE_ONCE)
    write_units(
        tmp_path,
        {
            "a.socket": "[Socket]\nListenStream=/run/deep/a.sock\nListenStream=%t/b.sock\n",
            "a.service": f"[Service]\nExecStart={service}\nRuntimeDirectory=mine\n",
            "long.socket": f"[Socket]\nListenStream=/run/{'x' * 100}\n",
            "long.service": GOOD,
        },
    )
    assert "give a shorter --runtime-dir" in failure(
        tmp_path, "--runtime-dir", tmp_path / "rt", "long.socket"
    )
    run = activate("--runtime-dir", "rt", "a.socket")
    run.until(rf"^a\.socket: listening on {tmp_path}/rt/deep/a\.sock$")
    run.until(rf"^a\.socket: listening on {tmp_path}/rt/b\.sock$")
    facts = ask(str(tmp_path / "rt" / "deep" / "a.sock"))

    assert f"{tmp_path}/rt/mine" == facts["environ"]["RUNTIME_DIRECTORY"]
    assert run.stop() == 0
    assert list((tmp_path / "rt").iterdir()) == []


def test_options_that_cannot_be_set(tmp_path: Path, activate: Activate) -> None:
    """An option that the kernel refuses is a note; the socket is open all the same."""
    port = free_port()
    write_units(
        tmp_path,
        {
            "a.socket": f"[Socket]\nListenStream={port}\nTCPCongestion=nosuch\n",
            "a.service": GOOD,
        },
    )
    run = activate("a.socket")
    run.until(r"^a\.socket: TCPCongestion= could not be set: ")
    connect(port).close()
    run.until("start-limit-hit")


@pytest.mark.parametrize(("kind", "slow"), [("tcp", "0"), ("unix", "0"), ("unix", "2.5")])
def test_service_that_listens_elsewhere(
    tmp_path: Path, activate: Activate, kind: str, slow: str
) -> None:
    """A program that ignores its socket and opens its own is told, while the client waits."""
    own = str(free_port()) if kind == "tcp" else f"{tmp_path}/own"
    code = """
        name = sys.argv[1]
        time.sleep(float(sys.argv[2]))
        if name.isdecimal():
            own = socket.create_server(("127.0.0.1", int(name)))
        else:
            own = socket.socket(socket.AF_UNIX)
            own.bind(name)
            own.listen()
        time.sleep(1000)
        """
    run = activate("-l", f"{tmp_path}/s", "--", *python(tmp_path, code).split(), own, slow)
    run.until("listening")
    with connect(f"{tmp_path}/s"):
        where = f":{own}" if kind == "tcp" else own
        run.until(rf"has not taken the socket it was passed: it listens on {where}; see mode = ")
    assert 0 == run.stop()


def test_service_that_is_slow(tmp_path: Path, activate: Activate) -> None:
    """A service that takes its time with the socket it was passed is not blamed."""
    code = "time.sleep(3)\nwith accept() as client: send(client, 1)"
    run = activate("-l", f"{tmp_path}/s", "--", *python(tmp_path, code).split())
    run.until("listening")
    assert 1 == ask(f"{tmp_path}/s")
    assert "has not taken" not in run.text
    assert 0 == run.stop()
