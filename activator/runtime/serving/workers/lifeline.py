"""Have a worker drain when others have taken over, or its parent has ended without a word.

A parent may be killed outright. Under systemd the control group goes with its main process;
elsewhere nothing would tell. So the parent keeps an end of a pipe, and the kernel sends the worker
SIGTERM when that is closed or written to (fcntl(2), O_ASYNC and F_SETSIG): no thread waits for it,
and no event loop. What is written tells a hand-over from the end of the service.
"""

import os
from contextlib import suppress
from fcntl import F_DUPFD, F_SETFL, F_SETOWN, F_SETSIG, FASYNC, fcntl
from select import POLLHUP, poll
from signal import SIGTERM


class Lifeline:
    """What ties a process, that is yet to be forked, to this one.

    Raises:
        OSError: There are no more descriptors.
    """

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        self._ends = list(os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK))

    def fork(self) -> int:
        """Fork; return the child's id, and 0 in the child.

        Raises:
            OSError: There can be no more processes; the lifeline is closed.
        """
        try:
            pid = os.fork()
        except OSError:
            self.close()
            raise
        os.close(self._ends.pop(1 if not pid else 0))
        return pid

    def tie(self, least: int) -> int:
        """Tie the child, also over execve(2); return the descriptor for that.

        Ends the process if its parent has ended already.

        Args:
            least: The least number that the descriptor may have.
        """
        end = fcntl(self._ends[0], F_DUPFD, least)
        fcntl(end, F_SETOWN, os.getpid())
        fcntl(end, F_SETSIG, SIGTERM)
        fcntl(end, F_SETFL, FASYNC | os.O_NONBLOCK)
        gone = poll()
        gone.register(end, POLLHUP)
        if gone.poll(0):
            os._exit(0)
        return end

    def pull(self) -> None:
        """Say, in the parent, that others have taken over."""
        with suppress(OSError):  # it has just ended, or was told before
            os.write(self._ends[0], b"\n")

    def close(self) -> None:
        """Give it up, in the parent: the child has ended, or is to."""
        while self._ends:
            os.close(self._ends.pop())
