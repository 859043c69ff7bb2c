"""The files of the project, in a clone or in an unpacked sdist."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[2]
# What setuptools writes into an sdist, beside the project's own files.
ADDED = ("PKG-INFO", "setup.cfg")


def project_files(root: Path = ROOT) -> Iterator[str]:
    """Yield the paths of all files that belong to the project, relative to its root.

    Those are what git keeps or would keep; outside a repository, all that .gitignore does not name.
    """
    if (root / ".git").exists():
        listed = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z", "-co", "--exclude-standard"],
            capture_output=True,
            check=True,
        )
        names = listed.stdout.decode().split("\0")
        yield from sorted(name for name in names if name and (root / name).is_file())
        return
    ignored = [line.strip("/") for line in (root / ".gitignore").read_text().split()]
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not any(fnmatch(name, one) for one in ignored)]
        paths = (str((Path(folder) / name).relative_to(root)) for name in files)
        yield from (path for path in paths if path not in ADDED)


def copy_project(target: Path) -> None:
    """Copy the project's files into a directory, which is made."""
    for name in project_files():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name)
