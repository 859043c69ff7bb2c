"""Root file systems: one a Debian suite and recipe, built once and cached outside the checkout.

``python -m tests.boxes.roots [SUITE...]`` builds what is missing and shows its progress.
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import TextIO

from tests.boxes.needs import missing_for_roots, required
from tests.boxes.recipes import BOX, MOVING, ROOTS, SUITES, Recipe
from tests.boxes.sources import debian_source


class RootError(Exception):
    """A root file system could not be built; the message says why, in one line."""


def cache_directory() -> Path:
    """Return where root file systems are kept, as the environment wants it."""
    if chosen := os.environ.get("ACTIVATOR_BOX_CACHE"):
        return Path(chosen).absolute()
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(home) / "activator" / "boxes"


def tree_path(suite: str, recipe: Recipe = BOX) -> Path:
    """Return the directory of a root file system, whether it is built or not.

    Its name is a key: the recipe, the suite and a digest of all that decides what is in it.
    """
    contents = [*recipe.packages, *recipe.options]
    if suite == MOVING:
        # A new tree each month, so that it keeps up with the newest systemd.
        contents.append(f"{datetime.now(UTC):%Y-%m}")
    digest = hashlib.sha256("\n".join(contents).encode()).hexdigest()[:12]
    return cache_directory() / f"{recipe.name}-{suite}-{digest}"


@contextmanager
def locked(path: Path, mode: int) -> Iterator[bool]:
    """Hold an flock on a file; the value says whether it was got (LOCK_NB may fail)."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, mode)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def use_lock(tree: Path) -> Path:
    """Return the lock file that a box holds (shared) while it runs from a tree."""
    return tree.with_name(f"{tree.name}.use")


def ensure_root(
    suite: str, recipe: Recipe = BOX, say: Callable[[str], None] = lambda _: None
) -> Path:
    """Return a suite's root file system, built first if need be.

    Args:
        suite: A name of SUITES.
        recipe: What it is made of.
        say: Called with each line of progress.

    Returns:
        The directory of the tree; it must never be written to.

    Raises:
        RootError: It cannot be built here.
    """
    tree = tree_path(suite, recipe)
    if tree.is_dir():
        return tree
    if missing := missing_for_roots():
        raise RootError(missing)
    tree.parent.mkdir(parents=True, exist_ok=True)
    lock = cache_directory() / f"{recipe.name}-{suite}.lock"
    say("waiting for the lock" if _is_locked(lock) else "building, about half a minute")
    with locked(lock, fcntl.LOCK_EX):
        if not tree.is_dir():  # else another run has built it meanwhile
            _build(suite, recipe, tree, say)
            _remove_old(tree)
    return tree


def _is_locked(path: Path) -> bool:
    with locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB) as got:
        return not got


def _build(suite: str, recipe: Recipe, tree: Path, say: Callable[[str], None]) -> None:
    """Build a tree under a temporary name and rename it once it is whole."""
    partial = tree.with_name(f"{tree.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    source = debian_source()
    include = f"--include={','.join(recipe.packages)}"
    command = ["mmdebstrap", *recipe.options, include, suite, str(partial)]
    # Without a Debian mirror in apt's configuration, mmdebstrap knows one itself.
    command += [source.line(suite)] if source else []
    try:
        output = _run_showing(command, say)
        if output:
            raise RootError(f"{suite} could not be built: {output[-1].removeprefix('E: ')}")
        # With an identity of its own the box does not take each boot for its first one.
        (partial / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")
        partial.rename(tree)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _run_showing(command: list[str], say: Callable[[str], None]) -> list[str]:
    """Run a command and pass its lines on; return its errors when it fails, else nothing."""
    lines = []
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        try:
            for raw in process.stdout:
                line = raw.strip()
                lines.append(line)
                if line.startswith("I:") and line.endswith("..."):
                    say(line[2:].strip())
        except BaseException:
            process.terminate()
            raise
    if not process.returncode:
        return []
    errors = [line for line in lines if line.startswith("E:")]
    return errors[:1] or lines[-1:] or [f"mmdebstrap ended with status {process.returncode}"]


def _remove_old(current: Path) -> None:
    """Remove what earlier lists of packages left, unless a box still runs from it."""
    for path in current.parent.glob(f"{current.name.rpartition('-')[0]}-*"):
        if not path.is_dir() or path == current:
            continue
        with locked(use_lock(path), fcntl.LOCK_EX | fcntl.LOCK_NB) as got:
            if got:
                shutil.rmtree(path, ignore_errors=True)
                with suppress(FileNotFoundError):
                    use_lock(path).unlink()


def main(arguments: list[str], stream: TextIO) -> int:
    """Build the root file systems that are missing, side by side, and say how it goes.

    Returns:
        1 when one that is required could not be built, else 0: its tests will say so.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.boxes.roots", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join(SUITES))
    suites = parser.parse_args(arguments).suites or list(SUITES)
    if unknown := set(suites) - set(SUITES):
        parser.error(f"no such suite: {', '.join(sorted(unknown))}; known are {', '.join(SUITES)}")
    wanted = [(one, suite) for one, its in ROOTS.items() for suite in its if suite in suites]
    if all(tree_path(suite, recipe).is_dir() for recipe, suite in wanted):
        return 0
    if missing := missing_for_roots():
        stream.write(f"boxes: {missing}; the tests that need one will be skipped\n")
        return 0

    begin = monotonic()

    def build(what: tuple[Recipe, str]) -> bool:
        recipe, suite = what

        def say(line: str) -> None:
            stream.write(f"{recipe.name:<8} {suite:<8} {monotonic() - begin:4.0f} s  {line}\n")
            stream.flush()

        try:
            ensure_root(suite, recipe, say)
        except (RootError, OSError) as error:
            say(f"FAILED: {error}")
            return suite == MOVING or not required()
        say("ready")
        return True

    with ThreadPoolExecutor(len(suites)) as pool:
        return 0 if all(list(pool.map(build, wanted))) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stderr))
