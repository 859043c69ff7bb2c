"""The local activator beside systemd-socket-activate, with the same programs.

Connections that a fresh /bin/cat answers each: how many a second, and what the whole of a
server, its processes included, needs of the processor for one. Cold start: from connect to the
first byte of a service that is not running yet. Memory: with 100 sockets.
"""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import compare

ROUNDS = 9
COLD_ROUNDS = 21
CONNECTIONS = 120  # a round
AT_ONCE = (4, 16)
SOCKETS = 100
TICK = os.sysconf("SC_CLK_TCK")
PATIENCE = 20.0
# The peer does not pass the locale on, with which /bin/cat has more to do.
ENVIRONMENT = {n: v for n, v in os.environ.items() if n != "LANG" and not n.startswith("LC_")}
BARS = {"rate": 1.0, "cold": 1.1, "memory": 30.0}
QUIET = ["--quiet"]
OURS = [sys.executable, "-m", "activator", "run"]
PEER = ["systemd-socket-activate"]
ECHO = "activator.examples.echo:echo"


class Server(NamedTuple):
    """A running server.

    Attributes:
        process: The process that listens.
        path: Its Unix socket.
    """

    process: subprocess.Popen[bytes]
    path: str

    def used(self) -> float:
        """Return the seconds of processor time that it and its ended children have used."""
        own = int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[0]) / 1e9
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return own + (int(fields[13]) + int(fields[14])) / TICK


@contextlib.contextmanager
def serving(path: str, *command: str) -> Iterator[Server]:
    """Run a server until the body ends, from the moment when it listens."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
    )
    try:
        end = time.monotonic() + PATIENCE
        while not Path(path).is_socket() and time.monotonic() < end:
            time.sleep(0.02)
        yield Server(process, path)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def connect(path: str) -> socket.socket:
    """Connect, ask and end our side."""
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    client.sendall(b"x")
    client.shutdown(socket.SHUT_WR)
    return client


def connections(server: Server, at_once: int, count: int = CONNECTIONS) -> tuple[float, float]:
    """Have so many connections answered; return a second's, and a one's processor time in us."""
    begun, used = time.perf_counter(), server.used()
    poll, live = select.epoll(), {}
    opened = 0
    while opened < count or live:
        while opened < count and len(live) < at_once:
            client = connect(server.path)
            live[client.fileno()] = client
            poll.register(client.fileno(), select.EPOLLIN)
            opened += 1
        for descriptor, _ in poll.poll():
            if not live[descriptor].recv(10):
                live.pop(descriptor).close()
    poll.close()
    wall = time.perf_counter() - begun
    time.sleep(0.05)  # the last processes are waited for
    return count / wall, (server.used() - used) / count * 1e6


def first_byte(path: str, *command: str) -> float:
    """Return the time from connect to the first byte of a service that does not run yet, in ms."""
    with serving(path, *command), socket.socket(socket.AF_UNIX) as client:
        time.sleep(0.05)  # it polls
        begun = time.perf_counter()
        client.connect(path)
        client.sendall(b"x")
        assert client.recv(1)
        return (time.perf_counter() - begun) * 1e3


def compare_connections(home: Path) -> Iterator[compare.Row]:
    """Compare the processes of connections."""
    (home / "cat.socket").write_text(
        f"[Socket]\nListenStream={home}/ours\nAccept=yes\nTriggerLimitBurst=0\n"
        "MaxConnections=1000\n"
    )
    (home / "cat@.service").write_text("[Service]\nExecStart=/bin/cat\nStandardInput=socket\n")
    ours_command = [*OURS, str(home / "cat.socket")]
    peer_command = [*PEER, "--accept", "--inetd", "-l", f"{home}/peer", "/bin/cat"]
    with (
        serving(f"{home}/ours", *ours_command) as ours,
        serving(f"{home}/peer", *peer_command) as peer,
    ):
        for at_once in AT_ONCE:
            done: dict[Server, list[tuple[float, float]]] = {ours: [], peer: []}
            for number in range(ROUNDS + 1):
                for server in (ours, peer) if number % 2 else (peer, ours):
                    done[server].append(connections(server, at_once))
            rates, used = zip(*(zip(*done[each][1:], strict=True) for each in done), strict=True)
            what = f"Accept=yes, {at_once} at once: run / systemd-socket-activate"
            yield compare.compared(what, *rates, BARS["rate"], better=compare.HIGHER, unit="/s")
            yield compare.compared("  the processor's time for one of these", *used, unit="us")


def compare_cold_starts(home: Path) -> compare.Row:
    """Compare the first byte of a shared service."""
    serve = [sys.executable, "-m", "activator", "serve", ECHO]
    times: dict[str, list[float]] = {"ours": [], "peer": []}
    for number in range(COLD_ROUNDS + 1):
        for name in ("ours", "peer") if number % 2 else ("peer", "ours"):
            head = [*OURS, *QUIET] if name == "ours" else PEER
            end = ["--"] if name == "ours" else []
            path = f"{home}/cold-{name}"
            times[name].append(first_byte(path, *head, "-l", path, *end, *serve))
    what = "first byte of a cold service: run / systemd-socket-activate"
    return compare.compared(what, times["ours"][1:], times["peer"][1:], BARS["cold"])


def measure_memory(home: Path) -> compare.Row:
    """Measure what is the activator's own, with many sockets."""
    many = home / "many"
    many.mkdir()
    for number in range(SOCKETS):
        (many / f"s{number:03}.socket").write_text(f"[Socket]\nListenStream={many}/{number:03}\n")
        (many / f"s{number:03}.service").write_text("[Service]\nExecStart=/bin/cat\n")
    with serving(f"{many}/{SOCKETS - 1:03}", *OURS, *QUIET, str(many)) as server:
        time.sleep(0.3)
        status = Path(f"/proc/{server.process.pid}/status").read_text()
    resident = int(status.partition("VmRSS:")[2].split()[0]) / 1024
    what = f"resident memory of run with {SOCKETS} sockets"
    return compare.Row(what, resident, 0, resident, BARS["memory"], unit="MB")


def rows() -> Iterator[compare.Row]:
    """Yield the comparisons."""
    with tempfile.TemporaryDirectory(prefix="activator-bench-") as scratch:
        home = Path(scratch)
        yield from compare_connections(home)
        yield compare_cold_starts(home)
        yield measure_memory(home)


if __name__ == "__main__":
    compare.main(rows)
