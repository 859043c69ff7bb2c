"""What all scripts here have in common: rows that compare us with a peer, and how to show them.

A script has ``rows()``, which yields a :class:`Row` as soon as it is measured, and ends with
``compare.main(rows)``. Run alone it prints a table; ``all.py`` runs them all.

Only ratios are compared with a bar: absolute figures move with the machine. A ratio is the
median of rounds in which both sides were measured one after the other, so that a slow moment
counts for both.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

ROUNDS = 15
LOWER, HIGHER = "≤", "≥"
_PEAK = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=-3, check=True);"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)
# As of one who has set nothing for Python, such as to compile every module anew.
ENVIRONMENT = {name: text for name, text in os.environ.items() if name[:6] != "PYTHON"}
# Told to print a row a line, for all.py.
JSON = "--json"


class Row(NamedTuple):
    """One comparison.

    Attributes:
        name: What is compared, with what.
        value: Our figure: the median of all rounds.
        peer: The peer's; 0 if there is none.
        ratio: Ours to the peer's, the median of the rounds' ratios; without a peer our figure.
        bar: What the ratio has to keep, or None where it is shown only.
        better: Which ratio is better: LOWER than the bar, or HIGHER.
        unit: Of both figures.
        low: The ratio that a quarter of the rounds is below; 0 if it is not known.
        high: The one that a quarter is above.
    """

    name: str
    value: float
    peer: float
    ratio: float
    bar: float | None = None
    better: str = LOWER
    unit: str = "ms"
    low: float = 0.0
    high: float = 0.0

    @property
    def kept(self) -> bool:
        """Tell whether the bar is kept."""
        if self.bar is None:
            return True
        return self.ratio <= self.bar if self.better == LOWER else self.ratio >= self.bar

    @property
    def cells(self) -> tuple[str, ...]:
        """Return what a table shows of it."""
        bar = "" if self.bar is None else f"{self.better} {round(self.bar, 2):g}"
        verdict = "" if self.bar is None else "pass" if self.kept else "SHORT"
        peer, ratio = (
            (_figure(self.peer, self.unit), f"{self.ratio:.2f}") if self.peer else ("", "")
        )
        return self.name, _figure(self.value, self.unit), peer, ratio, bar, verdict


HEAD = ("", "activator", "peer", "ratio", "bar", "")
WIDTHS = (60, 12, 12, 8, 9, 7)


def compared(
    name: str,
    ours: Sequence[float],
    peer: Sequence[float],
    bar: float | None = None,
    *,
    better: str = LOWER,
    unit: str = "ms",
) -> Row:
    """Return a row of the figures of all rounds, ours and the peer's."""
    ratios = list(map(float.__truediv__, ours, peer))
    ratio = statistics.median(ratios)
    low, high = spread(ratios)
    figures = statistics.median(ours), statistics.median(peer)
    return Row(name, *figures, ratio, bar, better, unit, low, high)


def spread(ratios: Sequence[float]) -> tuple[float, float]:
    """Return between what the middle half of the rounds is; zeros if there was but one."""
    if len(ratios) == 1:
        return 0.0, 0.0
    low, _, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return low, high


def line(cells: Iterable[str]) -> str:
    """Return a line of a table: text to the left, figures to the right."""
    first, *rest = cells
    return (f"{first:<{WIDTHS[0]}}" + "".join(map(str.rjust, rest, WIDTHS[1:]))).rstrip()


def main(rows: Callable[[], Iterable[Row]]) -> None:
    """Print rows as they come, and exit: with 1 if a bar is missed, which all.py judges itself."""
    kept = True
    plain = JSON in sys.argv[1:]
    if not plain:
        print(line(HEAD))
    for row in rows():
        print(json.dumps(row) if plain else line(row.cells), flush=True)
        kept = kept and row.kept
    sys.exit(not kept and not plain)


# --- steps that are timed ----------------------------------------------------------------


def process(*argv: str) -> Callable[[], object]:
    """Return a step that runs a program to its end, as one who has set nothing for Python."""

    def step() -> None:
        _run(argv, subprocess.DEVNULL)

    return step


def peak(*argv: str) -> float:
    """Return the most memory that a program, or a process it starts, has had at a time: MB."""
    # The memory of whoever starts a program counts for it too, so that is a small one.
    return int(_run((sys.executable, "-c", _PEAK, *argv), subprocess.PIPE)) / 1024


def _run(argv: Sequence[str], output: int) -> bytes:
    """Run a program to its end, and return what it prints into a pipe."""
    run = subprocess.run(
        argv, stdin=subprocess.DEVNULL, stdout=output, check=False, env=ENVIRONMENT
    )
    if run.returncode:
        raise SystemExit(f"{argv[0]} failed with status {run.returncode}")
    return run.stdout or b""


def times(steps: Sequence[Callable[[], object]], rounds: int = ROUNDS) -> list[list[float]]:
    """Return how long each step takes in each round, in ms.

    The steps take turns; one round is free, for what fills caches.
    """
    columns: list[list[float]] = [[] for _ in steps]
    for turn in range(rounds + 1):
        for step, column in zip(steps, columns, strict=True):
            start = time.perf_counter()
            step()
            if turn:
                column.append((time.perf_counter() - start) * 1e3)
    return columns


def _figure(number: float, unit: str) -> str:
    """Return a figure with three digits or more, and its unit."""
    digits = 0 if number >= 100 else 1 if number >= 10 else 2  # noqa: PLR2004 - three digits
    return f"{number:,.{digits}f} {unit}"
