"""Our service against the bare loops: the same handlers on create_server() and start_server().

The client, in Python, shares the machine with the servers and is slower than the quick ones, so
its rate says little. What counts is what a server gets done in a second of its own CPU time.
Ours and the peer run in the same round, in turn.
"""

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import compare

ROUNDS = 9
SLICE = 0.15  # seconds
CONNECTIONS = 50
AT_ONCE = 10
PAYLOAD = b"x" * 64
LINGER = b"\1\0\0\0\0\0\0\0"
BENCH = Path(__file__).parent


class Server(NamedTuple):
    """A running server."""

    address: tuple[str, int]
    pid: int

    def used(self) -> float:
        """Return the seconds of CPU time used so far; stat's are too coarse."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0]) / 1e9


class Work(NamedTuple):
    """What was done: a number of requests or connections, and what it took in seconds."""

    count: int
    cpu: float
    wall: float


@contextmanager
def serving(*command: str) -> Iterator[Server]:
    """Run a server on a listener of its own, and wait until it answers."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=1024) as listener,
        tempfile.TemporaryFile() as log,
    ):
        pin = 'exec 3<&$1; shift; export LISTEN_PID=$$; exec "$@"'
        process = subprocess.Popen(
            ["/bin/sh", "-c", pin, "sh", str(listener.fileno()), sys.executable, *command],
            env={**os.environ, "LISTEN_FDS": "1"},
            pass_fds=[listener.fileno()],
            stderr=log,
        )
        try:
            server = Server(listener.getsockname(), process.pid)
            connections(server, 0)
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def open_one(server: Server) -> socket.socket:
    """Connect."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)  # close with a reset
    client.connect(server.address)
    return client


def connections(server: Server, seconds: float) -> Work:
    """Connect, exchange one message and reset, again and again."""
    begun, used, count = time.perf_counter(), server.used(), 0
    while not count or time.perf_counter() < begun + seconds:
        clients = [open_one(server) for _ in range(AT_ONCE)]
        for client in clients:
            client.sendall(PAYLOAD)
        for client in clients:
            assert client.recv(100) == PAYLOAD
            client.close()
        count += AT_ONCE
    return Work(count, server.used() - used, time.perf_counter() - begun)


def requests(server: Server, seconds: float) -> Work:
    """Exchange messages over many connections."""
    with ExitStack() as stack:
        clients = [stack.enter_context(open_one(server)) for _ in range(CONNECTIONS)]
        begun, used, count = time.perf_counter(), server.used(), 0
        while time.perf_counter() < begun + seconds:
            for client in clients:
                client.send(PAYLOAD)
            for client in clients:
                client.recv(100)
            count += CONNECTIONS
        return Work(count, server.used() - used, time.perf_counter() - begun)


def rounds(
    what: str, measure: Callable[[Server, float], Work], ours: Server, peer: Server, bar: float
) -> compare.Row:
    """Return a comparison: CPU time for one operation, and the ratio of what a second does."""
    pairs = []
    for number in range(ROUNDS + 1):
        # Whoever is second finds warm caches, so each is first as often as the other.
        order = (ours, peer) if number % 2 else (peer, ours)
        done = {server.pid: measure(server, SLICE) for server in order}
        pairs.append((done[ours.pid], done[peer.pid]))
    kept = [(a, b) for a, b in pairs[1:] if a.cpu and b.cpu]
    ratio = statistics.median((a.count / a.cpu) / (b.count / b.cpu) for a, b in kept)
    mine, other = (
        statistics.median(work.cpu / work.count for work in side) * 1e6
        for side in zip(*kept, strict=True)
    )
    return compare.Row(what, mine, other, ratio, bar, compare.HIGHER, "us")


def rows() -> Iterator[compare.Row]:
    """Yield the comparisons."""
    for loop in ("asyncio", "uvloop"):
        if not find_spec(loop):
            continue
        for handler, what, bars in (
            ("Echo", "Protocol", (0.97, 0.95)),
            ("echo", "streams", (0.95, 5.0)),
        ):
            words = ("-m", "activator", "serve", "--loop", loop, "--app-dir", str(BENCH))
            with (
                serving(*words, f"peers:{handler}") as ours,
                serving(str(BENCH / "peers.py"), handler, loop) as peer,
            ):
                yield rounds(f"{loop}, {what}: CPU of a request", requests, ours, peer, bars[0])
                yield rounds(f"{loop}, {what}: CPU of a reset", connections, ours, peer, bars[1])


if __name__ == "__main__":
    compare.main(rows)
