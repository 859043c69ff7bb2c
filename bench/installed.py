"""The project as users have it: a wheel, installed into an environment of its own."""

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from compare import ENVIRONMENT

ROOT = Path(__file__).parents[1]
SOURCES = ("README.md", "LICENSE", "pyproject.toml", "activator", "templates", "units")
DEPENDENCIES = ("click", "jinja2", "markupsafe", "systemd")
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"


def build(scratch: Path) -> Path:
    """Build a wheel of what the checkout holds, in a directory the caller removes."""
    sources, wheels = scratch / "sources", scratch / "wheels"
    sources.mkdir()
    for name in SOURCES:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, sources)
    _run(sys.executable, "-c", BUILD, str(wheels), cwd=sources)
    (wheel,) = wheels.glob("*.whl")
    return wheel


def install(scratch: Path) -> Path:
    """Install what the checkout holds, and link its dependencies, which needs no network.

    Args:
        scratch: A directory for it, which stays the caller's to remove.

    Returns:
        The environment's ``bin``, with ``python`` and ``activator``.
    """
    environment = scratch / "environment"
    wheel = build(scratch)
    _run(sys.executable, "-m", "venv", "--without-pip", str(environment))
    python = environment / "bin/python"
    pip = (sys.executable, "-m", "pip", "--quiet", f"--python={python}", "install")
    _run(*pip, "--no-index", "--no-deps", str(wheel))
    (packages,) = environment.glob("lib/python3*/site-packages")
    for name in DEPENDENCIES:
        spec = find_spec(name)
        assert spec is not None, name
        assert spec.origin is not None, name
        (packages / name).symlink_to(Path(spec.origin).parent)
    return python.parent


def _run(*argv: str, cwd: Path | None = None) -> None:
    """Run a step, and show what it says only if it fails."""
    done = subprocess.run(
        argv, cwd=cwd, env=ENVIRONMENT, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout}{done.stderr}{' '.join(argv)} failed")
