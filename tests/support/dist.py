"""Build what is published: the sdist from a copy of the project, and the wheel from the sdist.

``python -m tests.support.dist DIRECTORY`` leaves both there once twine and check-wheel-contents
find nothing.
"""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.support.tree import copy_project

_BUILD = "import sys; from setuptools import build_meta as b; b.build_{}(sys.argv[1])"


class BuildError(Exception):
    """It could not be built, or is wrong; the message has the last lines that were said."""


def build_sdist(target: Path) -> Path:
    """Build the sdist into a directory, and return its path.

    Raises:
        BuildError: That failed.
    """
    with tempfile.TemporaryDirectory(prefix="activator-sdist-") as scratch:
        # A copy is built, so that nothing appears in the checkout.
        copy_project(Path(scratch))
        return _build("sdist", Path(scratch), target)


def build_wheel(sdist: Path, target: Path) -> Path:
    """Build the wheel from an sdist into a directory, and return its path.

    Raises:
        BuildError: That failed.
    """
    with tempfile.TemporaryDirectory(prefix="activator-wheel-") as scratch:
        with tarfile.open(sdist) as archive:
            archive.extractall(scratch, filter="data")
        (unpacked,) = Path(scratch).iterdir()
        return _build("wheel", unpacked, target)


def check(sdist: Path, wheel: Path) -> None:
    """Have both judged as the package index and its users would.

    Raises:
        BuildError: Something is wrong with one of them.
    """
    _run(sys.executable, "-m", "twine", "check", "--strict", str(sdist), str(wheel))
    _run(sys.executable, "-m", "check_wheel_contents", str(wheel))


def _build(kind: str, sources: Path, target: Path) -> Path:
    target.mkdir(parents=True, exist_ok=True)
    _run(sys.executable, "-c", _BUILD.format(kind), str(target.resolve()), cwd=sources)
    (path,) = target.glob("*.tar.gz" if kind == "sdist" else "*.whl")
    return path


def _run(*argv: str, cwd: Path | None = None) -> None:
    done = subprocess.run(
        argv,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BuildError("\n".join([" ".join(argv), *done.stdout.strip().splitlines()[-8:]]))


def main(directory: Path) -> int:
    """Build both and have them checked; print where they are."""
    for old in (*directory.glob("*.whl"), *directory.glob("*.tar.gz")):
        old.unlink()
    try:
        sdist = build_sdist(directory)
        wheel = build_wheel(sdist, directory)
        check(sdist, wheel)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    print(f"{sdist}\n{wheel}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
