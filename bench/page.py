"""Make docs/performance.md and its plots out of docs/performance.json: ``python bench/page.py``.

``all.py --write`` writes the figures of a run there and calls this; a test tells when page and
plots are not those of the figures.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import compare
import plot

FIGURES = Path(__file__).parents[1] / "docs/performance.json"
HEAD = """\
# Performance

Each line compares activator with a peer, measured in turn in one run; the ratio is the median of
all rounds. It is what has to keep the bar: figures move with the machine. `make bench` measures
anew; this page is one run: `python bench/all.py --write docs/performance.json` writes the figures
into that file, and makes tables and plots of them.

In the plots a point is the ratio, on a scale on which twice as much and half as much are equally
far from 1, where the dashes are. The thick line through a point has the middle half of the rounds,
if the run has kept it. In the green part of a row the bar is kept: a full point keeps it, an open
one misses it, and a grey one has none to keep.
"""


class Subject(NamedTuple):
    """What one script measures.

    Attributes:
        title: What it is about.
        rows: Its comparisons.
    """

    title: str
    rows: list[compare.Row]


def dump(facts: dict[str, str], subjects: dict[str, Subject]) -> str:
    """Return a run as JSON: where it was, and for each script its title and its rows."""
    found = {
        name: {"title": subject.title, "rows": [_kept(row) for row in subject.rows]}
        for name, subject in subjects.items()
    }
    return json.dumps({"facts": facts, "subjects": found}, indent=1, ensure_ascii=False) + "\n"


def _kept(row: compare.Row) -> dict[str, object]:
    """Return what is kept of a comparison; the digits behind the sixth are noise."""
    return {
        key: float(f"{value:.6g}") if isinstance(value, float) else value
        for key, value in row._asdict().items()
    }


def load(text: str) -> tuple[dict[str, str], dict[str, Subject]]:
    """Return a run that was written as JSON."""
    run = json.loads(text)
    subjects = {
        name: Subject(each["title"], [compare.Row(**row) for row in each["rows"]])
        for name, each in run["subjects"].items()
    }
    return run["facts"], subjects


def page(facts: dict[str, str], subjects: dict[str, Subject]) -> str:
    """Return a run as a page."""
    parts = [HEAD, *(f"- {name}: {text}" for name, text in facts.items())]
    for name, subject in subjects.items():
        parts.append(f"\n## {subject.title}\n")
        if any(row.peer for row in subject.rows):
            parts.append(_picture(name, subject))
        parts += [_cells(("", *compare.HEAD[1:])), _cells(("---",) * 6)]
        parts += [_cells((row.name.strip(), *row.cells[1:])) for row in subject.rows]
    return "\n".join(parts) + "\n"


def plots(subjects: dict[str, Subject]) -> Iterator[tuple[str, str]]:
    """Yield the plots of a run: their paths below docs/, and their text."""
    for name, subject in subjects.items():
        if rows := [row for row in subject.rows if row.peer]:
            for theme in plot.THEMES:
                yield _path(name, theme), plot.draw(name, subject.title, rows, theme)


def write(figures: Path = FIGURES) -> None:
    """Write the page and the plots of a file of figures beside it."""
    facts, subjects = load(figures.read_text(encoding="utf-8"))
    figures.with_suffix(".md").write_text(page(facts, subjects), encoding="utf-8")
    for name, text in plots(subjects):
        path = figures.parent / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _path(name: str, theme: str) -> str:
    return f"pictures/performance-{name.replace('_', '-')}-{theme}.svg"


def _picture(name: str, subject: Subject) -> str:
    alt = f"A plot of the ratios in the table below: {subject.title}"
    dark = _path(name, "dark")
    return (
        f'<picture>\n  <source media="(prefers-color-scheme: dark)" srcset="{dark}">\n'
        f'  <img alt="{alt}" src="{_path(name, "light")}">\n</picture>\n'
    )


def _cells(texts: tuple[str, ...]) -> str:
    """Return a row of a Markdown table."""
    return f"| {' | '.join(texts)} |"


if __name__ == "__main__":
    write()
