"""What a second worker gains where the handler keeps a processor busy.

For a machine with at least two idle processors.
"""

import sys
from collections.abc import Iterator

import compare
from warm import CLIENTS, load, serving

BAR = 1.7
ROUNDS = 5
SERVE = [sys.executable, "-m", "activator", "serve", "--loop", "asyncio"]
HANDLER = "activator.examples.digest:digest"


def rows() -> Iterator[compare.Row]:
    """Yield the comparison."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(ROUNDS):
        for workers, found in rates.items():
            with serving([*SERVE, "--workers", str(workers), HANDLER]) as port:
                found.append(load(port, CLIENTS))
    yield compare.compared(
        "connections: 2 workers / 1 worker",
        rates[2],
        rates[1],
        BAR,
        better=compare.HIGHER,
        unit="/s",
    )


if __name__ == "__main__":
    compare.main(rows)
