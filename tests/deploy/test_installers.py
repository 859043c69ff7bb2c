"""What is published: judged, and installed as people do, with and without extras."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from activator.version import __version__
from tests.support import dist

VERSION = f"activator, version {__version__}\n"
# What the runtime needs besides for each extra that is tried, and what proves that it is there.
EXTRAS = {
    "": "import activator",
    "[asgi]": "import uvicorn, httptools",
    "[wsgi]": "import waitress",
}


def _run(*argv: str | Path, **variables: str) -> str:
    """Run a program with next to no environment variables, and show its errors if it fails."""
    done = subprocess.run(
        argv,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "LANG": "C.UTF-8"} | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def house(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the wheel and all that it needs, to install from without an index."""
    house = tmp_path_factory.mktemp("house")
    shutil.copy(wheel, house)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--quiet", "wheel", "--wheel-dir", str(house)),
            *("--find-links", str(house), "systemd-activator[asgi,wsgi]"),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"the dependencies are not to be had: {done.stderr.strip()[-300:]}")
    return house


def test_both_are_fit_to_be_published(sdist: Path, wheel: Path) -> None:
    """Neither twine nor check-wheel-contents finds anything."""
    dist.check(sdist, wheel)


def test_what_is_wrong_is_told(wheel: Path, tmp_path: Path) -> None:
    """A wheel that is none does not pass."""
    broken = tmp_path / wheel.name
    broken.write_bytes(wheel.read_bytes()[:1000])
    with pytest.raises(dist.BuildError, match="twine check"):
        dist.check(broken, broken)


@pytest.mark.parametrize("extra", EXTRAS)
@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_an_environment(installer: str, extra: str, house: Path, tmp_path: Path) -> None:
    """Pip and uv install it into an environment, and an extra with it."""
    python = tmp_path / "environment/bin/python"
    _run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "environment")
    source = ("--no-index", "--find-links", house, f"systemd-activator{extra}")
    if installer == "uv":
        cache = str(tmp_path / "cache")
        _run("uv", "pip", "install", "--python", python, *source, UV_CACHE_DIR=cache)
    else:
        _run(sys.executable, "-m", "pip", f"--python={python}", "install", *source)
    _run(python, "-c", EXTRAS[extra])
    assert VERSION == _run(python.with_name("activator"), "--version")


@pytest.mark.parametrize("installer", ["pipx", "uv"])
def test_the_command_alone(installer: str, house: Path, tmp_path: Path) -> None:
    """Pipx and uv put the command where the path has it, in an environment of its own."""
    paths = {
        name: str(tmp_path / name.lower())
        for name in ("HOME", "PIPX_HOME", "PIPX_BIN_DIR", "PIPX_MAN_DIR", "PIPX_SHARED_LIBS")
    } | {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_CACHE_DIR": str(tmp_path / "cache")}
    where = tmp_path / "pipx_bin_dir"
    if installer == "pipx":
        arguments = f"--no-index --find-links {house}"
        python = ("--python", sys.executable)
        _run("pipx", "install", *python, "--pip-args", arguments, "systemd-activator", **paths)
        assert (tmp_path / "pipx_man_dir/man7/activator-needs.7").is_file()
    else:
        paths["UV_TOOL_BIN_DIR"] = str(where)
        source = ("--no-index", "--find-links", house, "systemd-activator")
        _run("uv", "tool", "install", "--python", sys.executable, *source, **paths)
    assert ["activator"] == [path.name for path in where.iterdir()]
    assert VERSION == _run(where / "activator", "--version")
