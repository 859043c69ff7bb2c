"""Run `activator run` on units written by a test, watch it, and leave nothing behind."""

import codecs
import contextlib
import itertools
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
# Generous: it is only reached by a test that fails.
PATIENCE = 60.0
# Ports that no connection and no bind to port 0 is given by the kernel, which takes those of
# ip_local_port_range(5) alone: from 32768 on. Each process has a block of them for its own.
_PORTS = range(10_000, 32_600)
_BLOCK = 200

# What a service sees, by systemd.daemon and the standard library alone. A service is a line
# of Python that follows this; `see()` gives the facts, `send()` writes them to a socket.
PRELUDE = """
import fcntl, json, os, signal, socket, stat, sys, time
from systemd import daemon
def see():
    fds = daemon.listen_fds_with_names(unset_environment=False)
    facts = {"pid": os.getpid(), "environ": dict(os.environ), "argv": sys.argv, "fds": []}
    facts["cwd"] = os.getcwd()
    facts["open"] = sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1]
    for fd, name in sorted(fds.items()):
        facts["fds"].append([fd, name, kind(fd), not os.get_blocking(fd)])
    return facts
def kind(fd):
    mode = os.fstat(fd).st_mode
    if stat.S_ISFIFO(mode):
        return "fifo"
    if not stat.S_ISSOCK(mode):
        return "other"
    with socket.socket(fileno=os.dup(fd)) as sock:
        listening = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        return f"{sock.family.name} {sock.type.name} {'listening' if listening else 'no'}"
def send(sock, facts):
    sock.sendall(json.dumps(facts).encode())
def accept(fd=3):
    sock = socket.socket(fileno=os.dup(fd))
    return sock.accept()[0]
"""
# A shared service that tells one client what it sees and ends.
ONCE = "facts = see()\nwith accept() as client: send(client, facts)"
# The same for Accept=yes.
EACH = "facts = see()\nwith socket.socket(fileno=3) as client: send(client, facts)"


class Running:
    """A running `activator run`.

    Args:
        process: The command, its stdout a pipe that stderr goes to as well.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.text = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def until(self, pattern: str, *, count: int = 1) -> re.Match[str]:
        """Read until a pattern has matched whole lines so often; return the last match."""
        assert self.process.stdout is not None
        end = time.monotonic() + PATIENCE
        while len(found := list(re.finditer(pattern, self._lines, re.MULTILINE))) < count:
            left = max(0.0, end - time.monotonic())
            ready, _, _ = select.select([self.process.stdout], [], [], left)
            data = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            assert data, f"{pattern!r} did not come {count} times:\n{self.text}"
            self.text += self._decoder.decode(data)
        return found[count - 1]

    @property
    def _lines(self) -> str:
        """What was read but for a line whose end is still to come, which $ would take for one."""
        return self.text[: self.text.rfind("\n") + 1]

    def pids(self) -> list[int]:
        """Return the services' PIDs that were shown so far."""
        return [int(pid) for pid in re.findall(r"\[(\d+)\]: started", self.text)]

    def wait(self) -> int:
        """Wait until it has ended; return its exit status."""
        out, _ = self.process.communicate(timeout=PATIENCE)
        self.text += self._decoder.decode(out, final=True)
        return self.process.returncode

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it as a user does; return its exit status, once all services have ended."""
        self.process.send_signal(number)
        status = self.wait()
        assert [pid for pid in self.pids() if alive(pid)] == []
        return status

    def clean_up(self) -> None:
        """End it and what it started, however the test went."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.wait()
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.communicate()
        if self.process.stdout is not None:
            self.process.stdout.close()  # also where it has ended by itself, and nobody waited
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    """Tell whether a process exists that has not ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which the checkout's `activator` can be imported."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LISTEN_")}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def command(*arguments: str | Path) -> list[str]:
    """Return the command line of `activator run`."""
    return [sys.executable, "-m", "activator", "run", *map(str, arguments)]


def run_to_end(
    directory: Path, *arguments: str | Path, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run it where it must fail by itself."""
    options.setdefault("env", environment())
    return subprocess.run(
        command(*arguments),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        **options,
    )


def failure(directory: Path, *arguments: str | Path) -> str:
    """Run it where it must fail with status 1; return stderr, which holds no traceback."""
    done = run_to_end(directory, *arguments)
    assert "Traceback" not in done.stderr
    assert (1, "") == (done.returncode, done.stdout), done.stderr
    return done.stderr


def write_units(directory: Path, units: Mapping[str, str]) -> None:
    """Write unit files; a text is dedented."""
    for name, text in units.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip(), encoding="utf-8")


def python(directory: Path, code: str, name: str = "service") -> str:
    """Write a service in Python; return what to put behind ExecStart=."""
    path = directory / f"{name}.py"
    path.write_text(PRELUDE + textwrap.dedent(code) + "\n", encoding="utf-8")
    return f"{sys.executable} {path}"


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """Return a port that nobody uses, nor is given before it is bound."""
    for port in itertools.islice(_own_ports(), _BLOCK):
        with socket.socket(socket.AF_INET6, kind) as sock, contextlib.suppress(OSError):
            sock.bind(("::", port))
            return port
    raise AssertionError("all ports are in use")


@cache
def _own_ports() -> Iterator[int]:
    """Return the ports of a block that no other process has, again and again."""
    for first in range(_PORTS.start, _PORTS.stop, _BLOCK):
        # A name that is taken until this process ends.
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0activator-test-ports-{first}")
        except OSError:
            claim.close()
            continue
        claim.detach()
        return itertools.cycle(range(first, first + _BLOCK))
    raise AssertionError("all blocks of ports are taken")


def connect(address: str | int | tuple[str, int]) -> socket.socket:
    """Connect to a path, a port of 127.0.0.1 or an address."""
    if isinstance(address, str):
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(PATIENCE)
            sock.connect(address)
        except OSError:
            sock.close()
            raise
        return sock
    target = ("127.0.0.1", address) if isinstance(address, int) else address
    return socket.create_connection(target, timeout=PATIENCE)


def read_all(sock: socket.socket) -> bytes:
    """Read until the other side closes, and close."""
    with sock:
        data = b""
        while chunk := sock.recv(65536):
            data += chunk
        return data


def early(address: str) -> socket.socket:
    """Connect to a path as soon as somebody listens there."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return connect(address)
        except (FileNotFoundError, ConnectionRefusedError):
            # Between bind(2) and listen(2) the path is there, and refuses.
            assert time.monotonic() < end, address
            time.sleep(0.02)


def knock(address: str) -> None:
    """Connect, and wait until the other side closes, in whatever way."""
    with contextlib.suppress(ConnectionResetError):
        read_all(connect(address))


def ask(address: str | int | tuple[str, int]) -> Any:
    """Connect and return what a service that sends JSON sees."""
    return json.loads(read_all(connect(address)))


Activate = Callable[..., Running]


@pytest.fixture
def activate(tmp_path: Path) -> Iterator[Activate]:
    """Return what starts `activator run` in the test's directory."""
    running: list[Running] = []

    def start(*arguments: str, **variables: str) -> Running:
        process = subprocess.Popen(
            command(*arguments),
            cwd=tmp_path,
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        running.append(Running(process))
        return running[-1]

    yield start
    for each in running:
        each.clean_up()
