"""Work that is shared out among processes."""

import os
import signal
from pathlib import Path

import pytest

from activator.generate import processors


def descriptors() -> set[str]:
    """Return the numbers of all that is open."""
    with os.scandir("/proc/self/fd") as entries:
        return {entry.name for entry in entries}


def children() -> set[str]:
    """Return the processes that were started here and not waited for; a box may be among them."""
    return set(Path("/proc/thread-self/children").read_text().split())


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be two processors, whatever the machine has."""
    monkeypatch.setattr(processors, "processors", lambda: 2)


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("pieces", [0, 1, 5, processors.PIECES_MAX])
def test_every_piece_once_and_in_order(
    count: int, pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many processes there are, each piece is done once."""
    monkeypatch.setattr(processors, "processors", lambda: count)
    open_before, children_before = descriptors(), children()

    assert [number * 2 for number in range(pieces)] == processors.spread(lambda n: n * 2, pieces)
    assert open_before == descriptors()
    assert children_before == children()


@pytest.mark.usefixtures("two")
def test_several_processes_work() -> None:
    """The pieces are done at the same time: each waits until the other has begun."""
    pipes = [os.pipe(), os.pipe()]

    def work(number: int) -> int:
        os.write(pipes[number][1], b"x")
        os.read(pipes[1 - number][0], 1)
        return os.getpid()

    assert len(set(processors.spread(work, 2))) == 2
    for descriptor in (*pipes[0], *pipes[1]):
        os.close(descriptor)


@pytest.mark.usefixtures("two")
def test_killed() -> None:
    """What a process leaves undone when it is killed is done by the first one."""
    first = os.getpid()

    def work(number: int) -> int:
        if os.getpid() != first:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    assert list(range(100)) == processors.spread(work, 100)


@pytest.mark.usefixtures("two")
def test_exception() -> None:
    """What a piece raises is raised here, in whichever process it was found."""

    def work(number: int) -> int:
        if number >= 10:
            raise ValueError(number)
        return number

    children_before = children()
    with pytest.raises(ValueError, match=r"1\d"):
        processors.spread(work, 20)
    assert children_before == children()


@pytest.mark.usefixtures("two")
def test_no_process_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no process can be started, this one does it all."""

    def fork() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fork)
    open_before = descriptors()

    assert [0, 1, 2] == processors.spread(int, 3)
    assert open_before == descriptors()
