"""Write files so that nobody ever sees half of one."""

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from activator.errors import ActivatorError

# Units are read by everybody and written by their owner alone.
MODE = 0o644


def write_all(directory: str | os.PathLike[str], texts: Mapping[str, str]) -> list[Path]:
    """Write several files into a directory, all or none.

    Each is written beside its place and moved there when all could be written. The directory
    is made if it is missing. A symbolic link at the place is replaced, never followed.

    Args:
        directory: Where to write.
        texts: File name → text.

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
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(text)
                os.fchmod(descriptor, MODE)
            if (base / name).is_dir():
                raise IsADirectoryError(21, "is a directory", str(base / name))
        for temporary, path in waiting:
            Path(temporary).replace(path)
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
