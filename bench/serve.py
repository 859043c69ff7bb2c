"""Our shared service against the bare loops, with the same handlers, and against C with epoll.

What counts is what a server gets done in a second of its own CPU time: the client shares the
machine with it. All sides of a comparison are loaded in turn in each round.
"""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec

import compare
import servers

ROUNDS = 9
SLICE = 0.25  # seconds
CONNECTIONS = 50
# The share of C's work in a second of CPU time.
C_BARS = {servers.REQUESTS: 0.6, servers.RESETS: 0.9}
NAMES = {servers.REQUESTS: "CPU of a request", servers.RESETS: "CPU of a connection, reset"}


def rounds(what: str, sides: Sequence[servers.Server]) -> list[list[float]]:
    """Return what one costs in microseconds of CPU time, of each side in each round."""
    columns: list[list[float]] = [[] for _ in sides]
    for number in range(ROUNDS + 1):
        # Whoever is second finds warm caches, so each is first as often as the others.
        for turn in range(len(sides)):
            side = (number + turn) % len(sides)
            work = servers.load(sides[side], what, CONNECTIONS, SLICE)
            if number:
                columns[side].append(work.cost)
    return columns


def row(name: str, ours: list[float], peer: list[float], bar: float) -> compare.Row:
    """Return a comparison: the ratio is that of what a second of CPU time does."""
    shown = compare.compared(name, ours, peer, bar, better=compare.HIGHER, unit="us")
    turned = compare.compared(name, peer, ours)
    return shown._replace(ratio=turned.ratio, low=turned.low, high=turned.high)


def rows() -> Iterator[compare.Row]:
    """Yield the comparisons."""
    for loop in ("asyncio", "uvloop"):
        if not find_spec(loop):
            continue
        for handler, name, bars in (
            ("Echo", "Protocol", (0.97, 0.95)),
            ("echo", "streams", (0.95, 5.0)),
        ):
            peer = (*servers.PYTHON, str(servers.BENCH / "peers.py"), handler, loop)
            with (
                servers.serving((*servers.SERVE, "--loop", loop, f"peers:{handler}")) as ours,
                servers.serving(peer) as bare,
                servers.serving([servers.compiled("echo")]) as in_c,
            ):
                against_c = (loop, handler) == ("uvloop", "Echo")
                sides = [ours, bare, in_c] if against_c else [ours, bare]
                for what, bar in zip(NAMES, bars, strict=True):
                    costs = rounds(what, sides)
                    title = f"{loop}, {name}: {NAMES[what]}"
                    yield row(title, costs[0], costs[1], bar)
                    if against_c:
                        yield row(f"{title} / in C", costs[0], costs[2], C_BARS[what])


if __name__ == "__main__":
    compare.main(rows)
