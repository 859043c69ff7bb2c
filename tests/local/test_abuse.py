"""What goes wrong is told in one line that says what to do, and leaves nothing behind.

Nothing is: no process, no socket file, no directory.
"""

import contextlib
import os
import re
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.local import (
    PATIENCE,
    Activate,
    Running,
    alive,
    command,
    connect,
    environment,
    failure,
    free_port,
    knock,
    python,
    read_all,
    write_units,
)


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Check after each test that there is nothing but what the test itself has written."""
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield
    assert [] == list(scratch.iterdir())
    assert [] == [path for path in tmp_path.rglob("*") if path.is_socket() or path.is_fifo()]
    assert not (tmp_path / "made").exists()
    carried = f"MARK={tmp_path}".encode()
    left = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if carried in path.read_bytes().split(b"\0"):
                left.append(path)
    assert [] == left


def units(tmp_path: Path, service: str, socket_unit: str = "") -> None:
    """Write a service, whose processes are marked, and its socket in a directory of its own."""
    write_units(
        tmp_path,
        {
            "x.socket": f"[Socket]\nListenStream={tmp_path}/made/x\n{socket_unit}",
            "x.service": f"[Service]\nEnvironment=MARK={tmp_path}\n{service}",
        },
    )


def lines(run: Running) -> list[str]:
    """Return what was said of problems, one line each: they stand before no process."""
    return [line for line in run.text.splitlines() if "; " in line]


# --- before anything listens ------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "socket_unit", "expected"),
    [
        ("ExecStart=/no/such/program\n", "", "x.service:3: /no/such/program does not exist; inst"),
        ("ExecStart=/etc/passwd\n", "", "x.service:3: /etc/passwd is not executable; run chmod +x"),
        ("ExecStart=/tmp\n", "", "x.service:3: /tmp is a directory; give the program"),
        ("ExecStart=/bin/cat 'x\n", "", "x.service:3: "),
        ("ExecStart\n", "", "x.service:3: 'ExecStart' is not an assignment; write NAME=VALUE"),
        ("ExecStart=/bin/cat\n", "[Sock\n", "x.socket:3: the section header '[Sock' is not closed"),
        ("ExecStart=/bin/cat\n", "ListenStream=/proc/x/y\n", "x.socket:3: "),
    ],
)
def test_refused_at_once(tmp_path: Path, service: str, socket_unit: str, expected: str) -> None:
    """What cannot work fails before the first client, with its place and what to do."""
    units(tmp_path, service, socket_unit)
    line, *more = failure(tmp_path, "x.socket").splitlines()
    assert line.startswith(expected)
    assert "; " in line
    # Without the line that was skipped, nothing is to be run.
    assert all("the service has no command" in each for each in more)


def test_port_in_use(tmp_path: Path) -> None:
    """A port that another process has: who has it, by which command."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        units(tmp_path, "ExecStart=/bin/cat\n", f"ListenStream=127.0.0.1:{port}\n")
        expected = f"x.socket:3: 127.0.0.1:{port}: already in use; stop the other process (ss -ltnp"
        assert failure(tmp_path, "x.socket").startswith(expected)


def test_live_unix_socket(tmp_path: Path) -> None:
    """A path that another process listens at stays its own."""
    path = tmp_path / "other"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        units(tmp_path, "ExecStart=/bin/cat\n", f"ListenStream={path}\n")
        expected = f"x.socket:3: another process is listening on {path}; stop it (ss -xlp names it)"
        assert failure(tmp_path, "x.socket").startswith(expected)
        connect(str(path)).close()
    path.unlink()


@pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("setpriv"), reason="needs root, to give it up"
)
def test_permission_denied(tmp_path: Path) -> None:
    """Whoever may not write somewhere is told to choose another place."""
    units(tmp_path, "ExecStart=/bin/cat\n")
    directory = tmp_path / "made"
    directory.mkdir()
    os.chown(directory, 65534, 65534)
    # Still user 0, as the interpreter's files may be root's, but with no capability.
    done = subprocess.run(
        ["setpriv", "--bounding-set=-all", *command("x.socket")],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert 1 == done.returncode, done.stderr
    expected = r"x\.socket:2: \S+/made/x: not permitted; choose a directory that you may write to\n"
    assert re.fullmatch(expected, done.stderr)
    directory.rmdir()


@pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("unshare"), reason="needs root, to mount something"
)
@pytest.mark.parametrize(
    ("inodes", "what"),
    [
        (2, r".*/full/a/x: no space left on device"),
        (4, r".* cannot make \S+/full/b/c for RuntimeDirectory=: No space left on device \(.*\)"),
    ],
    ids=["socket", "directory"],
)
def test_full(tmp_path: Path, inodes: int, what: str) -> None:
    """Where a file system has no room left for a socket, or a directory, room is to be made."""
    full = tmp_path / "full"
    full.mkdir()
    write_units(
        tmp_path,
        {
            "x.socket": f"[Socket]\nListenStream={full}/a/x\n",
            "x.service": "[Service]\nExecStart=/bin/cat\nRuntimeDirectory=full/b/c\n",
        },
    )
    mount = f"mount -t tmpfs -o nr_inodes={inodes} none {full}"
    program = shlex.join(command("--quiet", "--now", "--runtime-dir", str(tmp_path), "x.socket"))
    with subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", f"{mount} && exec {program}"],
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stderr
        line = run.stderr.readline()
        run.terminate()
    assert re.match(f"{what}; make room there; ", line)
    full.rmdir()


# --- while it runs -----------------------------------------------------------------------


def test_dies_at_once(tmp_path: Path, activate: Activate) -> None:
    """A service that ends without taking its client is not started for ever."""
    units(tmp_path, "ExecStart=/bin/false\n")
    run = activate("x.socket")
    run.until("listening")
    knock(f"{tmp_path}/made/x")
    assert 1 == run.wait()
    assert len(run.pids()) <= 20
    closed = [line for line in lines(run) if "closed" in line]
    assert 1 == len(closed), run.text
    assert re.search(r"start-limit-hit|trigger-limit-hit", closed[0])
    assert closed[0].endswith("then run this again")


def test_interpreter_that_does_not_exist(tmp_path: Path, activate: Activate) -> None:
    """What only exec finds out is told once, however often it is tried."""
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    units(tmp_path, f"ExecStart={script}\n")
    run = activate("x.socket")
    run.until("listening")
    knock(f"{tmp_path}/made/x")
    assert 1 == run.wait()
    told = [line for line in lines(run) if "cannot be executed" in line]
    (line,) = told
    what = f"{script} cannot be executed: No such file or directory; check its first line (#!)"
    assert f"x.service: x.service:3: {what}" == line


def test_never_ready(tmp_path: Path, activate: Activate) -> None:
    """Type=notify without READY=1: ended after TimeoutStartSec=, which is named."""
    units(tmp_path, "ExecStart=/bin/sleep 1000\nType=notify\nTimeoutStartSec=300ms\n",
          "TriggerLimitBurst=1\nTriggerLimitIntervalSec=1h\n")  # fmt: skip
    run = activate("x.socket")
    run.until("listening")
    knock(f"{tmp_path}/made/x")
    assert 1 == run.wait()
    assert 1 == sum("READY=1" in line and "TimeoutStartSec=" in line for line in lines(run))


def test_loses_its_process(tmp_path: Path, activate: Activate) -> None:
    """A daemon that forks away under Type=simple ends with its first process, and is told of."""
    code = """
        if os.fork():
            os._exit(0)
        os.setsid()
        if os.fork():
            os._exit(0)
        time.sleep(1000)
        """
    units(tmp_path, f"ExecStart={python(tmp_path, code)}\n", "TriggerLimitBurst=2\n")
    run = activate("x.socket")
    run.until("listening")
    knock(f"{tmp_path}/made/x")
    assert 1 == run.wait()
    assert 1 == sum("closed" in line for line in lines(run)), run.text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_while_starting(tmp_path: Path, activate: Activate, number: int) -> None:
    """Between start and READY=1, and in ExecStartPre=, the end is an end."""
    units(tmp_path, "Type=notify\nExecStart=/bin/sleep 1000\n")
    run = activate("--now", "x.socket")
    run.until("started$")
    assert 0 == run.stop(number)

    units(tmp_path, "ExecStartPre=/bin/sleep 1000\nExecStart=/bin/cat\n")
    run = activate("--now", "x.socket")
    run.until("listening")
    assert 0 == run.stop(number)


def test_killed_run_is_replaced(tmp_path: Path, activate: Activate) -> None:
    """What a run that was killed has left is taken over by the next one."""
    units(tmp_path, "ExecStart=/bin/cat\n")
    first = activate("x.socket")
    first.until("listening")
    first.process.kill()
    first.wait()
    assert (tmp_path / "made/x").is_socket()
    second = activate("x.socket")
    second.until("listening")
    connect(f"{tmp_path}/made/x").close()
    assert 0 == second.stop()
    with contextlib.suppress(OSError):
        (tmp_path / "made").rmdir()  # the first one made it, the second found it


@pytest.mark.parametrize("service", ["quick", "long"])
def test_burst(tmp_path: Path, activate: Activate, service: str) -> None:
    """10,000 connections at once: as many as may be are served, the others closed; it goes on."""
    port = free_port()
    settings = "StandardInput=socket\n" + ("ExecStartPre=/bin/true\n" if service == "long" else "")
    write_units(
        tmp_path,
        {
            "x.socket": f"[Socket]\nListenStream=127.0.0.1:{port}\nAccept=yes\n"
            "TriggerLimitBurst=0\nMaxConnections=5\nBacklog=10000\n",
            "x@.service": f"[Service]\nExecStart=/bin/cat\n{settings}",
        },
    )
    run = activate("--log", "json", "x.socket")
    run.until('"open"')
    reading = threading.Thread(target=_read_on, args=(run,))  # else it would wait for us
    reading.start()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wave = min(2000, hard // 2)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wave + 200), hard))
    closed = 0
    try:
        for _ in range(10_000 // wave):
            clients = []
            for _ in range(wave):
                client = socket.socket()
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", port))
                clients.append(client)
            end = time.monotonic() + PATIENCE
            # All but those who are served see the end of their connection.
            waiting = list(clients)
            while len(waiting) > 5 and time.monotonic() < end:
                waiting = [client for client in waiting if not _has_ended(client)]
            closed += wave - len(waiting)
            for client in clients:
                client.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert closed >= 10_000 - 5 * (10_000 // wave)
    served = _answered(port)
    assert b"still here" == served
    run.process.send_signal(signal.SIGTERM)
    assert 0 == run.process.wait(PATIENCE)
    reading.join(PATIENCE)
    pids = [int(pid) for pid in re.findall(r'"kind": "started".*?"pid": (\d+)', run.text)]
    assert [] == [pid for pid in pids if alive(pid)]


def _read_on(run: Running) -> None:
    """Read all that is said, to the end."""
    assert run.process.stdout is not None
    while data := os.read(run.process.stdout.fileno(), 1 << 20):
        run.text += data.decode()
    run.process.stdout.close()


def _has_ended(client: socket.socket) -> bool:
    """Tell whether the other side has closed a connection."""
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _answered(port: int) -> bytes:
    """Connect until somebody answers: those who were served before are still leaving."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(OSError), connect(port) as client:
            client.sendall(b"still here")
            client.shutdown(socket.SHUT_WR)
            if answer := read_all(client.dup()):
                return answer
    return b""
