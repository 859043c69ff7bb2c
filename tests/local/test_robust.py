"""Strange input, strange times, and a lack of everything: one line, and it goes on or ends well."""

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from activator.errors import ActivatorError
from activator.local import control
from activator.local.control import ask as request
from activator.local.units.adhoc import units as adhoc
from activator.local.units.load import load
from activator.local.units.paths import RuntimeDir
from tests.support.local import (
    PATIENCE,
    Activate,
    Running,
    ask,
    command,
    connect,
    early,
    environment,
    failure,
    free_port,
    python,
    read_all,
    run_to_end,
    write_units,
)

# Answers every client, until SIGTERM.
SERVER = """
while True:
    with accept() as client:
        send(client, os.getpid())
"""


def units(tmp_path: Path, more: str = "") -> None:
    """Write a service that runs on, and its socket."""
    write_units(
        tmp_path,
        {
            "web.socket": f"[Socket]\nListenStream={tmp_path}/web\n{more}",
            "web.service": f"[Service]\nExecStart={python(tmp_path, SERVER)}\n",
        },
    )


# --- numbers and words -------------------------------------------------------------------

_PARTS = st.sampled_from([
    "[", "]", "::1", "fe80::1", "::", ":", "%", "lo", "127.0.0.1", "vsock", "@", "/", "./", "x",
    "0", "1", "-1", "65535", "65536", "4294967296", "99999999999999999999", "٣", " ", "\n", "\0",
    "\udcff", "$", "\\", '"',
])  # fmt: skip
_ADDRESSES = st.lists(_PARTS, max_size=7).map("".join) | st.text(max_size=20)


@example("x\n", "stream", "")
@given(_ADDRESSES, st.sampled_from(["stream", "datagram", "seqpacket"]), st.text(max_size=5))
def test_any_address(address: str, kind: str, name: str) -> None:
    """Whatever -l and --fd-name are given is an address that can be bound, or one line."""
    try:
        texts = adhoc([address], ["/bin/cat"], kinds=[kind], names=[name] if name else [])
        for unit in load([], texts, RuntimeDir("/tmp")).sockets:
            for listen in unit.listens:
                assert listen.address.family is not None
                # Whether the kernel lets us does not matter here, but the form does.
                with contextlib.suppress(OSError), socket.socket(listen.address.family) as sock:
                    sock.connect(listen.address.sockaddr())
    except ActivatorError as error:
        (line,) = error.lines()
        assert "\n" not in line


@pytest.mark.parametrize("scope", ["0", "2147483648", "4294967297", "9" * 30])
def test_interface_out_of_range(tmp_path: Path, scope: str) -> None:
    """What the kernel would take for another interface is refused."""
    address = f"[fe80::1]:{free_port()}%{scope}"
    done = run_to_end(tmp_path, "-l", address, "--", "/bin/cat")
    expected = f"ListenStream={address}: there is no interface {scope}; `ip link` lists"
    assert (1, "") == (done.returncode, done.stdout)
    assert done.stderr.startswith(f"the command line:2: {expected}")


def test_interface_by_name(tmp_path: Path, activate: Activate) -> None:
    """An address of the command line has one % where that of a unit has two."""
    run = activate(
        "-l", f"[::1]:{(port := free_port())}%lo", "--", *python(tmp_path, SERVER).split()
    )
    run.until(rf"listening on \[::1\]:{port}%lo$")
    assert isinstance(ask(("::1", port)), int)
    assert 0 == run.stop()


@pytest.mark.parametrize("directive", ["SocketUser", "SocketGroup"])
@pytest.mark.parametrize("number", ["4294967295", "4294967296", "9" * 30])
def test_owner_out_of_range(tmp_path: Path, directive: str, number: str) -> None:
    """A number that no user has is no user, and the socket's file is removed again."""
    units(tmp_path, f"{directive}={number}\n")
    expected = f"web.socket:3: {directive}={number}: {number} is nobody's number; give a name\n"
    assert expected == failure(tmp_path, "web.socket")
    assert not (tmp_path / "web").exists()


# --- the control socket ------------------------------------------------------------------


def test_strange_requests(tmp_path: Path, activate: Activate) -> None:
    """Garbage, halves and a megabyte are no request; neither are a thousand who say nothing."""
    units(tmp_path)
    run = activate("--control-socket", "ctl", "web.socket")
    run.until("listening")
    path = f"{tmp_path}/ctl"
    for data in (b"\xff\0\n", b"{", b"", b'{"verb": "list", "names": null}\n', b"1" * 5000 + b"\n",
                 b"x" * (1 << 20) + b"\n", b'"x"\n', b"[]\n"):  # fmt: skip
        with connect(path) as client:
            with contextlib.suppress(BrokenPipeError):
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
            assert {"errors": ["this is not a request"]} == json.loads(read_all(client.dup()))
    silent = []
    for _ in range(1000):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            silent.append(client.dup())
    assert ["web.socket", "web.service"] == [row["unit"] for row in request(path, "list", [])]
    descriptors = len(list(Path(f"/proc/{run.process.pid}/fd").iterdir()))
    assert descriptors < 300  # as many as asyncio accepts at a time, and some
    for client in silent:
        client.close()
    assert 0 == run.stop()
    assert "Traceback" not in run.text


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, "no local activator answers at {}: it does not answer; start it with"),
        (b"", "the local activator at {} has ended; start it again"),
        (b"HTTP/1.1 400 Bad Request\r\n", "what answers at {} is not a local activator; name its"),
        (b"[]\n", "what answers at {} is not a local activator; name its"),
        (b"{}\n", "what answers at {} is not a local activator; name its"),
    ],
)
def test_foreign_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes | None, expected: str
) -> None:
    """Whoever else listens there is told apart, also if he says nothing."""
    if answer is None:
        monkeypatch.setattr(control, "_PATIENCE", 0.3)
    path = f"{tmp_path}/ctl"

    def serve() -> None:
        client, _ = other.accept()
        with client:
            client.recv(1000)
            if answer is None:
                over.wait(PATIENCE)
            else:
                client.sendall(answer)

    over = threading.Event()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(ActivatorError) as caught:
            request(path, "list", [])
        over.set()
        thread.join()
    assert str(caught.value).startswith(expected.format(path))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("none", "No such file or directory"),
        ("x" * 200, "AF_UNIX path too long"),
        ("/etc/passwd", "Connection refused"),
        ("/", "Connection refused"),
    ],
)
def test_no_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, reason: str) -> None:
    """A path where nothing listens is told with the reason."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ActivatorError) as caught:
        request(path, "list", [])
    hint = "start it with `activator run --control`"
    assert f"no local activator answers at {path}: {reason}; {hint}" == str(caught.value)


# --- signals and files -------------------------------------------------------------------


def test_signal_storm(tmp_path: Path, activate: Activate) -> None:
    """However often it is told to read its units again, clients are answered, and it ends."""
    units(tmp_path)
    run = activate("web.socket")
    run.until("listening")
    pid = ask(f"{tmp_path}/web")
    for number in range(300):
        run.process.send_signal(signal.SIGHUP)
        if number % 50 == 0:
            assert pid == ask(f"{tmp_path}/web")
    run.process.send_signal(signal.SIGHUP)
    assert 0 == run.stop()
    assert "Traceback" not in run.text
    assert "not reloaded" not in run.text


def test_reload_while_opening(tmp_path: Path, activate: Activate) -> None:
    """SIGHUP, or a request, before all sockets are open waits until they are."""
    units(tmp_path, "ExecStartPre=/bin/sleep 0.7\n")
    run = activate("--control-socket", "ctl", "web.socket")
    early(f"{tmp_path}/ctl").close()
    run.process.send_signal(signal.SIGHUP)
    (row,) = request(f"{tmp_path}/ctl", "start", ["web"])
    assert "running" == row["state"]
    run.until("units read again: no unit has changed")
    assert 0 == run.stop()


def test_end_at_any_moment(tmp_path: Path) -> None:
    """Whenever it is told to end, it ends, and nothing is left behind."""
    settings = "ExecStartPre=/bin/sleep 0.1\nExecStopPost=/bin/sleep 0.1\n"
    mark = f"Environment=MARK={tmp_path}\n"
    chance = random.Random(1)
    running = []
    for number in range(12):
        directory = tmp_path / str(number)
        directory.mkdir()
        units(directory, settings)
        service = directory / "web.service"
        more = f"{mark}ExecStartPre=/bin/sleep 0.1\nExecStop=/bin/sleep 0.1\nRuntimeDirectory=web\n"
        service.write_text(service.read_text() + more)
        options = ("--now", "--runtime-dir", "run", "--control-socket", "ctl", "web.socket")
        process = subprocess.Popen(
            command(*options),
            cwd=directory,
            env=environment(TMPDIR=str(directory)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if number % 4 == 3:
            time.sleep(0.5)
        running.append((directory, process, time.monotonic() + chance.uniform(0.15, 1.0)))
    for directory, process, moment in sorted(running, key=lambda each: each[2]):
        time.sleep(max(0.0, moment - time.monotonic()))
        process.send_signal(signal.SIGTERM)
        if chance.random() < 0.3:
            process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode in (0, -signal.SIGTERM), out
        assert "Traceback" not in out
        left = {path.name for path in directory.rglob("*")}
        assert {"service.py", "web.service", "web.socket"} == left - {"run"}
    carried = f"MARK={tmp_path}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            assert carried not in path.read_bytes().split(b"\0")


def test_units_that_go(tmp_path: Path, activate: Activate) -> None:
    """Without its files, and without its directories, everything runs on as it is."""
    folder = tmp_path / "all"
    folder.mkdir()
    units(folder)
    script = tmp_path / "service.py"
    (folder / "service.py").rename(script)
    (folder / "web.service").write_text(f"[Service]\nExecStart={sys.executable} {script}\n")
    (folder / "web.socket").write_text(f"[Socket]\nListenStream={tmp_path}/web\n")
    run = activate("--control-socket", "ctl", "all")
    run.until("listening")
    shutil.rmtree(folder)
    run.process.send_signal(signal.SIGHUP)
    run.until("^not reloaded: all is not a unit")
    pid = ask(f"{tmp_path}/web")
    os.kill(pid, signal.SIGKILL)
    run.until("was ended by SIGKILL")
    assert pid != ask(f"{tmp_path}/web")
    (tmp_path / "web").unlink()
    (tmp_path / "ctl").unlink()
    assert 0 == run.stop()


def test_directory_that_goes(tmp_path: Path) -> None:
    """Without the directory that it was started in, it serves on as well."""
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "x").mkdir()
    start = python(tmp_path / "x", SERVER)
    write_units(
        home,
        {
            "web.socket": f"[Socket]\nListenStream={tmp_path}/web\n",
            "web.service": f"[Service]\nExecStart={start}\n",
        },
    )
    process = subprocess.Popen(
        command("web.socket"),
        cwd=home,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    run = Running(process)
    try:
        run.until("listening")
        shutil.rmtree(home)
        process.send_signal(signal.SIGHUP)
        run.until("^not reloaded: cannot read the units: No such file or directory; see whether")
        assert isinstance(ask(f"{tmp_path}/web"), int)
        assert 0 == run.stop()
    finally:
        run.clean_up()
    assert "Traceback" not in run.text


# --- a lack of descriptors ---------------------------------------------------------------


def few(count: int) -> None:
    """Let a child have so many descriptors only."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


@pytest.mark.parametrize("count", [8, 10])
def test_too_few_descriptors(tmp_path: Path, count: int) -> None:
    """What cannot even start says so in a line, and leaves nothing behind."""
    write_units(
        tmp_path,
        {
            "cat.socket": f"[Socket]\nListenStream={tmp_path}/cat\nAccept=yes\n",
            "cat@.service": "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n",
        },
    )
    done = run_to_end(tmp_path, "cat.socket", preexec_fn=lambda: few(count))
    assert 1 == done.returncode
    expected = "Too many open files; raise `ulimit -n`, or serve fewer clients at a time\n"
    assert expected == done.stderr.removeprefix("cat.socket:2: ")
    assert not (tmp_path / "cat").exists()


def test_descriptors_run_out(tmp_path: Path) -> None:
    """More clients than descriptors: it says so, goes on, and serves again when they have gone."""
    write_units(
        tmp_path,
        {
            "cat.socket": f"[Socket]\nListenStream={tmp_path}/cat\nAccept=yes\n",
            "cat@.service": "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n",
        },
    )
    process = subprocess.Popen(
        command("--control-socket", "ctl", "cat.socket"),
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=lambda: few(20),  # noqa: PLW1509 - no threads here
    )
    run = Running(process)
    try:
        run.until("listening")
        clients = [connect(f"{tmp_path}/cat") for _ in range(20)]
        run.until("Too many open files; raise `ulimit -n`")
        for client in clients:
            client.close()
        end = time.monotonic() + PATIENCE
        answer = b""
        while answer != b"x" and time.monotonic() < end:
            with contextlib.suppress(OSError), connect(f"{tmp_path}/cat") as client:
                client.sendall(b"x")
                answer = client.recv(1)
        assert b"x" == answer
        assert 0 == run.stop()
    finally:
        run.clean_up()
    assert "Traceback" not in run.text
    assert not (tmp_path / "cat").exists()
