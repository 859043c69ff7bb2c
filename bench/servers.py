"""Servers to be measured, each on a listener of its own, and the client that loads them, in C.

The client has to be quicker than what it measures, and the machine's processors are shared: one
in Python would be most of what is measured.
"""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

import compare

BENCH = Path(__file__).parent
# Without site, whose .pth files load what users do not have: an editable install loads re.
PYTHON = (sys.executable, "-S")
SERVE = (*PYTHON, "-m", "activator", "serve", "--app-dir", str(BENCH))
ENVIRONMENT = {
    # xinetd passes no locale on, and a program saves much by that: so nobody passes one.
    **{name: text for name, text in compare.ENVIRONMENT.items() if name[:3] not in ("LAN", "LC_")},
    "PYTHONPATH": ":".join(
        (str(BENCH.parent), sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    ),
}
# What to do to a server: see client.c.
REQUESTS, RESETS, ASKS = "requests", "resets", "asks"
PATIENCE = 20.0
# The shell knows the process id that LISTEN_PID has to be.
RUN = 'exec 3<&$1; shift; export LISTEN_PID=$$; exec "$@"'


class Server(NamedTuple):
    """A running server."""

    port: int
    pid: int

    def used(self) -> float:
        """Return the seconds of CPU time used so far, without children; stat's are too coarse."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0]) / 1e9

    def used_by_all(self) -> float:
        """Return the seconds of CPU time used so far by it and the children that it has reaped."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Return its own memory in bytes."""
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        (size,) = [
            line.split()[1] for line in text.splitlines() if line.startswith("Private_Dirty")
        ]
        return int(size) * 1024


class Work(NamedTuple):
    """What was done.

    Attributes:
        count: How many requests or connections.
        seconds: In how many seconds.
        median: The median time that one took, in microseconds; p99 the 99th percentile.
        cpu: The seconds of the server's CPU time.
    """

    count: int
    seconds: float
    median: float
    p99: float
    cpu: float

    @property
    def rate(self) -> float:
        """How many a second."""
        return self.count / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds of the server's CPU time for each."""
        return self.cpu / self.count * 1e6


@cache
def compiled(name: str) -> str:
    """Compile a C file of this directory, and return the program's path."""
    if not shutil.which("cc"):
        raise SystemExit("no C compiler: apt-get install gcc libc6-dev")
    directory = _scratch()
    program = str(directory / name)
    source = str(BENCH / f"{name}.c")
    # Static, to run in another root too.
    subprocess.run(["cc", "-O2", "-Wall", "-static", "-o", program, source], check=True)
    return program


@cache
def _scratch() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="activator-bench-"))
    atexit.register(shutil.rmtree, directory)
    return directory


@contextmanager
def serving(argv: Sequence[str], listener: socket.socket | None = None) -> Iterator[Server]:
    """Run a server that is passed a listener, and wait until it answers."""
    with listener or socket.create_server(("127.0.0.1", 0), backlog=1024) as passed:
        process = _started(["/bin/sh", "-c", RUN, "sh", str(passed.fileno()), *argv], passed)
        with _ended(process):
            port: int = passed.getsockname()[1]
            wait_served(port)
            yield Server(port, process.pid)


@contextmanager
def opening(argv: Sequence[str]) -> Iterator[Server]:
    """Run a server that opens its listener itself; ``PORT`` in its words is the port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    process = _started([word.replace("PORT", str(port)) for word in argv])
    with _ended(process):
        wait_served(port)
        yield Server(port, process.pid)


def _started(argv: Sequence[str], passed: socket.socket | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv,
        env={**ENVIRONMENT, **({"LISTEN_FDS": "1"} if passed else {})},
        pass_fds=[passed.fileno()] if passed else (),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_served(port: int) -> None:
    """Wait until a connection is answered."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
            client.sendall(b"hello\n")
            client.shutdown(socket.SHUT_WR)
            if client.recv(100):
                return
        time.sleep(0.05)
    raise SystemExit("the server does not answer")


def load(server: Server, what: str, connections: int, seconds: float) -> Work:
    """Load a server with so many connections at a time, for so long."""
    used = server.used()
    words = [compiled("client"), what, str(server.port), str(connections), str(seconds)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    count, took, median, p99 = map(float, done.stdout.split())
    return Work(int(count), took, median, p99, server.used() - used)
