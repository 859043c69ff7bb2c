"""Give descriptors the numbers that they are expected at."""

import os
from fcntl import F_DUPFD_CLOEXEC, fcntl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def place(targets: "Mapping[int, int]") -> None:
    """Put descriptors where they are to be, open for the next program.

    What was open at such a number is closed; the copies that are made on the way are left, closed
    by the next program's start.

    Args:
        targets: Number → the descriptor now.

    Raises:
        OSError: A number is out of reach (RLIMIT_NOFILE).
    """
    moves = {number: fd for number, fd in targets.items() if number != fd}
    # First out of the way, so that none is overwritten before it has moved.
    above = max(targets, default=0) + 1
    moves = {number: fcntl(fd, F_DUPFD_CLOEXEC, above) for number, fd in moves.items()}
    for number, fd in moves.items():
        os.dup2(fd, number)
    for number in targets:
        os.set_inheritable(number, True)


def fill_standard(*, output: int = os.O_RDWR) -> None:
    """Lead those of descriptors 0 to 2 that are closed nowhere, for the next program too.

    Else what is opened next has such a number, and is written to, closed or (by libuv) refused.

    Args:
        output: How descriptor 1 is opened; with ``os.O_RDONLY``, writing fails still.
    """
    for number, flags in enumerate((os.O_RDWR, output, os.O_RDWR)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # it gets the lowest number that is free: this one
            os.set_inheritable(number, True)
