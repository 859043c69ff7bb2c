"""What a second worker gains where the handler keeps a processor busy.

Run it as ``python bench/workers.py`` on a machine with at least two idle processors. The bar:
with two workers at least 1.7 times the connections per second of one.
"""

import statistics
import sys

from warm import CLIENTS, load, serving

BAR = 1.7
ROUNDS = 5
SERVE = [sys.executable, "-m", "activator", "serve", "--loop", "asyncio"]
HANDLER = "activator.examples.digest:digest"


def main() -> int:
    """Measure both in turn and print the ratio; return 1 if the bar is missed."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(ROUNDS):
        for workers, found in rates.items():
            with serving([*SERVE, "--workers", str(workers), HANDLER]) as port:
                found.append(load(port, CLIENTS))
    ratio = statistics.median(map(float.__truediv__, rates[2], rates[1]))
    kept = ratio >= BAR
    one, two = (statistics.median(rates[workers]) for workers in (1, 2))
    print(
        f"connections with 2 workers and with 1 {two:9.0f}/s {one:9.0f}/s   x {ratio:5.2f}"
        f"   bar {BAR:.2f}   {'holds' if kept else 'MISSED'}"
    )
    return not kept


if __name__ == "__main__":
    sys.exit(main())
