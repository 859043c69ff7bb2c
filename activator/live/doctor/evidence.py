"""What a path that a program named is, as the machine has it outside the sandbox."""

import grp
import os
import pwd
import re
import stat
from contextlib import suppress
from pathlib import Path

from activator.live.paths import status
from activator.live.units import Unit

Terms = dict[str, str]


def terms(unit: Unit, said: str, path: str, given: str) -> Terms | None:
    """Return what a need may be about; None where what must hold of the path does not.

    Args:
        unit: The unit.
        said: All that its program said.
        path: The path in question; empty if there is none.
        given: What must hold of it, as symptoms.tsv has it.
    """
    stem = unit.name.removesuffix(".service").partition("@")[0]
    found = {"name": stem, "path": path, "below": stem, "group": "", "owner": "", "port": "1-65535"}
    found["place"] = str(_nearest(path))
    if match := re.match(r"/(?:var/(?:lib|cache|log)|run)/([^/]+)", path):
        found["below"] = match[1]
    if match := re.search(r"(?:port |:|, )([1-9][0-9]{2,4})\b", said):
        found["port"] = match[1]
    if given in ("group", "owner"):
        about = status(path)
        with suppress(KeyError):
            if about is not None and _allows(about.st_mode, given):
                found["group"] = grp.getgrgid(about.st_gid).gr_name
                found["owner"] = pwd.getpwuid(about.st_uid).pw_name
                return found
        return None
    return found if not given or _holds(path, given) else None


def _holds(path: str, given: str) -> bool:
    if given == "there":
        return os.path.lexists(path)
    with suppress(OSError):
        return not os.statvfs(_nearest(path)).f_flag & os.ST_RDONLY
    return False


def _nearest(path: str) -> Path:
    """Return a path, or its directory where nothing is there."""
    return Path(path) if status(path) else Path(path).parent


def _allows(mode: int, given: str) -> bool:
    if mode & stat.S_IROTH:
        return False
    group = bool(mode & stat.S_IRGRP)
    return group if given == "group" else not group and bool(mode & stat.S_IRUSR)
