"""The fd store of a service: descriptors that it left with us, kept over its restarts.

Source: systemd.service(5), FileDescriptorStoreMax=; sd_pid_notify_with_fds(3), FDSTORE=1.
"""

import asyncio
import os
import select
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple


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
            elif any(_same_socket(fd, each.fd) for each in self._stored):
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
            asyncio.get_running_loop().add_reader(self._poll.fileno(), self._on_hang_up)
        with suppress(PermissionError):
            self._poll.register(fd, 0)

    def _on_hang_up(self) -> None:
        """Drop what has hung up."""
        assert self._poll is not None  # noqa: S101 - its reader is why we are here
        gone = {fd for fd, _ in self._poll.poll(0)}
        for each in [each for each in self._stored if each.fd in gone]:
            self._drop(each)

    def _drop(self, stored: _Stored) -> None:
        """Close one descriptor."""
        self._stored.remove(stored)
        if self._poll is not None:
            with suppress(FileNotFoundError):
                self._poll.unregister(stored.fd)
        os.close(stored.fd)


def _same_socket(one: int, other: int) -> bool:
    """Tell whether two descriptors are of the same socket."""
    first, second = os.fstat(one), os.fstat(other)
    same = (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)
    return same and stat.S_ISSOCK(first.st_mode)
