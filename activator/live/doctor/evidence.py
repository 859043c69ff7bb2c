"""What a path that a program named is, as the machine has it outside the sandbox."""

import grp
import os
import pwd
import stat
from contextlib import suppress

from activator.common import symptoms
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
    found = symptoms.terms(stem, path, said)
    if given in ("group", "owner"):
        about = status(path)
        with suppress(KeyError):
            if about is not None and _allows(about.st_mode, given):
                found["group"] = grp.getgrgid(about.st_gid).gr_name
                found["owner"] = pwd.getpwuid(about.st_uid).pw_name
                return found
        return None
    return found if not given or _holds(path, found["place"], given) else None


def _holds(path: str, place: str, given: str) -> bool:
    if given == "there":
        return os.path.lexists(path)
    with suppress(OSError):
        return not os.statvfs(place).f_flag & os.ST_RDONLY
    return False


def _allows(mode: int, given: str) -> bool:
    if mode & stat.S_IROTH:
        return False
    group = bool(mode & stat.S_IRGRP)
    return group if given == "group" else not group and bool(mode & stat.S_IRUSR)
