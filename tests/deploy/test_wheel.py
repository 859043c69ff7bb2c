"""The wheel, installed into an environment of its own with the sources out of reach."""

import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from activator.version import __version__
from tests.boxes.fixtures import PROJECT

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a virtual environment that has the wheel, and this one's other packages."""
    environment = tmp_path_factory.mktemp("wheel") / "environment"
    _call(sys.executable, "-m", "venv", "--without-pip", str(environment))
    python = environment / "bin/python"
    _call(
        *(sys.executable, "-m", "pip", "--quiet", f"--python={python}"),
        *("install", "--no-index", "--no-deps", str(wheel)),
    )
    # The dependencies, without a network; .pth files over there are not read through this one,
    # so that an editable install of the sources stays out of sight.
    (site,) = environment.glob("lib/python3*/site-packages")
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('platlib')}\n")
    return environment


@pytest.fixture
def run(environment: Path, tmp_path: Path) -> Run:
    """Return a function that runs a program of the environment, away from the sources.

    ``run("activator", "gen", ...)`` works in an empty directory and returns the finished process.
    """

    def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return _call(str(environment / "bin" / program), *arguments, cwd=tmp_path)

    return run


def _call(*argv: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program with next to no environment variables, and show its errors if it fails."""
    done = subprocess.run(
        argv,
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done


def test_imported_from_wheel(run: Run, environment: Path) -> None:
    """The package comes from the environment, not from the checkout."""
    done = run("python", "-c", "import activator; print(activator.__file__)")

    assert Path(done.stdout).is_relative_to(environment)


def test_version(run: Run) -> None:
    """The installed command, and the package run as a module, tell the version."""
    expected = f"activator, version {__version__}\n"

    assert run("activator", "--version").stdout == expected
    assert run("python", "-m", "activator", "--version").stdout == expected


def test_help(run: Run) -> None:
    """The installed command lists its subcommands."""
    assert "\nCommands:\n" in run("activator", "--help").stdout


def test_gen(run: Run, tmp_path: Path) -> None:
    """The installed command makes units, with the templates and tables of the wheel."""
    spec = (PROJECT / "units/echo.toml").read_text()
    (tmp_path / "echo.toml").write_text(spec)
    assert run("activator", "gen", "echo.toml", "-o", "out").stdout.split() == [
        "out/echo.socket",
        "out/echo.service",
    ]
    for name in ("echo.socket", "echo.service"):
        assert (tmp_path / "out" / name).read_text() == (PROJECT / "units" / name).read_text()


def test_demo(run: Run) -> None:
    """The installed command shows an act, with the files that the wheel has for it."""
    said = run("activator", "demo", "--quiet", "7").stdout
    assert "'Restarts are for services, not for clients. (qotd)'" in said


@pytest.mark.parametrize(("folder", "pattern"), [("templates", "*.j2"), ("units", "*.toml")])
def test_data_files(wheel: Path, folder: str, pattern: str) -> None:
    """Every template and every shipped spec travels in the wheel."""
    sources = {f"activator/{folder}/{path.name}" for path in (PROJECT / folder).glob(pattern)}

    assert sources <= _names(wheel)


def test_modules(wheel: Path) -> None:
    """Every module of the package travels in the wheel, with its tables and type marker."""
    files = (PROJECT / "activator").rglob("*.*")
    sources = {
        str(path.relative_to(PROJECT)) for path in files if path.suffix in {".py", ".tsv", ".toml"}
    }

    assert sources <= _names(wheel)
    assert "activator/py.typed" in _names(wheel)


def test_manual(wheel: Path) -> None:
    """Every manual page travels in the wheel, and is found beside the command."""
    data = f"systemd_activator-{__version__}.data/data/share/man"
    pages = [path.name for path in (PROJECT / "packaging/man").iterdir()]
    assert {f"{data}/man{page[-1]}/{page}" for page in pages} <= _names(wheel)


def test_nothing_else(wheel: Path) -> None:
    """The wheel holds the package and its metadata, no tests and no benches."""
    tops = {name.partition("/")[0] for name in _names(wheel)}

    distribution = f"systemd_activator-{__version__}"
    assert tops == {"activator", f"{distribution}.data", f"{distribution}.dist-info"}


def _names(wheel: Path) -> set[str]:
    """Return the paths in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())
