"""Share pieces of work out among all processors.

The standard library's pools do the same for any program. They start threads and import more
than the work at hand takes; here one process forks, and all take the next piece from a pipe.
"""

import gc
import os
import pickle
from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

# The number of a piece is one byte in the pipe, so that each is read by one process alone.
PIECES_MAX = 256


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def spread(work: Callable[[int], T], pieces: int) -> list[T]:
    """Do pieces of work with every processor, this process among them.

    What another process did not finish, because it was killed or there is no room for it, is
    done by this one; so is what raises, whose exception is then seen here.

    Args:
        work: Does a piece, given its number from 0; what it returns can be pickled. Must run
            in a process that has one thread.
        pieces: How many there are, at most :data:`PIECES_MAX`.

    Returns:
        What became of each piece, in order.
    """
    waiting, laying = os.pipe()
    os.write(laying, bytes(range(pieces)))
    os.close(laying)
    gc.freeze()  # what all have in common would be copied by a collection
    helpers: dict[int, int] = {}
    done: dict[int, T] = {}
    try:
        for _ in range(min(processors(), pieces) - 1):
            helpers.update(_fork(work, waiting))
        done.update(_take(work, waiting))
    finally:
        os.read(waiting, PIECES_MAX)  # whatever happened, nobody begins another piece
        os.close(waiting)
        for pid, results in helpers.items():
            done |= _results(pid, results)
    return [done[number] if number in done else work(number) for number in range(pieces)]


def _take(work: Callable[[int], T], waiting: int) -> Iterator[tuple[int, T]]:
    """Do the pieces that nobody has taken yet."""
    while token := os.read(waiting, 1):
        yield token[0], work(token[0])


def _fork(work: Callable[[int], T], waiting: int) -> dict[int, int]:
    """Start a process that takes pieces; return its number and where it leaves the results."""
    results = os.memfd_create("results")
    try:
        pid = os.fork()
    except OSError:  # too many processes, or no memory
        os.close(results)
        return {}
    if pid:
        return {pid: results}
    status = 1
    try:
        done = dict(_take(work, waiting))
        with os.fdopen(results, "wb") as file:
            pickle.dump(done, file)
        status = 0
    finally:
        os._exit(status)  # tracebacks and buffers of the first process are not this one's to write


def _results(pid: int, results: int) -> dict[int, T]:
    """Wait for a process and return what it has done; nothing if it did not come to its end."""
    _, status = os.waitpid(pid, 0)
    with os.fdopen(results, "rb") as file:
        if status:
            return {}
        file.seek(0)
        found: dict[int, T] = pickle.load(file)  # noqa: S301 - we wrote it
        return found
