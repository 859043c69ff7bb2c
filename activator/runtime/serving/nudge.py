"""Have the main thread heed a signal even if it came just before a call that waits.

Python calls signal handlers between its own steps. The handler of a signal that comes after the
last step before recv(2), select(2) or the like has to wait until that call returns, which may be
never: the kernel interrupts a call that waits, not one that is about to. The byte that Python
writes at once (signal.set_wakeup_fd()) is of no use to who waits for something else. So a thread
waits for that, and sends the signal again until it has been heeded.
"""

import _signal as signal  # type: ignore[import-not-found]  # as in stop.py
import os
from _thread import allocate_lock, get_ident, start_new_thread

from activator.runtime.serving.draining import draining

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from activator.runtime.serving.stop import StopSignals

# How long to wait before the signal is sent again, the first time and at most, in seconds.
FIRST = 0.01
MOST = 1.0
_OVER = b"\0"  # no signal has this number

# What signals write to, if it is ours
_wakeup_fds: list[int] = []


class Nudge:
    """Within its context, the main thread heeds SIGTERM and SIGINT whatever it waits for.

    For a service that calls its handler in the main thread. Without descriptors, or threads
    (TasksMax=), to be had, there is no effect.

    Args:
        signals: What heeds them.
    """

    __slots__ = ("_earlier", "_main", "_over", "_sending", "_signals")

    def __init__(self, signals: "StopSignals") -> None:
        self._signals = signals
        self._main = get_ident()
        self._over = allocate_lock()  # held until it is
        self._sending = allocate_lock()

    def __enter__(self) -> "Self":
        self._over.acquire()
        try:
            self._begin()
        except (OSError, RuntimeError):
            return self
        return self

    def __exit__(self, *_: object) -> None:
        self._over.release()
        # From here on the thread sends nothing; a fork may have left the lock to nobody.
        self._sending.acquire(timeout=MOST)
        while _wakeup_fds:
            ours = _wakeup_fds.pop()
            signal.set_wakeup_fd(self._earlier)
            try:
                os.write(ours, _OVER)
            except BlockingIOError:
                continue  # it is full, so the thread is awake, and comes to the end
            finally:
                os.close(ours)

    def _begin(self) -> None:
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(write_end, False)  # set_wakeup_fd() insists
        # The thread inherits that no signal is for it.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            start_new_thread(self._watch, (read_end,))
        except RuntimeError:
            os.close(read_end)
            os.close(write_end)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self._earlier = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        if not hasattr(_forked, "registered"):
            _forked.registered = True  # type: ignore[attr-defined]
            os.register_at_fork(after_in_child=_forked)
        _wakeup_fds.append(write_end)

    def _watch(self, read_end: int) -> None:
        # To the end, so that nobody ever writes to what is closed.
        while (numbers := os.read(read_end, 64)) and _OVER not in numbers:
            self._nudge(numbers)
        os.close(read_end)

    def _nudge(self, numbers: bytes) -> None:
        """Send the signal again until it has been heeded, or it is over."""
        pause = FIRST
        # Of a second SIGINT nobody tells whether it has been heeded: once more will do.
        again = signal.SIGINT in numbers
        while again or (signal.SIGTERM in numbers and not self._signals.stopped):
            if self._over.acquire(timeout=pause):
                self._over.release()
                return
            with self._sending:
                if not (self._over.locked() and self._signals.are_ours()):
                    return
                # One more changes nothing by itself, and has the others handled that are due.
                signal.pthread_kill(self._main, signal.SIGTERM)
            again = again and not self._signals.stopped
            pause = min(pause * 2, MOST)


def _forked() -> None:
    """Leave what is the parent's to it: signals of a process that the handler forks are not its."""
    while _wakeup_fds:
        signal.set_wakeup_fd(-1)
        os.close(_wakeup_fds.pop())
        draining.part()
