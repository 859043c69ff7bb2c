"""The generator: start-up against bare imports, and 1,000 specs against Jinja2 alone."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import compare
from installed import ROOT, install

from activator.generate import specfile
from activator.generate.render import templates, units

SPECS = 1_000


def rows() -> Iterator[compare.Row]:
    """Yield the comparisons."""
    with tempfile.TemporaryDirectory() as scratch:
        binaries = install(Path(scratch))
        activator, python = str(binaries / "activator"), str(binaries / "python")
        echo = str(ROOT / "units/echo.toml")
        version, click, gen, imports = compare.times(
            [
                compare.process(activator, "--version"),
                compare.process(python, "-c", "import click"),
                compare.process(activator, "gen", echo, "--stdout"),
                compare.process(python, "-c", "import click, jinja2"),
            ]
        )
        yield compare.compared("--version / import click", version, click, 1.1)
        yield compare.compared("gen of one spec / import click, jinja2", gen, imports, 1.3)
        paths = write_specs(Path(scratch))
        many, one, alone = compare.times(
            [
                compare.process(activator, "gen", *paths, "--stdout"),
                compare.process(activator, "gen", paths[0], "--stdout"),
                jinja_alone(paths),
            ],
            rounds=9,
        )
        more = [all_of_them - first for all_of_them, first in zip(many, one, strict=True)]
        yield compare.compared(f"{SPECS} specs, less one / Jinja2 alone", more, alone, 3.0)
        first, *_ = paths
        grown = compare.peak(activator, "gen", *paths, "--stdout") - compare.peak(
            activator, "gen", first, "--stdout"
        )
        yield compare.Row(f"memory for {SPECS} specs, less one", grown, 0, grown, 50, unit="MB")


def write_specs(directory: Path) -> list[str]:
    """Write specs that differ, and return their paths."""
    text = (ROOT / "units/echo.toml").read_text()
    paths = []
    for number in range(SPECS):
        path = directory / f"echo-{number}.toml"
        path.write_text(
            text.replace('name = "echo"', f'name = "echo-{number}"')
            .replace("7777", str(10_000 + number))
            .replace("echo.sock", f"echo-{number}.sock")
        )
        paths.append(str(path))
    return paths


def jinja_alone(paths: list[str]) -> Callable[[], object]:
    """Return a step in which Jinja2 renders the same text from warm templates."""
    environment = templates.environment(None)
    prepared = [
        (environment.get_template("unit.j2"), unit)
        for path in paths
        for unit in units(specfile.load(path))
    ]

    def step() -> None:
        for template, unit in prepared:
            template.render(unit=unit, source="echo.toml", explain=False)

    return step


if __name__ == "__main__":
    compare.main(rows)
