"""A process for each connection under a booted systemd: one warm service, beside Accept=yes.

Both serve the same handler, in the same box, from units that are made of the same spec.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import compare
import installed
import servers

sys.path.insert(0, str(servers.BENCH.parent))

from activator.generate import specfile
from activator.generate.render import render
from tests.boxes.box import Box
from tests.boxes.needs import missing_for_boxes
from tests.boxes.roots import ensure_root

SUITE = "bookworm"
ROUNDS = 5
SECONDS = 2.0
CLIENTS = 8
RATE_BAR, LATENCY_BAR = 20, 0.1
CLIENT = "/root/client"
WARM, COLD = "warm", "cold"
PORTS = {WARM: 7001, COLD: 7002}
SPEC = """\
name = "{name}"
python = "{python}"
mode = "per-connection"
{isolation}
handler = "activator.examples.greet:greet"
[sockets.{name}]
ListenStream = "127.0.0.1:{port}"
Backlog = 512
MaxConnections = 64
TriggerLimitBurst = 0
"""
ISOLATIONS = {WARM: 'isolation = "process"', COLD: ""}


def rows() -> Iterator[compare.Row]:
    """Yield the comparisons."""
    if missing := missing_for_boxes():
        raise SystemExit(missing)
    rates: dict[str, list[float]] = {name: [] for name in PORTS}
    latencies: dict[str, list[float]] = {name: [] for name in PORTS}
    with booted() as box, box.units(_units(box)):
        for name in PORTS:
            box.systemctl("start", f"{name}.socket")
        for turn in range(ROUNDS + 1):
            for name, port in PORTS.items():
                one, many = (
                    load(box, port, clients, SECONDS if turn else 0.2) for clients in (1, CLIENTS)
                )
                if turn:
                    rates[name].append(many[0] / many[1])
                    latencies[name].append(one[2] / 1000)
        for name in PORTS:
            box.systemctl("stop", f"{name}.socket", check=False)
    yield compare.compared(
        "connections: warm / Accept=yes",
        rates[WARM],
        rates[COLD],
        RATE_BAR,
        better=compare.HIGHER,
        unit="/s",
    )
    yield compare.compared(
        "median latency with one client: warm / Accept=yes",
        latencies[WARM],
        latencies[COLD],
        LATENCY_BAR,
    )


@contextmanager
def booted(suite: str = SUITE) -> Iterator[Box]:
    """Boot a box with the project installed, and the client."""
    with tempfile.TemporaryDirectory() as scratch:
        wheel = installed.build(Path(scratch))
        with Box(suite, ensure_root(suite)) as box:
            box.write(f"/root/{wheel.name}", wheel.read_bytes())
            box.run(box.python, "-m", "installer", "--compile-bytecode=0", f"/root/{wheel.name}")
            box.write(CLIENT, Path(servers.compiled("client")).read_bytes(), 0o755)
            yield box


def _units(box: Box) -> dict[str, str]:
    files: dict[str, str] = {}
    for name, port in PORTS.items():
        text = SPEC.format(name=name, python=box.python, port=port, isolation=ISOLATIONS[name])
        files.update(render(specfile.loads(text, systemd=box.version)))
    return files


def load(box: Box, port: int, clients: int, seconds: float) -> list[float]:
    """Return what the client tells: see client.c."""
    words = (CLIENT, servers.ASKS, str(port), str(clients), str(seconds))
    return [float(word) for word in box.run(*words).stdout.split()]


if __name__ == "__main__":
    compare.main(rows)
