"""Write files so that nobody ever sees half of one."""

import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from activator.errors import ActivatorError

# Units are read by everybody and written by their owner alone.
MODE = 0o644


def write_all(
    directory: str | os.PathLike[str],
    texts: Mapping[str, str],
    *,
    sync: bool = False,
    times: Mapping[str, int] | None = None,
) -> list[Path]:
    """Write several files into a directory, all or none.

    Each is written beside its place and moved there when all could be written. The directory
    is made if it is missing. A symbolic link at the place is replaced, never followed.

    Args:
        directory: Where to write.
        texts: File name → text, undecodable bytes as surrogates.
        sync: Whether to wait until the disk has them, as for files that a boot needs.
        times: File name → the modification time it gets instead of now, in nanoseconds.

    Returns:
        The paths written, in order.

    Raises:
        ActivatorError: A file cannot be written; nothing was changed then.
    """
    base = Path(directory)
    waiting: list[tuple[str, Path]] = []
    try:
        base.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=base)
            waiting.append((temporary, base / name))
            with os.fdopen(descriptor, "wb") as file:
                file.write(text.encode(errors="surrogateescape"))
                file.flush()
                os.fchmod(descriptor, MODE)
                if times and name in times:
                    os.utime(descriptor, ns=(times[name], times[name]))
                if sync:
                    os.fsync(descriptor)
            if (base / name).is_dir():
                raise IsADirectoryError(21, "is a directory", str(base / name))
        for temporary, path in waiting:
            Path(temporary).replace(path)
        if sync:
            _sync(base)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        place = error.filename if isinstance(error.filename, str) else str(base)
        raise ActivatorError(
            f"cannot write: {reason}", "choose another directory", place=place
        ) from None
    finally:
        for temporary, _ in waiting:
            with suppress(FileNotFoundError):
                Path(temporary).unlink()
    return [path for _, path in waiting]


def remove_all(directory: str | os.PathLike[str], names: Iterable[str]) -> None:
    """Remove files from a directory, those that are there, and wait until the disk knows it.

    Raises:
        ActivatorError: One cannot be removed.
    """
    base = Path(directory)
    try:
        for name in names:
            (base / name).unlink(missing_ok=True)
        _sync(base)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ActivatorError(f"cannot remove: {reason}", place=str(error.filename)) from None


def _sync(directory: Path) -> None:
    """Wait until the disk has a directory's entries."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
