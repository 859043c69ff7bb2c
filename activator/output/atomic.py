"""Write files so that nobody ever sees half of one."""

import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from types import MappingProxyType

from activator.errors import ActivatorError
from activator.output import folder

# Units are read by everybody and written by their owner alone.
MODE = 0o644
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write_all(
    directory: str | os.PathLike[str],
    texts: Mapping[str, str],
    *,
    sync: bool = False,
    times: Mapping[str, int] = MappingProxyType({}),
    modes: Mapping[str, int] = MappingProxyType({}),
    keep: bool = False,
) -> list[Path]:
    """Write several files into a directory, all or none.

    They are written apart, and moved to their places, with their owner and mode, when all could
    be written. The directory is made if it is missing. A symbolic link at the place is replaced,
    never followed. What earlier calls that were killed have left half-done there is removed.

    Args:
        directory: Where to write.
        texts: File name → text, undecodable bytes as surrogates.
        sync: Whether to wait until the disk has them, as for files that a boot needs.
        times: File name → the modification time it gets instead of now, in nanoseconds.
        modes: File name → its mode, if that is another than :data:`MODE`.
        keep: Whether those that are replaced hand on their own mode, and their owner as far as
            the caller may.

    Returns:
        The paths written, in order.

    Raises:
        ActivatorError: A file cannot be written; nothing was changed then.
    """
    base = Path(directory)
    try:
        with folder.opened(str(base), make=True) as place:
            folder.clean(place)
            with folder.apart(place) if texts else nullcontext(place) as new:
                for name, text in texts.items():
                    there = _there(place, name)
                    if there is not None and stat.S_ISDIR(there.st_mode):
                        raise IsADirectoryError(21, "is a directory", str(base / name))
                    like = there if keep and there and stat.S_ISREG(there.st_mode) else None
                    with os.fdopen(os.open(name, _NEW, 0o600, dir_fd=new), "wb") as file:
                        file.write(text.encode(errors="surrogateescape"))
                        file.flush()
                        _dress(file.fileno(), modes.get(name, MODE), like, times.get(name))
                        if sync:
                            os.fsync(file.fileno())
                for name in texts:
                    os.rename(name, name, src_dir_fd=new, dst_dir_fd=place)
            if sync:
                folder.sync(place)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        # What is no path is what is written there, or apart.
        where = error.filename if "/" in str(error.filename) else str(base)
        raise ActivatorError(
            f"cannot write: {reason}", "choose another directory", place=where
        ) from None
    return [base / name for name in texts]


def tidy(directory: str | os.PathLike[str]) -> None:
    """Remove what was left half-done in a directory, as far as that can be."""
    with suppress(OSError), folder.opened(os.fspath(directory)) as place:
        folder.clean(place)


def remove_all(directory: str | os.PathLike[str], names: Iterable[str]) -> None:
    """Remove files from a directory, those that are there, and wait until the disk knows it.

    Raises:
        ActivatorError: One cannot be removed.
    """
    name = ""
    try:
        with folder.opened(os.fspath(directory)) as place:
            for name in names:
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=place)
            folder.sync(place)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        where = str(Path(directory, name))
        raise ActivatorError(f"cannot remove: {reason}", place=where) from None


def _there(place: int, name: str) -> os.stat_result | None:
    """Return what is at a file's place."""
    try:
        return os.stat(name, dir_fd=place, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _dress(fd: int, mode: int, like: os.stat_result | None, time: int | None) -> None:
    """Give a file that has no name yet its owner, mode and time."""
    if like is not None:
        mode = stat.S_IMODE(like.st_mode)
        with suppress(PermissionError):
            os.fchown(fd, like.st_uid, like.st_gid)
    os.fchmod(fd, mode)
    if time is not None:
        os.utime(fd, ns=(time, time))
