"""What a second worker gains where the handler keeps a processor busy.

For a machine with at least two idle processors.
"""

from collections.abc import Iterator

import compare
import servers

BAR = 1.7
ROUNDS = 5
CLIENTS = 8
SECONDS = 1.0
HANDLER = "activator.examples.digest:digest"


def rows() -> Iterator[compare.Row]:
    """Yield the comparison."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(ROUNDS):
        for workers, found in rates.items():
            words = ("--loop", "asyncio", "--workers", str(workers), HANDLER)
            with servers.serving((*servers.SERVE, *words)) as server:
                found.append(servers.load(server, servers.ASKS, CLIENTS, SECONDS).rate)
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
