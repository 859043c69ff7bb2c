"""Read a file that may turn out to be a FIFO, a device or a directory, without a wait."""

import errno
import os
import stat


def contents(path: "str | os.PathLike[str]") -> tuple[bytes, int]:
    """Return what a regular file holds, and its permissions.

    Links are followed, as systemd does; whatever they lead to, nothing blocks, and no device is
    opened, which some take for a command.

    Raises:
        OSError: It cannot be read, or is none.
    """
    _check(os.stat(path), path)  # noqa: PTH116 - pathlib costs a start
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        mode = _check(os.fstat(descriptor), path)  # it may be another by now
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(), stat.S_IMODE(mode)
    finally:
        os.close(descriptor)


def _check(found: os.stat_result, path: "str | os.PathLike[str]") -> int:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", os.fspath(path))
    return found.st_mode
