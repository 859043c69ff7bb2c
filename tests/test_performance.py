"""docs/performance.md: its tables and plots are those of the figures in docs/performance.json."""

import json
import runpy
import sys
from collections.abc import Iterator
from itertools import pairwise
from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest

from tests.support.tree import ROOT

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def bench() -> Iterator[SimpleNamespace]:
    """Return the scripts that make the page: those of bench/ import each other by their names."""
    before = set(sys.modules)
    sys.path.insert(0, str(ROOT / "bench"))
    try:
        page = SimpleNamespace(**runpy.run_path(str(ROOT / "bench/page.py")))
        yield SimpleNamespace(page=page, plot=page.plot, compare=page.compare)
    finally:
        sys.path.remove(str(ROOT / "bench"))
        for name in {"compare", "plot"} - before:
            sys.modules.pop(name, None)


def test_page_and_plots_are_those_of_the_figures(bench: SimpleNamespace) -> None:
    """The committed page and plots are what the figures give, and there are no others."""
    figures = (DOCS / "performance.json").read_text(encoding="utf-8")
    facts, subjects = bench.page.load(figures)
    assert bench.page.dump(facts, subjects) == figures
    page = (DOCS / "performance.md").read_text(encoding="utf-8")
    assert bench.page.page(facts, subjects) == page, "run: make docs"
    made = dict(bench.page.plots(subjects))
    kept = {
        f"pictures/{path.name}": path.read_text(encoding="utf-8")
        for path in DOCS.glob("pictures/performance-*.svg")
    }
    assert made == kept, "run: make docs"


def test_scripts_and_subjects_agree() -> None:
    """Each script that compares is a subject of the figures, under the title that it has."""
    subjects = json.loads((DOCS / "performance.json").read_text())["subjects"]
    titles = {
        path.stem: path.read_text().partition("\n")[0].strip('"').rstrip(".")
        for path in (ROOT / "bench").glob("*.py")
        if "\ndef rows(" in path.read_text()
    }
    assert titles == {name: subject["title"] for name, subject in subjects.items()}


def test_the_spread_is_the_middle_half_of_the_rounds(bench: SimpleNamespace) -> None:
    """It is that of the ratios, is kept with the figures, and is drawn around the point."""
    ours, peer = [1.0, 2.0, 3.0, 4.0, 5.0], [1.0] * 5
    row = bench.compare.compared("this / that", ours, peer, 1.5)
    assert (2.0, 3.0, 4.0) == (row.low, row.ratio, row.high)
    subjects = {"one": bench.page.Subject("One", [row])}
    assert ({}, subjects) == bench.page.load(bench.page.dump({}, subjects))
    scale = bench.plot.Scale([1.0, 1.5, 2.0, 3.0, 4.0])
    drawn = bench.plot.draw("one", "One", [row], "light")
    assert f'd="M{scale.at(2)} ' in drawn
    assert f'H{scale.at(4)}"' in drawn
    assert f'cx="{scale.at(3)}"' in drawn
    alone = bench.compare.compared("this / that", [2.0], [1.0])
    assert (0.0, 0.0) == (alone.low, alone.high)


@pytest.mark.parametrize(
    ("better", "ratio", "kept"), [("≤", 1.4, True), ("≤", 1.6, False), ("≥", 1.4, False)]
)
def test_a_point_is_where_its_bar_is_kept(
    bench: SimpleNamespace, better: str, ratio: float, *, kept: bool
) -> None:
    """A full point is in the green part of its row, and an open one is outside."""
    row = bench.compare.Row("this / <that>", ratio, 1.0, ratio, 1.5, better)
    drawn = ET.fromstring(bench.plot.draw("one", "One", [row], "dark"))  # noqa: S314 - our own
    theme = bench.plot.THEMES["dark"]
    (point,) = drawn.findall(".//{*}circle")
    (band,) = (one for one in drawn.findall(".//{*}rect") if one.attrib["fill"] == theme.band)
    start = float(band.attrib["x"])
    inside = start <= float(point.attrib["cx"]) <= start + float(band.attrib["width"])
    assert (kept, kept) == (inside, point.attrib["fill"] == theme.kept)
    assert "this / <that>" in [one.text for one in drawn.findall(".//{*}text")]


@pytest.mark.parametrize("values", [[0.01, 1.0, 50.0], [0.99, 1.0, 1.01], [1.0], [1.0, 1e-9, 1e9]])
def test_numbers_below_a_plot(bench: SimpleNamespace, values: list[float]) -> None:
    """They stand in order, apart, and 1 is among them."""
    ticks = bench.plot.Scale(values).ticks()
    assert "1" in [text for _, text in ticks]
    places = [at for at, _ in ticks]
    assert all(b - a >= bench.plot.BETWEEN for a, b in pairwise(places))
