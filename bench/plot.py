"""A plot of ratios: each against its bar, with its spread, as SVG.

jinja2 fills a template in, which the project has anyway: points and lines need no library for
plots. Letters stay letters, and the same figures give the same bytes, so a test can compare them.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jinja2
from compare import HIGHER, Row

WIDTH, LEFT, RIGHT = 760, 16, 16
TOP, ROW = 34, 42
# Pixels between two numbers below the plot, at least.
BETWEEN = 46
# How far the scale goes beyond what is on it.
MARGIN = 1.12
# Numbers that are tried in turn, each in every decade: few where there are several of those.
FAR, NEAR = (1, 2, 5), (1, 2, 5, 1.5, 3, 1.2, 4, 8, 6, 7, 9, 1.1, 1.3, 1.4)


class Theme(NamedTuple):
    """Colours: of paper, letters, quiet letters, lines, and of what keeps its bar or does not."""

    paper: str
    ink: str
    quiet: str
    line: str
    band: str
    kept: str
    short: str


THEMES = {
    "light": Theme("#ffffff", "#1f2328", "#57606a", "#d0d7de", "#dcfce7", "#1a7f37", "#b35900"),
    "dark": Theme("#161b22", "#e6edf3", "#9ea7b3", "#3d444d", "#12351f", "#3fb950", "#f0883e"),
}
_TEMPLATE = Path(__file__).with_name("plot.svg.j2")


class Scale:
    """A logarithmic scale from left to right."""

    def __init__(self, values: Sequence[float]) -> None:
        low, high = min(values) / MARGIN, max(values) * MARGIN
        self._from, self._to = math.log(low), math.log(high)

    def at(self, value: float) -> float:
        """Return where a value is, in pixels; what is beyond an end is at it."""
        share = (math.log(value) - self._from) / (self._to - self._from)
        return round(LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT), 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Return the numbers below the scale, with where they are; 1 is always there."""
        chosen = {1.0: self.at(1)}
        ten = math.log(10)
        decades = range(math.floor(self._from / ten), math.ceil(self._to / ten) + 1)
        for level in FAR if self._to - self._from > ten else NEAR:
            for value in (float(f"{level * 10.0**decade:.6g}") for decade in decades):
                inside = self._from <= math.log(value) <= self._to
                at = self.at(value)
                if inside and all(abs(at - other) >= BETWEEN for other in chosen.values()):
                    chosen[value] = at
        return [(at, f"{value:g}") for value, at in sorted(chosen.items())]


def draw(name: str, title: str, rows: Sequence[Row], theme: str) -> str:
    """Return the plot of some comparisons, each of which has a peer."""
    values = [1.0]
    for row in rows:
        values += [row.ratio, *filter(None, (row.bar, row.low, row.high))]
    scale = Scale(values)
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    height = TOP + ROW * len(rows) + 30
    return template.render(
        id=f"{name}-{theme}",
        title=f"{title}: ratios and their bars",
        theme=THEMES[theme],
        width=WIDTH,
        height=height,
        left=LEFT,
        right=WIDTH - RIGHT,
        bottom=TOP + ROW * len(rows),
        one=scale.at(1),
        ticks=scale.ticks(),
        rows=[_row(row, scale, TOP + ROW * number) for number, row in enumerate(rows)],
    )


def _row(row: Row, scale: Scale, top: int) -> dict[str, object]:
    """Return what the template shows of a comparison."""
    _, _, _, ratio, bar, verdict = row.cells
    band = None
    if row.bar is not None:
        start, end = LEFT, WIDTH - RIGHT
        at = scale.at(row.bar)
        band = (at, end - at) if row.better == HIGHER else (start, at - start)
    return {
        "top": top,
        "name": row.name.strip(),
        "ratio": ratio,
        "bar": bar,
        "verdict": verdict,
        "at": scale.at(row.ratio),
        "band": band and [round(side, 1) for side in band],
        "edge": row.bar is not None and scale.at(row.bar),
        "spread": row.low and [scale.at(row.low), scale.at(row.high)],
    }
