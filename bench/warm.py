"""Connections per second of warm per-connection serving, beside a peer of each sort.

Servers take turns, in one run: ours with a plain handler, ours with a program (--inetd), and
``systemd-socket-activate --accept --inetd``, both with /bin/cat. Eight clients connect, ask,
read the answer and leave, over and over.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import compare

BAR = 1.5
CLIENTS = 8
SECONDS = 1.5
ROUNDS = 5
QUESTION = b"x" * 64
PROCESS = [sys.executable, "-m", "activator", "serve", "--isolation", "process"]
RUN = 'LISTEN_PID=$$ exec "$@"'
PEER = "systemd-socket-activate"
# What is run; its listener is passed to ours, and opened by the peer itself.
SERVERS = {
    "plain handler": [*PROCESS, "activator.examples.greet:greet"],
    "--inetd /bin/cat": [*PROCESS, "--inetd", "/bin/cat"],
    PEER: [],
}


def rows() -> Iterator[compare.Row]:
    """Yield the comparisons."""
    rates: dict[str, list[float]] = {name: [] for name in SERVERS}
    for _ in range(ROUNDS):
        for name, argv in SERVERS.items():
            with serving(argv) as port:
                rates[name].append(load(port, CLIENTS))
    for name in SERVERS:
        if name != PEER:
            yield compare.compared(
                f"connections: {name} / {PEER}",
                rates[name],
                rates[PEER],
                BAR,
                better=compare.HIGHER,
                unit="/s",
            )


@contextmanager
def serving(argv: Sequence[str]) -> Iterator[int]:
    """Run one server, the peer if there is no command; give its port, then end it."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        port: int = listener.getsockname()[1]
        if not argv:
            listener.close()
            words = ["systemd-socket-activate", "-l", f"127.0.0.1:{port}"]
            process = subprocess.Popen(
                [*words, "--accept", "--inetd", "/bin/cat"], stderr=subprocess.DEVNULL
            )
        else:
            process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec 3<&{listener.fileno()}; {RUN}", "-", *argv],
                env={**os.environ, "LISTEN_FDS": "1"},
                pass_fds=[listener.fileno()],
            )
        try:
            wait_served(port)
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def wait_served(port: int) -> None:
    """Wait until a connection is answered."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(OSError):
            if ask(port):
                return
        time.sleep(0.05)
    raise SystemExit("the server does not answer")


def ask(port: int) -> bool:
    """Connect, ask, read the whole answer and leave; return whether there was one."""
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        client.sendall(QUESTION)
        client.shutdown(socket.SHUT_WR)
        answer = client.recv(4096)
        while client.recv(4096):
            pass
    return bool(answer)


def load(port: int, clients: int) -> float:
    """Return how many connections a second so many clients get answered, each a process."""
    receiving, sending = os.pipe()
    pids = []
    for _ in range(clients):
        pid = os.fork()
        if not pid:
            count = 0
            try:
                end = time.monotonic() + SECONDS
                while time.monotonic() < end:
                    with suppress(OSError):
                        count += ask(port)
            finally:
                os.write(sending, count.to_bytes(8))
                os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    data = os.read(receiving, 8 * clients)
    os.close(receiving)
    os.close(sending)
    total = sum(int.from_bytes(data[at : at + 8]) for at in range(0, len(data), 8))
    return total / SECONDS


if __name__ == "__main__":
    compare.main(rows)
