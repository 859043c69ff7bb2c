"""Connections that have no worker any more, until they have one again."""

import os

from activator import fdstore
from activator.runtime.serving.handlers import UNNAMED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from activator.runtime.listen import Listener
    from activator.runtime.serving.workers.worker import Worker


def names_of(listeners: "Iterable[Listener]") -> tuple[str, ...]:
    """Return the names that connections may have which workers leave for others."""
    names = dict.fromkeys(item.name for item in listeners if item.kind == "stream")
    return tuple(name for name in names if name not in UNNAMED)


class Orphans:
    """Passes such connections on to workers.

    Args:
        names: The names for which there are channels.
    """

    def __init__(self, names: "Iterable[str]") -> None:
        self._names = frozenset(names)
        self._waiting: list[tuple[str, int]] = []
        self._turn = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, connections: "Iterable[tuple[str, int]]") -> None:
        """Take connections: their names and descriptors, which are closed here."""
        self._waiting += connections

    def place(self, workers: "Sequence[Worker]") -> None:
        """Pass them on to the workers, in turn; those of other names go to the manager."""
        waiting, self._waiting = self._waiting, []
        for name, fd in waiting:
            if name not in self._names:
                _store(name, fd)
                continue
            self._turn += 1
            for number in range(len(workers)):
                worker = workers[(self._turn + number) % len(workers)]
                if worker.channels.give(name, fd):
                    os.close(fd)
                    break
            else:
                self._waiting.append((name, fd))

    def store(self) -> None:
        """Leave them with the manager."""
        for name, fd in self._waiting:
            _store(name, fd)
        self._waiting = []


def _store(name: str, fd: int) -> None:
    fdstore.pass_on({"FDSTORE": "1", "FDNAME": name}, (fd,))
    os.close(fd)
