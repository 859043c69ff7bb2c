"""The quick way to start a connection's process: the same for the service, whoever stops it."""

import asyncio
import errno
import json
import os
import resource
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from activator.local.services.context import Context
from activator.local.services.family import Family
from activator.local.services.spawners import Attributes, Job, Spawners
from activator.local.sockets.quick import fits
from activator.local.units.load import load
from tests.support.local import Activate, alive, connect, python, read_all, write_units

SEE = """
facts = see()
lines = open("/proc/self/status").readlines()
signals = [line.split() for line in lines if line.startswith(("SigB", "SigI", "SigP"))]
facts |= {"signals": signals, "umask": os.umask(0), "session": os.getsid(0) == os.getpid()}
facts["kinds"] = [kind(fd) for fd in (0, 1)]
facts["limits"] = open("/proc/self/limits").read()
print(json.dumps(facts), flush=True)
"""

# Signals 32 and 33 in a mask.
_OWN = 0b11 << 31


def units(tmp_path: Path, service: str, name: str = "q") -> dict[str, str]:
    """Return the units of a service on a Unix socket."""
    return {
        f"{name}.socket": f"[Socket]\nListenStream={tmp_path}/{name}\nAccept=yes\n",
        f"{name}@.service": f"[Service]\nStandardInput=socket\n{service}",
    }


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("", True),
        ("Environment=A=b\nUnsetEnvironment=PATH\nWorkingDirectory=/\nUMask=0077\n", True),
        ("StandardError=journal\nStandardOutput=null\nTimeoutStopSec=1\nKillMode=mixed\n", True),
        ("Type=exec\nNonBlocking=yes\nIgnoreSIGPIPE=no\nSuccessExitStatus=3\n", True),
        ("Type=oneshot\n", False),
        ("Type=notify\n", False),
        ("ExecStartPre=/bin/true\n", False),
        ("ExecStopPost=/bin/true\n", False),
        ("User=root\n", False),
        ("LimitNOFILE=100\n", False),
        ("Nice=1\n", False),
        ("Restart=always\n", False),
        ("RuntimeMaxSec=1\n", False),
        ("RuntimeDirectory=x\n", False),
        ("EnvironmentFile=/dev/null\n", False),
        ("Environment=A=%i\n", False),
        ("StandardInput=null\n", False),
        ("StandardOutput=file:/dev/null\n", False),
    ],
)
def test_what_fits(tmp_path: Path, lines: str, expected: bool) -> None:  # noqa: FBT001
    """Only a unit all of whose settings are honoured goes the quick way."""
    write_units(tmp_path, units(tmp_path, f"ExecStart=/bin/cat\n{lines}"))
    (template,) = load([str(tmp_path / "q.socket")]).templates.values()

    async def fitting() -> bool:
        context = Context(print, Family(), lambda *_: None)
        try:
            return fits(template, context)
        finally:
            context.close()

    assert expected == asyncio.run(fitting())


def test_same_for_the_service(tmp_path: Path, activate: Activate) -> None:
    """What a process sees is the same as when it is started the long way."""
    settings = (
        f"ExecStart={python(tmp_path, SEE)} $ONE ${{REMOTE_ADDR}} $$\n"
        "Environment=ONE='1 2' SO_COOKIE=mine\nUnsetEnvironment=LANG\n"
        "WorkingDirectory=/usr\nUMask=0027\nNonBlocking=yes\n"
    )
    write_units(tmp_path, units(tmp_path, settings, "quick"))
    write_units(tmp_path, units(tmp_path, settings + "ExecStartPre=/bin/true\n", "long"))
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)  # what we have must not reach a service
    try:
        run = activate("quick.socket", "long.socket")
    finally:
        os.close(reading)
        os.close(writing)
    run.until("listening", count=2)
    seen = []
    for name in ("quick", "long"):
        with socket.socket(socket.AF_UNIX) as client:
            client.bind(f"\0{tmp_path}/client")
            client.connect(f"{tmp_path}/{name}")
            seen.append(json.loads(client.makefile().read()))
    quick, long = seen

    assert long["environ"].pop("SYSTEMD_EXEC_PID") == str(long["pid"])
    ids = [facts["environ"].pop("INVOCATION_ID") for facts in seen]
    assert [32, 32] == [len(text) for text in ids]
    assert ids[0] != ids[1]
    assert quick.pop("pid") != long.pop("pid")
    assert quick["environ"]["SO_COOKIE"] == "mine"
    for facts in seen:
        # The C library's own two signals are ignored after each posix_spawn(3).
        facts["signals"] = [[n, int(v, 16) & ~_OWN] for n, v in facts["signals"]]
    assert long == quick
    assert [0, 1, 2] == quick["open"]
    assert 0 == run.stop()


def test_what_is_left_behind_ends(tmp_path: Path, activate: Activate) -> None:
    """A child that outlives its parent is ended, as with any service."""
    code = """
        if os.fork() == 0:
            print(os.getpid(), flush=True)
            time.sleep(1000)
        time.sleep(0.1)
        """
    write_units(tmp_path, units(tmp_path, f"ExecStart={python(tmp_path, code)}\n"))
    run = activate("q.socket")
    run.until("listening")
    child = int(read_all(connect(f"{tmp_path}/q")))
    run.until(r"\]: exited$")
    assert not alive(child)
    assert 0 == run.stop()


def test_stop_is_as_the_unit_says(tmp_path: Path, activate: Activate) -> None:
    """KillSignal= comes first, SIGKILL after TimeoutStopSec=; the client sees the end."""
    code = """
        signal.signal(signal.SIGUSR1, lambda *_: os.write(1, b"asked"))
        print("here", flush=True)
        while True:
            time.sleep(1000)
        """
    settings = f"ExecStart={python(tmp_path, code)}\nKillSignal=SIGUSR1\nTimeoutStopSec=4s\n"
    write_units(tmp_path, units(tmp_path, settings))
    run = activate("q.socket")
    run.until("listening")
    with connect(f"{tmp_path}/q") as client:
        reader = client.makefile()
        assert "here\n" == reader.readline()
        run.process.send_signal(signal.SIGTERM)
        assert "asked" == reader.read()
    assert 0 == run.wait()
    assert "was ended by SIGKILL" in run.text
    assert not (tmp_path / "q").exists()


def test_output_is_shown(tmp_path: Path, activate: Activate) -> None:
    """Standard error that goes to the journal is shown behind the process."""
    settings = "ExecStart=/bin/sh -c 'echo one >&2; echo two'\nStandardError=journal\n"
    write_units(tmp_path, units(tmp_path, settings))
    run = activate("q.socket")
    run.until("listening")
    assert b"two\n" == read_all(connect(f"{tmp_path}/q"))
    run.until(r"^q\[\d+\] \| one$")
    run.until(r"exited$")
    assert 0 == run.stop()


def test_failed_status(tmp_path: Path, activate: Activate) -> None:
    """How a process ended is told, also by a signal."""
    settings = f"ExecStart={sys.executable} -c 'import os; os.kill(os.getpid(), int(input()))'\n"
    write_units(tmp_path, units(tmp_path, settings))
    run = activate("q.socket")
    run.until("listening")
    with connect(f"{tmp_path}/q") as client:
        client.sendall(b"9\n")
        run.until(r"\]: was ended by SIGKILL$")
    assert 0 == run.stop()


def test_program_that_goes_and_comes(tmp_path: Path, activate: Activate) -> None:
    """A program that is away costs its clients their connections, and no more."""
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    write_units(tmp_path, units(tmp_path, f"ExecStart={program}\n"))
    run = activate("q.socket")
    run.until("listening")
    program.rename(tmp_path / "away")
    assert b"" == read_all(connect(f"{tmp_path}/q"))
    run.until(r"^q\.socket: q@\.service:3: \S+/program does not exist; install it")
    (tmp_path / "away").rename(program)
    assert b"hello\n" == read_all(connect(f"{tmp_path}/q"))
    assert 0 == run.stop()


def test_many_at_once_and_stop(tmp_path: Path, activate: Activate) -> None:
    """Processes that are about to start when all is stopped are stopped with the others."""
    write_units(tmp_path, units(tmp_path, "ExecStart=/bin/cat\n"))
    run = activate("q.socket")
    run.until("listening")
    clients = [connect(f"{tmp_path}/q") for _ in range(40)]
    run.until(r"started for", count=1)
    run.process.send_signal(signal.SIGTERM)
    assert 0 == run.wait()
    for client in clients:
        with client, suppress(ConnectionResetError):
            assert b"" == client.recv(1)
    started = {line.partition(":")[0] for line in run.text.splitlines() if "started for" in line}
    pids = [int(label.partition("[")[2].rstrip("]")) for label in started]
    assert pids
    assert not any(alive(pid) for pid in pids)


def test_limit_of_descriptors(tmp_path: Path, activate: Activate) -> None:
    """However many connections there are, each process has the limit that is systemd's default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2000:
        pytest.skip("the limit of descriptors is too low")
    settings = "ExecStart=/bin/sh -c 'ulimit -n; exec cat'\n"
    files = units(tmp_path, settings)
    files["q.socket"] += "MaxConnections=1000\nTriggerLimitBurst=0\n"
    write_units(tmp_path, files)
    run = activate("q.socket")
    run.until("listening")
    clients = [connect(f"{tmp_path}/q") for _ in range(330)]  # two descriptors each
    for client in clients:
        assert b"1024\n" == client.recv(10)
    for client in clients:
        client.close()
    run.until(r"\]: exited$", count=len(clients))
    assert 0 == run.stop()
    assert (soft, hard) == resource.getrlimit(resource.RLIMIT_NOFILE)


def test_jobs_that_fail_and_succeed() -> None:
    """Each job is told of once, in the loop's thread, with its PID or its errno; umasks differ."""
    told: list[tuple[int, int]] = []

    async def run() -> list[bytes]:
        spawners = Spawners()
        reading, writing = os.pipe()
        attributes = Attributes()

        def done(job: Job) -> None:
            assert threading.current_thread() is threading.main_thread()
            status = os.waitpid(job.pid, 0)[1] if job.pid else -1
            told.append((job.errno, status))

        assert spawners.can("/", 0o27)
        for number in range(20):
            program = "/nowhere" if number % 4 == 3 else "/bin/sh"
            script = [b"sh", b"-c", b"umask; pwd"]
            spawners.start(
                Job(
                    program,
                    script,
                    [b"PATH=/bin"],
                    [0, writing, 2],
                    attributes=attributes,
                    directory="/usr",
                    umask=0o27 if number % 2 else 0o77,
                    on_done=done,
                )
            )
        spawners.settle()
        assert 20 == len(told)
        spawners.close()
        spawners.close()
        os.close(writing)
        with open(reading, "rb") as reader:  # noqa: ASYNC230, PTH123 - a pipe that has ended
            return reader.read().split()

    before = os.umask(0o22)
    try:
        lines = asyncio.run(run())
        assert 0o22 == os.umask(0o22)
    finally:
        os.umask(before)
    assert [(errno.ENOENT, -1)] * 5 + [(0, 0)] * 15 == sorted(told, reverse=True)
    assert (5, 10, 15) == (lines.count(b"0027"), lines.count(b"0077"), lines.count(b"/usr"))
