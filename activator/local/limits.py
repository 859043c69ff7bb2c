"""Count how often something happens, and say what to do where the kernel has no more."""

import errno
import time
from collections.abc import Callable

from activator.errors import ActivatorError
from activator.local.units.models import Rate

# What the kernel says when a file system has no room, or a user has used up his part of it.
FULL = (errno.ENOSPC, errno.EDQUOT)
MAKE_ROOM = "make room there; `df` and `df -i` tell how much there is"
# What it says when there are too many descriptors, or no memory for them.
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def exhausted(error: OSError) -> ActivatorError:
    """Return what to do about one of these."""
    hint = "raise `ulimit -n`, or serve fewer clients at a time"
    return ActivatorError(error.strerror or str(error), hint)


class RateLimit:
    """Let a number of events through in an interval, as systemd's rate limit does.

    The interval begins with an event; when it has passed, the next event begins another.

    Args:
        rate: How many, in how long; 0 for either switches it off.
        clock: Gives the time in seconds.
    """

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._begin = -1.0
        self._count = 0

    def allows(self) -> bool:
        """Count one event and tell whether it is within the limit."""
        if self._rate.interval <= 0 or self._rate.burst <= 0:
            return True
        now = self._clock()
        if self._begin < 0 or now - self._begin > self._rate.interval:
            self._begin, self._count = now, 0
        self._count += 1
        return self._count <= self._rate.burst

    def remaining(self) -> float:
        """Return the seconds until the interval is over."""
        return max(0.0, self._begin + self._rate.interval - self._clock())
