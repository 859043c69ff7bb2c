"""Carry packages of this environment into a box: those that are written in Python alone.

A box has no network, and a Python of its own: parts that were compiled for this one are left
behind, which the packages here can do without.
"""

import io
import tarfile
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import PurePosixPath

from tests.boxes.box import Box

COMPILED = {".so", ".pyc"}


def carry(box: Box, names: Iterable[str], directory: str) -> None:
    """Put packages into a directory of a box, for its PYTHONPATH."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in names:
            found = distribution(name)
            for path in found.files or ():
                if path.suffix not in COMPILED and ".." not in path.parts:
                    tar.add(str(found.locate_file(path)), str(path))
    box.write(PurePosixPath(directory, "packages.tar"), archive.getvalue())
    box.run("tar", "--extract", f"--directory={directory}", f"--file={directory}/packages.tar")
