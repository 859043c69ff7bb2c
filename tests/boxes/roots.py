"""Root file systems for boxes: one a Debian suite, built once and cached outside the checkout.

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
from tests.boxes.sources import debian_source

# Suite → the systemd it brings (sid: at least). sid moves, so a failure there is nobody's fault.
SUITES = {"bookworm": 252, "trixie": 257, "sid": 262}
MOVING = "sid"

PACKAGES = (
    "curl",
    "dbus",
    "iproute2",
    "libpam-systemd",
    "netcat-openbsd",
    "nginx-light",
    "procps",
    "python3",
    "python3-click",
    "python3-dbus",
    "python3-installer",
    "python3-jinja2",
    "python3-systemd",
    "socat",
    "systemd",
    "systemd-sysv",
)

# Units that would only make a boot slower, or take a port before a test does.
UNWANTED = ("nginx.service", "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer")

OPTIONS = (
    "--variant=minbase",
    # A mirror may be a snapshot, whose Release file has run out by design.
    '--aptopt=Acquire::Check-Valid-Until "false"',
    '--aptopt=Acquire::Languages "none"',
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    f'--customize-hook=chroot "$1" systemctl disable --quiet {" ".join(UNWANTED)}',
)


class RootError(Exception):
    """A root file system could not be built; the message says why, in one line."""


def cache_directory() -> Path:
    """Return where root file systems are kept, as the environment wants it."""
    if chosen := os.environ.get("ACTIVATOR_BOX_CACHE"):
        return Path(chosen).absolute()
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(home) / "activator" / "boxes"


def tree_path(suite: str) -> Path:
    """Return the directory of a suite's root file system, whether it is built or not.

    Its name is a key: the suite and a digest of all that decides what is in the tree.
    """
    recipe = [*PACKAGES, *OPTIONS]
    if suite == MOVING:
        # A new tree each month, so that it keeps up with the newest systemd.
        recipe.append(f"{datetime.now(UTC):%Y-%m}")
    digest = hashlib.sha256("\n".join(recipe).encode()).hexdigest()[:12]
    return cache_directory() / f"{suite}-{digest}"


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


def ensure_root(suite: str, say: Callable[[str], None] = lambda _: None) -> Path:
    """Return a suite's root file system, built first if need be.

    Args:
        suite: A name of SUITES.
        say: Called with each line of progress.

    Returns:
        The directory of the tree; it must never be written to.

    Raises:
        RootError: It cannot be built here.
    """
    tree = tree_path(suite)
    if tree.is_dir():
        return tree
    if missing := missing_for_roots():
        raise RootError(missing)
    tree.parent.mkdir(parents=True, exist_ok=True)
    say("waiting for the lock" if _is_locked(suite) else "building, about half a minute")
    with locked(_build_lock(suite), fcntl.LOCK_EX):
        if not tree.is_dir():  # else another run has built it meanwhile
            _build(suite, tree, say)
            _remove_old(suite, tree)
    return tree


def _build_lock(suite: str) -> Path:
    return cache_directory() / f"{suite}.lock"


def _is_locked(suite: str) -> bool:
    with locked(_build_lock(suite), fcntl.LOCK_EX | fcntl.LOCK_NB) as got:
        return not got


def _build(suite: str, tree: Path, say: Callable[[str], None]) -> None:
    """Build a tree under a temporary name and rename it once it is whole."""
    partial = tree.with_name(f"{tree.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    source = debian_source()
    command = ["mmdebstrap", *OPTIONS, f"--include={','.join(PACKAGES)}", suite, str(partial)]
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


def _remove_old(suite: str, current: Path) -> None:
    """Remove what earlier lists of packages left, unless a box still runs from it."""
    for path in current.parent.glob(f"{suite}-*"):
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
    if all(tree_path(suite).is_dir() for suite in suites):
        return 0
    if missing := missing_for_roots():
        stream.write(f"boxes: {missing}; the tests that need one will be skipped\n")
        return 0

    begin = monotonic()

    def build(suite: str) -> bool:
        def say(line: str) -> None:
            stream.write(f"box {suite:<8} {monotonic() - begin:4.0f} s  {line}\n")
            stream.flush()

        try:
            ensure_root(suite, say)
        except (RootError, OSError) as error:
            say(f"FAILED: {error}")
            return suite == MOVING or not required()
        say("ready")
        return True

    with ThreadPoolExecutor(len(suites)) as pool:
        return 0 if all(list(pool.map(build, suites))) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stderr))
