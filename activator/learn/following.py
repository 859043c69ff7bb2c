"""The traces of all processes of a service, read while they are written.

What has been read is given back to the disk, so that a trace of any length costs neither memory
nor room.
"""

import ctypes
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from activator.learn.trace import Call, Process

_MOST = 1 << 20  # bytes that are read at once
_KEEP_SIZE, _PUNCH_HOLE = 1, 2  # fallocate(2)
_NAME = re.compile(r"t\.[0-9]+")
# The service's user may write into the directory, and so put links and FIFOs there.
_SAFE = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Traces:
    """Follows the files of `strace -ff -o DIRECTORY/NAME`.

    Args:
        directory: Where they are; whoever makes it removes it.

    Attributes:
        calls: How many calls have been read.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._processes: dict[str, Process] = {}
        self._places: dict[str, int] = {}
        self.calls = 0

    def new(self) -> Iterator[Call]:
        """Yield the calls that have been written since; what ended first comes first."""
        files = []
        with os.scandir(self._directory) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode) and _NAME.fullmatch(entry.name):
                        files.append((status.st_mtime_ns, entry.name, status.st_size))
        for _, name, size in sorted(files):
            if size > self._places.get(name, 0):
                with suppress(FileNotFoundError):
                    yield from self._more(name)

    def _more(self, name: str) -> Iterator[Call]:
        path = self._directory / name
        process = self._processes.setdefault(name, Process())
        with open(path, "r+b", buffering=0, opener=_opened) as file:
            if os.fstat(file.fileno()).st_nlink != 1:
                return  # a name for something else
            while piece := self._whole(file.fileno(), self._places.get(name, 0)):
                for call in process.calls(piece.decode(errors="surrogateescape").split("\n")):
                    self.calls += 1
                    yield call
                self._places[name] = end = self._places.get(name, 0) + len(piece)
                _release(file.fileno(), end)
        if process.ended:
            with suppress(FileNotFoundError):
                path.unlink()
            del self._processes[name], self._places[name]

    @staticmethod
    def _whole(file: int, place: int) -> bytes:
        """Return the next lines that are complete."""
        piece = os.pread(file, _MOST, place)
        return piece[: piece.rfind(b"\n") + 1]


def _opened(path: str, _: int) -> int:
    try:
        return os.open(path, _SAFE)
    except OSError as error:
        # It was a file a moment ago.
        raise FileNotFoundError(error.errno, error.strerror, path) from None


def _release(file: int, end: int) -> None:
    """Give what lies before back to the disk; where that cannot be done, it stays until the end."""
    call = ctypes.CDLL(None).fallocate
    call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    call(file, _KEEP_SIZE | _PUNCH_HOLE, 0, end)
