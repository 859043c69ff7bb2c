"""RuntimeDirectory= and its kin: made before the first command, removed at the end.

Source: systemd.exec(5). Only a runtime directory goes with the service, with all that is in
it, and only if it was made here. The service's own user may have a hand in what is above them,
so that no link is followed there, and all is done by descriptor.
"""

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from activator.errors import ActivatorError
from activator.local.limits import FULL, MAKE_ROOM
from activator.local.services.before_exec import Identity
from activator.local.units.service_model import Directories

RUNTIME = "RUNTIME_DIRECTORY"
CONFIGURATION = "CONFIGURATION_DIRECTORY"
# What systemd's process ends with where one cannot be made ("Process Exit Codes", systemd.exec(5)).
EXIT_STATUS = {
    RUNTIME: 233,
    "STATE_DIRECTORY": 238,
    "CACHE_DIRECTORY": 239,
    "LOGS_DIRECTORY": 240,
    CONFIGURATION: 241,
}
_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class OwnDirectories:
    """The directories of one service.

    Args:
        directories: RUNTIME_DIRECTORY and its kin → what they are.
    """

    def __init__(self, directories: dict[str, Directories]) -> None:
        self._directories = directories
        # What was made, each with what it is below.
        self._made: list[tuple[str, str]] = []
        self._parents: list[tuple[str, str]] = []
        self._links: list[tuple[str, str]] = []

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that tell where they are."""
        return {name: ":".join(each.paths) for name, each in self._directories.items()}

    def make(self, identity: Identity | None) -> None:
        """Make those that are missing, and give them their mode and owner.

        Args:
            identity: Whom they belong to; None for ourselves.

        Raises:
            ActivatorError: One cannot be made.
        """
        for variable, each in self._directories.items():
            removed = variable == RUNTIME
            # systemd leaves configuration to the administrator.
            owner = None if variable == CONFIGURATION else identity
            for path in each.paths:
                try:
                    self._make(each.root, path, each.mode, owner, removed=removed)
                except OSError as error:
                    directive = variable.title().replace("_", "")
                    ending = f"status={EXIT_STATUS[variable]}/{variable}"
                    what = f"cannot make {path} for {directive}=: {error.strerror} ({ending})"
                    hint = "give --runtime-dir DIR, or run as root"
                    if error.errno == errno.ELOOP:
                        hint = "a link there is not followed; remove it"
                    elif error.errno in FULL:
                        hint = MAKE_ROOM
                    raise ActivatorError(what, hint) from None
            for link, target in each.links.items():
                with suppress(OSError), above(each.root, link) as (parent, name):
                    os.symlink(os.path.relpath(target, str(Path(link).parent)), name, dir_fd=parent)
                    if removed:
                        self._links.append((each.root, link))

    def remove(self) -> None:
        """Remove the runtime directories that were made, with all that is in them."""
        for root, link in self._links:
            with suppress(OSError), above(root, link) as (parent, name):
                os.unlink(name, dir_fd=parent)
        for root, path in reversed(self._made):
            with suppress(OSError), above(root, path) as (parent, name):
                shutil.rmtree(name, ignore_errors=True, dir_fd=parent)
        for root, path in reversed(self._parents):
            with suppress(OSError), above(root, path) as (parent, name):
                os.rmdir(name, dir_fd=parent)
        self._made.clear()
        self._parents.clear()
        self._links.clear()

    def _make(
        self, root: str, path: str, mode: int, identity: Identity | None, *, removed: bool
    ) -> None:
        for parent in (*reversed(Path(path).parents), Path(path)):
            is_own = str(parent) == path
            if not parent.is_relative_to(root) or str(parent) == root:
                if not parent.exists():
                    parent.mkdir()
                    parent.chmod(0o755)
                    if removed:
                        self._parents.append((str(parent.parent), str(parent)))
                continue
            with above(root, str(parent)) as (fd, name):
                try:
                    os.mkdir(name, mode if is_own else 0o755, dir_fd=fd)
                except FileExistsError:
                    made = False
                else:
                    made = True
                    if removed:
                        (self._made if is_own else self._parents).append((root, str(parent)))
                if made or is_own:
                    _give(fd, name, mode if is_own else 0o755, identity if is_own else None)


def _give(parent: int, name: str, mode: int, identity: Identity | None) -> None:
    own = _entered(name, parent)
    try:
        # Where nobody may read it, no other descriptor can be had than one with O_PATH.
        path = f"/proc/self/fd/{own}"
        os.chmod(path, mode)  # noqa: PTH101 - a descriptor is meant
        if identity is None:
            return
        status = os.fstat(own)
        if (status.st_uid, status.st_gid) != (identity.uid, identity.gid):
            _give_all(own, identity)
            os.chown(path, identity.uid, identity.gid)
    finally:
        os.close(own)


def _give_all(directory: int, identity: Identity) -> None:
    """Give away what is in a directory that another had, as systemd does: a socket of its too."""
    for _, directories, files, fd in os.fwalk(".", follow_symlinks=False, dir_fd=directory):
        for name in (*directories, *files):
            with suppress(FileNotFoundError):
                os.chown(name, identity.uid, identity.gid, dir_fd=fd, follow_symlinks=False)


@contextmanager
def above(root: str, path: str) -> Iterator[tuple[int, str]]:
    """Give the directory that a path is in, as a descriptor for the body, and its name there.

    Args:
        root: A directory that only the administrator changes; it may be a link.
        path: A path below it, where no link is followed.

    Raises:
        OSError: A directory is missing, or a link or something else is in its place.
    """
    *between, name = Path(path).relative_to(root).parts
    fd = os.open(root, _DIRECTORY)
    try:
        for step in between:
            fd, last = _entered(step, fd), fd
            os.close(last)
        yield fd, name
    finally:
        os.close(fd)


def _entered(name: str, parent: int) -> int:
    try:
        return os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    except NotADirectoryError:
        if stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
        raise
