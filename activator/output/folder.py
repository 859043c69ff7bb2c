"""Open the directory that files are written into, and keep what is half-done apart in it.

All else is done by the descriptor, so that it stays the same directory whatever becomes of its
path. Where another user may have a hand in the path, root follows no link of theirs.
"""

import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# As many as the kernel follows: path_resolution(7).
_LINKS_MAX = 40
_APART = r"\.activator-[0-9a-f]{16}"


@contextmanager
def opened(path: str, *, make: bool = False) -> Iterator[int]:
    """Give a directory as a descriptor for the body (O_PATH).

    Args:
        path: The directory. Links on the way are followed; by root, only root's.
        make: Whether to make what is missing of it.

    Raises:
        OSError: It cannot be opened; the error has the part of the path that is in the way.
    """
    fd = os.open("/" if path.startswith("/") else ".", _DIRECTORY)
    try:
        steps = path.split("/")[::-1]
        way, links = "/" if path.startswith("/") else "", 0
        while steps:
            name = steps.pop()
            if name in ("", "."):
                continue
            way = os.path.join(way, name)  # noqa: PTH118 - no Path drops ".."
            try:
                inner = _entered(fd, name, make=make)
                if isinstance(inner, str):
                    links = _counted(links)
                    steps += inner.split("/")[::-1]
                    if not inner.startswith("/"):
                        continue
                    inner = os.open("/", _DIRECTORY)
            except OSError as error:
                raise OSError(error.errno, error.strerror, way) from None
            fd, last = inner, fd
            os.close(last)
        yield fd
    finally:
        os.close(fd)


def _counted(links: int) -> int:
    if links == _LINKS_MAX:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return links + 1


def _entered(parent: int, name: str, *, make: bool) -> int | str:
    """Return a directory, or what a link in its place says."""
    for make_now in (make, False):
        try:
            return os.open(name, _DIRECTORY, dir_fd=parent)
        except NotADirectoryError:
            return _followed(parent, name)
        except FileNotFoundError:
            if not make_now:
                raise
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=parent)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))


def _followed(parent: int, name: str) -> str:
    """Return where a link leads."""
    node = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        found = os.fstat(node)
        if not stat.S_ISLNK(found.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if os.geteuid() == 0 != found.st_uid:
            raise OSError(errno.ELOOP, "a link of another user is not followed")
        return os.readlink("", dir_fd=node)
    finally:
        os.close(node)


def real(path: str) -> str:
    """Return the path of a file without the links in its own place; those before it may be some.

    Raises:
        OSError: There is another user's link, or too many.
    """
    for _ in range(_LINKS_MAX):
        above, _, name = path.rpartition("/")
        with opened(f"{above}/" if "/" in path else ".") as parent:
            try:
                target = _followed(parent, name)
            except NotADirectoryError:
                return path
        path = os.path.join(f"{above}/" if "/" in path else "", target)  # noqa: PTH118 - no Path keeps ".."
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)


@contextmanager
def apart(folder: int) -> Iterator[int]:
    """Give a new directory below another for the body, to make files in that are to be moved.

    It is locked, so that those of runs that were killed can be told apart; it and what is left
    in it are removed at the end.

    Raises:
        OSError: It cannot be made.
    """
    while True:
        name = f".activator-{secrets.token_hex(8)}"
        os.mkdir(name, 0o700, dir_fd=folder)
        try:
            fd = os.open(name, _READ, dir_fd=folder)
        except FileNotFoundError:
            continue  # another run took it for a left one
        # Where there are no locks, nobody takes it for a left one, either.
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            os.stat(name, dir_fd=folder, follow_symlinks=False)
            break
        os.close(fd)
    try:
        yield fd
    finally:
        with suppress(OSError):
            _remove(folder, name, fd)
        os.close(fd)


def clean(folder: int) -> None:
    """Remove what runs that were killed have left half-done in a directory."""
    try:
        fd = os.open(".", _READ, dir_fd=folder)
    except PermissionError:
        return
    try:
        names = [name for name in os.listdir(fd) if re.fullmatch(_APART, name)]  # noqa: PTH208
    finally:
        os.close(fd)
    for name in names:
        with suppress(OSError):
            _clean_one(folder, name)


def _clean_one(folder: int, name: str) -> None:
    fd = os.open(name, _READ, dir_fd=folder)
    try:
        if os.fstat(fd).st_uid == os.geteuid():
            # This fails as long as its run goes on.
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(folder, name, fd)
    finally:
        os.close(fd)


def _remove(folder: int, name: str, fd: int) -> None:
    for inner in os.listdir(fd):
        os.unlink(inner, dir_fd=fd)
    os.rmdir(name, dir_fd=folder)


def sync(folder: int) -> None:
    """Wait until the disk has a directory's entries."""
    fd = os.open(".", _READ, dir_fd=folder)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
