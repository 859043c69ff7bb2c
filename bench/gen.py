"""The generator: start-up against bare imports, and 1,000 specs against Jinja2 alone."""

import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from compare import medians, process, python, row

from activator import spec
from activator.render import templates, units

SPECS = 1_000
ROOT = Path(__file__).parents[1]
ACTIVATOR = str(Path(sys.executable).with_name("activator"))


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
        for unit in units(spec.load(path))
    ]

    def step() -> None:
        for template, unit in prepared:
            template.render(unit=unit, source="echo.toml", explain=False)

    return step


def main() -> None:
    """Print the comparisons."""
    print(f"{'':<44} {'activator':>12} {'peer':>12}")
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        version, click, gen, imports = medians(
            [
                process(ACTIVATOR, "--version"),
                python("-c", "import click"),
                process(ACTIVATOR, "gen", str(ROOT / "units/echo.toml"), "--stdout"),
                python("-c", "import click, jinja2"),
            ]
        )
        row("--version / import click", version, click, 1.1)
        row("gen of one spec / import click, jinja2", gen, imports, 1.3)
        paths = write_specs(directory)
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        many, one, alone = medians(
            [
                process(ACTIVATOR, "gen", *paths, "--stdout"),
                process(ACTIVATOR, "gen", paths[0], "--stdout"),
                jinja_alone(paths),
            ],
            rounds=9,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        row(f"{SPECS} specs, less one / Jinja2 alone", many - one, alone, 3.0)
        print(f"memory for {SPECS} specs: {(after - before) / 1024:.1f} MB more; bar 50 MB")


if __name__ == "__main__":
    main()
