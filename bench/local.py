"""The local activator against systemd-socket-activate, with the same programs.

Connections: what the whole of a server, its processes included, needs of the processor for one
connection that a fresh /bin/cat answers; the rate is shown too, though on few processors the
client and all else that runs have their share in it. Cold start: from connect to the first byte
of a service that is not running yet. Memory: what is the activator's own, with 100 sockets.
"""

import contextlib
import os
import select
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROUNDS = 9
COLD_ROUNDS = 21
CONNECTIONS = 60  # a round
AT_ONCE = 4
SOCKETS = 100
TICK = os.sysconf("SC_CLK_TCK")
PATIENCE = 20.0
# The peer does not pass the locale on, with which /bin/cat has more to do.
ENVIRONMENT = {n: v for n, v in os.environ.items() if n != "LANG" and not n.startswith("LC_")}
BARS = {"cpu": 1.0, "rate": 1.0, "cold": 1.1, "memory": 30.0}
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


def connections(server: Server, count: int = CONNECTIONS) -> tuple[float, float]:
    """Have so many connections answered; return processor and wall time of one, in seconds."""
    begun, used = time.perf_counter(), server.used()
    poll, live = select.epoll(), {}
    opened = 0
    while opened < count or live:
        while opened < count and len(live) < AT_ONCE:
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
    return (server.used() - used) / count, wall / count


def first_byte(path: str, *command: str) -> float:
    """Return the time from connect to the first byte of a service that does not run yet."""
    with serving(path, *command), socket.socket(socket.AF_UNIX) as client:
        time.sleep(0.05)  # it polls
        begun = time.perf_counter()
        client.connect(path)
        client.sendall(b"x")
        assert client.recv(1)
        return time.perf_counter() - begun


def show(  # noqa: PLR0917 - the columns of a line
    what: str, ours: float, peer: float, unit: str, ratio: float, bar: float
) -> bool:
    """Print one comparison; return whether the bar is kept, the ratio being what costs."""
    kept = ratio <= bar
    print(
        f"{what:<40} {ours:9.2f} {unit:<3} {peer:9.2f} {unit:<3}  x {ratio:5.2f}   "
        f"bar {bar:5.2f}   {'holds' if kept else 'MISSED'}",
        flush=True,
    )
    return kept


def compare_connections(home: Path) -> bool:
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
        done: dict[str, list[tuple[float, float]]] = {"ours": [], "peer": []}
        for number in range(ROUNDS + 1):
            order = [("ours", ours), ("peer", peer)]
            for name, server in order if number % 2 else reversed(order):
                done[name].append(connections(server))
    sides = {name: list(zip(*rounds[1:], strict=True)) for name, rounds in done.items()}
    cpu = [statistics.median(sides[name][0]) for name in ("ours", "peer")]
    wall = [statistics.median(sides[name][1]) for name in ("ours", "peer")]
    kept = show(
        "a connection: processor, all in all", cpu[0] * 1e6, cpu[1] * 1e6, "us",
        statistics.median(a / b for a, b in zip(sides["ours"][0], sides["peer"][0], strict=True)),
        BARS["cpu"],
    )  # fmt: skip
    return show(
        f"a connection, {AT_ONCE} at once", 1 / wall[0], 1 / wall[1], "/s",
        statistics.median(a / b for a, b in zip(sides["ours"][1], sides["peer"][1], strict=True)),
        BARS["rate"],
    ) and kept  # fmt: skip


def compare_cold_starts(home: Path) -> bool:
    """Compare the first byte of a shared service."""
    serve = [sys.executable, "-m", "activator", "serve", ECHO]
    times: dict[str, list[float]] = {"ours": [], "peer": []}
    for number in range(COLD_ROUNDS + 1):
        for name in ("ours", "peer") if number % 2 else ("peer", "ours"):
            head = [*OURS, *QUIET] if name == "ours" else PEER
            end = ["--"] if name == "ours" else []
            path = f"{home}/cold-{name}"
            times[name].append(first_byte(path, *head, "-l", path, *end, *serve))
    ours, peer = (statistics.median(times[name][1:]) for name in ("ours", "peer"))
    return show("first byte of a cold service", ours * 1e3, peer * 1e3, "ms", ours / peer,
                BARS["cold"])  # fmt: skip


def measure_memory(home: Path) -> bool:
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
        rollup = Path(f"/proc/{server.process.pid}/smaps_rollup").read_text()
        own = int(rollup.partition("\nPss:")[2].split()[0]) / 1024
    return show(f"resident memory, {SOCKETS} sockets (shared: Pss)", resident, own, "MB",
                resident, BARS["memory"])  # fmt: skip


def main() -> int:
    """Print the comparisons; return 1 if a bar is missed."""
    print(f"{'':<40} {'activator run':>13} {'systemd-socket-activate':>24}")
    with tempfile.TemporaryDirectory(prefix="activator-bench-") as scratch:
        home = Path(scratch)
        kept = [compare_connections(home), compare_cold_starts(home), measure_memory(home)]
    return not all(kept)


if __name__ == "__main__":
    sys.exit(main())
