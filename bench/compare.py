"""Time two things in turn, in one run, and print their ratio beside the bar to keep.

Only ratios are compared with a bar: absolute times move with the machine.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

ROUNDS = 15


def seconds(step: Callable[[], object]) -> float:
    """Return how long a step takes."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def process(*argv: str) -> Callable[[], object]:
    """Return a step that runs a program to its end."""

    def step() -> None:
        run = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
        if run.returncode:
            raise SystemExit(f"{argv[0]} failed with status {run.returncode}")

    return step


def python(*argv: str) -> Callable[[], object]:
    """Return a step that runs this interpreter."""
    return process(sys.executable, *argv)


def medians(steps: Sequence[Callable[[], object]], rounds: int = ROUNDS) -> list[float]:
    """Return each step's median time in seconds, having run them in turn; one round is free."""
    times = [[seconds(step) for step in steps] for _ in range(rounds + 1)][1:]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def row(what: str, ours: float, peer: float, bar: float) -> bool:
    """Print one comparison, times in milliseconds, and return whether it keeps the bar."""
    ratio = ours / peer
    kept = ratio <= bar
    print(
        f"{what:<44} {ours * 1e3:9.2f} ms {peer * 1e3:9.2f} ms   x {ratio:5.2f}"
        f"   bar {bar:5.2f}   {'holds' if kept else 'MISSED'}",
        flush=True,
    )
    return kept
