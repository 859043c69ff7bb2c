"""Build the Debian packages of this checkout in a clean root file system of a suite.

``PYTHONPATH=. python packaging/deb.py [-o DIR] [SUITE...]`` leaves the packages and what belongs
to them in DIR/SUITE, and says so. The root file system has Debian's essential packages and the
build dependencies of packaging/debian/control, nothing else of this machine, and no network; it
is cached, and a build writes to a layer of its own above it.
"""

import argparse
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from tests.boxes.building import BuildError, run_inside
from tests.boxes.needs import missing_for_boxes
from tests.boxes.recipes import BUILD, SUITES
from tests.boxes.roots import RootError, ensure_root
from tests.support.tree import ROOT, project_files

DEBIAN = "packaging/debian"
# Run inside: builds from a copy, so that nothing is written to the sources.
BUILD_SCRIPT = """
set -eu
umask 022
cp -r /source /build
cd /build/*/
dpkg-buildpackage --unsigned-source --unsigned-changes
find .. -maxdepth 1 -type f -exec cp {} /out \\;
"""
# Run inside: judges what was built, as reviewers do.
LINT_SCRIPT = (
    "lintian --allow-root --pedantic --display-info --fail-on error,warning /out/*.changes"
)

Say = Callable[[str], None]


def changelog_version() -> tuple[str, datetime]:
    """Return the upstream version of the newest entry of debian/changelog, and its date."""
    lines = (ROOT / DEBIAN / "changelog").read_text().splitlines()
    version = lines[0].partition("(")[2].partition(")")[0]
    day = next(line for line in lines if line.startswith(" -- ")).partition(">  ")[2]
    return version.rpartition("-")[0], datetime.strptime(day, "%a, %d %b %Y %H:%M:%S %z")


def write_source(directory: Path) -> None:
    """Lay out the sources as dpkg-source wants them: a tarball, and a tree with debian/ in it.

    The tarball depends on nothing but the files' contents and the changelog's date.
    """
    version, day = changelog_version()
    tree = directory / f"activator-{version}"
    names = sorted(name for name in project_files() if not name.startswith(f"{DEBIAN}/"))

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        member.mtime = int(day.timestamp())
        member.mode = 0o755 if member.mode & 0o100 else 0o644
        return member

    path = directory / f"activator_{version}.orig.tar.xz"
    with tarfile.open(path, "w:xz") as tar:
        for name in names:
            tar.add(ROOT / name, f"{tree.name}/{name}", recursive=False, filter=plain)
    with tarfile.open(path) as tar:
        tar.extractall(directory, filter="data")
    shutil.copytree(ROOT / DEBIAN, tree / "debian")


def build(suite: str, out: Path, say: Say) -> list[Path]:
    """Build the packages for a suite.

    Args:
        suite: A name of SUITES.
        out: The directory they are put into.
        say: Called with each line of progress.

    Returns:
        The packages.

    Raises:
        BuildError: That failed; the log is ``build.log`` beside the packages.
    """
    if missing := missing_for_boxes():
        raise BuildError(missing)
    try:
        tree = ensure_root(suite, BUILD, say)
    except RootError as error:
        raise BuildError(str(error)) from None
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="activator-deb-") as scratch:
        write_source(Path(scratch))
        say("building")
        run_inside(tree, BUILD_SCRIPT, Path(scratch), out, out / "build.log")
    say("checking with lintian")
    run_inside(tree, LINT_SCRIPT, ROOT, out, out / "lintian.log")
    return sorted(out.glob("*.deb"))


def main(arguments: list[str]) -> int:
    """Build for the suites named, and say where the packages are.

    Returns:
        1 if a build failed, else 0.
    """
    parser = argparse.ArgumentParser(prog="make deb", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "dist", metavar="DIR")
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join(SUITES))
    options = parser.parse_args(arguments)
    if unknown := set(options.suites) - set(SUITES):
        parser.error(f"no such suite: {', '.join(sorted(unknown))}; known are {', '.join(SUITES)}")
    for suite in options.suites or list(SUITES)[:1]:
        try:
            packages = build(
                suite,
                options.output.absolute() / suite,
                lambda line, suite=suite: print(f"deb {suite:<8} {line}", file=sys.stderr),
            )
        except BuildError as error:
            print(f"error: the packages for {suite} were not built: {error}", file=sys.stderr)
            return 1
        for package in packages:
            print(package)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
