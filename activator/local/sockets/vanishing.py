"""Notice at once when the path of an open socket vanishes: inotify(7), by ctypes.

A service that unlinks the path it was passed, or a cleaner of /tmp, leaves a socket that listens
and that nobody can reach.
"""

import ctypes
import os
from collections.abc import Iterable
from contextlib import suppress

# sys/inotify.h: IN_MOVED_FROM, IN_MOVED_TO, IN_DELETE, IN_DELETE_SELF and IN_MOVE_SELF; IN_ONLYDIR.
_EVENTS = 0x40 | 0x80 | 0x200 | 0x400 | 0x800 | 0x0100_0000
_CHUNK = 65536


class Vanishing:
    """Watches directories for what is taken out of them; readable when to look.

    Where the kernel has no more watches to give (max_user_watches), nothing is noticed.
    """

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)

    def fileno(self) -> int:
        """Return the descriptor to be polled, which stays ours; -1 if there is none."""
        return self._fd

    def follow(self, paths: Iterable[str]) -> None:
        """Watch the directories of some paths too."""
        for directory in {os.path.dirname(path) for path in paths} if self._fd >= 0 else ():  # noqa: PTH120
            self._libc.inotify_add_watch(self._fd, os.fsencode(directory), _EVENTS)

    def drain(self) -> None:
        """Read all events: what they say is found by a look at the paths themselves."""
        with suppress(BlockingIOError):
            while os.read(self._fd, _CHUNK):
                pass

    def close(self) -> None:
        """Watch no more."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
