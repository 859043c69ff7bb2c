"""PIDFile=: where a forking service writes the PID of its main process.

Source: systemd.service(5), PIDFile=.
"""

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from activator.common.integers import decimal

_INT_MAX = 2**31 - 1
_MOST = 64  # bytes
_HOPS_MAX = 256


class PidFile:
    """A file with a PID.

    Args:
        path: Its absolute path.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def read(self) -> int:
        """Return the PID in it, 0 if there is none yet."""
        try:
            text = self._text().partition("\n")[0].strip()
        except (OSError, UnicodeDecodeError):
            return 0
        number = decimal(text) or 0
        return number if number <= _INT_MAX else 0

    def main_process(self, owns: Callable[[int], bool]) -> tuple[int, str]:
        """Return the process that it names, if that may be the main one, or why it may not.

        A file that only root and we could have written may name any, as with systemd.

        Args:
            owns: Tells whether a process is the service's.

        Returns:
            The PID and nothing, or 0 and why, which is empty if there is none yet.
        """
        pid = self.read()
        if pid in (0, 1, os.getpid()) or not _exists(pid):
            return 0, ""
        if owns(pid) or self._is_ours():
            return pid, ""
        what = f"{self._path} names PID {pid}, which is none of its processes, and is not root's"
        return 0, f"{what}: not taken; see who writes it"

    def _is_ours(self) -> bool:
        try:
            return _ours(str(self._path), _HOPS_MAX)
        except OSError:
            return False

    def _text(self) -> str:
        """Return how the file begins.

        The service's own user may have put anything there: a FIFO would be waited for, a device
        would have no end.
        """
        fd = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return ""
            return os.read(fd, _MOST).decode("ascii")
        finally:
            os.close(fd)

    def remove(self) -> None:
        """Remove it: when the service has ended it is out of date."""
        with suppress(OSError):
            self._path.unlink()


def _exists(pid: int) -> bool:
    """Tell whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _ours(path: str, hops: int) -> bool:
    """Tell whether a path, and all that is on the way to it, is root's or our user's."""
    if path == "/":
        return True
    found = os.lstat(path)
    if hops <= 0 or found.st_uid not in (0, os.geteuid()):
        return False
    parent = os.path.dirname(path)  # noqa: PTH120
    if stat.S_ISLNK(found.st_mode):
        target = os.path.join(os.path.realpath(parent), os.readlink(path))  # noqa: PTH115, PTH118
        if not _ours(os.path.normpath(target), hops - 1):
            return False
    return _ours(parent, hops - 1)
