"""The fd store of a service: descriptors that it left with us, kept over its restarts.

Source: systemd.service(5), FileDescriptorStoreMax=; sd_pid_notify_with_fds(3), FDSTORE=1.
"""

import asyncio
import ctypes
import fcntl
import os
import select
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

_F_DUPFD_QUERY = 1027  # <linux/fcntl.h>
# Machine → the number of kcmp(2), which libc does not have; of 64-bit programs.
_KCMP = {"x86_64": 312, **dict.fromkeys(("aarch64", "riscv64", "loongarch64"), 272)}
_KCMP_FILE = 0


class _Stored(NamedTuple):
    """One descriptor."""

    fd: int
    name: str


class Store:
    """What one service has stored.

    Args:
        most: How many descriptors it may store.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._stored: list[_Stored] = []
        self._poll: select.epoll | None = None
        self._watched: set[int] = set()

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Yield descriptor and name, the last stored one first, as systemd passes them."""
        return ((each.fd, each.name) for each in self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    def add(self, descriptors: Sequence[int], name: str, *, watch: bool = True) -> int:
        """Take descriptors over.

        Args:
            descriptors: They are ours from now on; what finds no place is closed.
            name: Their name.
            watch: Whether one is dropped when its other end hangs up.

        Returns:
            How many found no place.
        """
        dropped = 0
        for fd in descriptors:
            if len(self._stored) >= self._most:
                os.close(fd)
                dropped += 1
            elif any(_same(fd, each.fd) for each in self._stored):
                os.close(fd)
            else:
                self._stored.insert(0, _Stored(fd, name))
                if watch:
                    self._watch(fd)
        return dropped

    def remove(self, name: str) -> None:
        """Close all descriptors of a name."""
        for each in [each for each in self._stored if each.name == name]:
            self._drop(each)

    def close(self) -> None:
        """Close all."""
        for each in list(self._stored):
            self._drop(each)
        if self._poll is not None:
            asyncio.get_running_loop().remove_reader(self._poll.fileno())
            self._poll.close()
            self._poll = None

    def _watch(self, fd: int) -> None:
        """Drop a descriptor once its other end hangs up; files cannot be watched."""
        if self._poll is None:
            self._poll = select.epoll()
            asyncio.get_running_loop().add_reader(self._poll.fileno(), self._on_hang_up, self._poll)
        with suppress(PermissionError):
            self._poll.register(fd, 0)
            self._watched.add(fd)

    def _on_hang_up(self, poll: select.epoll) -> None:
        """Drop what has hung up."""
        gone = {fd for fd, _ in poll.poll(0)}
        for each in [each for each in self._stored if each.fd in gone]:
            self._drop(each)

    def _drop(self, stored: _Stored) -> None:
        """Close one descriptor."""
        self._stored.remove(stored)
        if self._poll is not None and stored.fd in self._watched:
            self._watched.discard(stored.fd)
            self._poll.unregister(stored.fd)
        os.close(stored.fd)


def _same(one: int, other: int) -> bool:
    """Tell whether two descriptors are of the same open file, as dup(2) makes them.

    Where the kernel cannot be asked they are judged by what they lead to, as in systemd.
    """
    with suppress(OSError):  # before Linux 6.10
        return fcntl.fcntl(one, _F_DUPFD_QUERY, other) == 1
    me = os.getpid()
    if (number := _KCMP.get(os.uname().machine)) is not None:
        order = ctypes.CDLL(None).syscall(number, me, me, _KCMP_FILE, one, other)
        if order >= 0:  # containers may have none
            return bool(order == 0)
    first, second = os.fstat(one), os.fstat(other)
    if stat.S_ISCHR(first.st_mode) or stat.S_ISBLK(first.st_mode):
        return False
    same = (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)
    # A pipe has two ends.
    return same and fcntl.fcntl(one, fcntl.F_GETFL) == fcntl.fcntl(other, fcntl.F_GETFL)
