"""The life of a service: its states, and what it tells the service manager about them.

    starting   nothing is served yet
    ready      READY=1: everything is served; after a while without work, it may leave
    reloading  RELOADING=1: as ready, while new processes start that are to take over; this is
               a state of services with workers alone
    leaving    as ready, after the signal, for as long as ``drain-delay`` says, so that balancers
               lead clients elsewhere first
    draining   STOPPING=1: nothing new is taken, and what runs may end
    stopped    all has ended, or its time has passed

A service goes through them in this order, from reloading back to ready. All the while it says
in STATUS= how much it does, and it pings the watchdog (WATCHDOG=1) from wherever it waits for
events, so that the pings stop when it hangs; while draining it asks for the time that it needs
(EXTEND_TIMEOUT_USEC=). See sd_notify(3).

A worker (:mod:`activator.runtime.serving.workers`) says all that to its parent, and that it is idle
instead of leaving.
"""

import os
from _thread import allocate_lock
from time import monotonic

from activator import notify
from activator.runtime.serving.draining import draining

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from activator.runtime.serving.settings import Settings

STARTING = "starting"
READY = "ready"
RELOADING = "reloading"
LEAVING = "leaving"
DRAINING = "draining"
STOPPED = "stopped"
# How long after a change to show it, and how long to leave it so at least, in seconds.
STATUS_DELAY = 1.0
STATUS_INTERVAL = 5.0
# How often to ask for more time to stop, and for how much of it, in seconds.
EXTEND_INTERVAL = 5.0
EXTENSION = 15.0
# How long the end takes when the time for draining has passed, in seconds.
ENDING = 5.0
NEVER = float("inf")
# What a worker tells its parent, as X_NAME=: the figures of its status, and 1 or 0.
COUNTS = "ACTIVATOR_COUNTS"
IDLE = "ACTIVATOR_IDLE"
# And 1 when it has accepted as many connections as it is to.
SPENT = "ACTIVATOR_SPENT"
# Up to which part of them earlier, so that workers do not all do so at once.
JITTER = 10


class Life:
    """Where a service is in its life, and all that goes by the clock.

    Whoever owns it calls :meth:`tick` when the seconds have passed that the last call
    returned, or earlier.

    Attributes:
        state: One of these.
        accepted: How many connections there have been.
        refused: How many were closed unserved: because of a limit, or of what they began with.
        messages: How many times datagrams were taken.
        quiet: Whether the service manager would like to hear when something comes or ends.

    Args:
        settings: What was set.
        busy: Tells how many connections, and plain handlers of messages, are not at their end.
        wake: Called when there may be less time until the next tick than was said last.
    """

    def __init__(
        self, settings: "Settings", busy: "Callable[[], int]", wake: "Callable[[], object]"
    ) -> None:
        self.state = STARTING
        self.accepted = 0
        self.refused = 0
        self.messages = 0
        self._busy = busy
        self._wake = wake
        self._drain = settings.drain
        self._delay = settings.drain_delay
        self._idle_exit: float = settings.idle_exit
        self._lifeline = settings.lifeline
        self._is_worker = settings.lifeline > 0
        self._told_idle = False
        self._relieved = False
        self._spent_at = _spent_at(settings.worker_max_connections) if self._is_worker else NEVER
        self._used = monotonic()
        self.quiet = notify.is_heard()  # there is a manager, and nothing to tell it
        self._shown = ""
        self._status_at = NEVER
        self._shown_at = -NEVER
        self._ping_interval = notify.ping_interval()
        self._ping_at = monotonic() if self._ping_interval else NEVER
        self._extend_at = NEVER
        self._deadline = NEVER
        self._refusing = allocate_lock()
        draining.clear()
        if settings.tls:
            settings.tls.refused = self.refuse
        if settings.meter:
            settings.meter.figures = self.figures

    # The states.

    def ready(self) -> None:
        """Say that everything is served."""
        self.state = READY
        self._used = monotonic()
        notify.ready()
        self._wake()

    def leave(self) -> float:
        """Tell who asks that the service ends; return for how many seconds to serve on."""
        self._relieved = self._is_worker and _is_relieved(self._lifeline)
        if not self._delay or self.state != READY or self._relieved or self._told_idle:
            return 0.0
        self.state = LEAVING
        draining.announce()
        now = monotonic()
        self._deadline = now + self._delay + self._drain + ENDING
        if notify.is_heard():
            self._extend_at = self._status_at = now
        self._wake()
        return self._delay  # type: ignore[no-any-return]  # it is one of the settings

    def drain(self, *, slowly: bool = False) -> None:
        """Say that nothing new is taken; what runs has the time that was set.

        Args:
            slowly: Whether it may take time even if it is not busy now.
        """
        self.state = DRAINING
        relieved = self._relieved or (self._is_worker and _is_relieved(self._lifeline))
        draining.set(hand_over=relieved)
        notify.stopping()
        now = monotonic()
        self._deadline = now + self._drain + ENDING
        if (slowly or self._busy()) and notify.is_heard():
            self._extend_at = self._status_at = now
        self._wake()

    def stop(self) -> None:
        """Note that it is over."""
        self.state = STOPPED
        self._status_at = self._extend_at = self._ping_at = NEVER

    # What happens in them.

    def note(self) -> None:
        """Note that something came, or has ended."""
        if self._idle_exit:
            self._used = monotonic()
            if self._told_idle:
                self._told_idle = False
                notify.own(IDLE, "0", notify.PATIENCE)
        if self.accepted >= self._spent_at:
            self._spent_at = NEVER
            notify.own(SPENT, "1", notify.PATIENCE)
        if self.quiet:
            self.quiet = False
            self._status_at = max(monotonic() + STATUS_DELAY, self._shown_at + STATUS_INTERVAL)
            self._wake()

    def refuse(self) -> None:
        """Count a connection that is not served; for any thread."""
        with self._refusing:
            self.refused += 1

    def used(self, when: float) -> None:
        """Note that something has ended at that time (time.monotonic())."""
        self._used = max(self._used, when)

    def is_idle(self) -> bool:
        """Tell whether it has been without work for as long as it was to be.

        A worker tells that its parent, which knows when all are.
        """
        idle = (
            self._idle_exit > 0
            and self.state == READY
            and not self._busy()
            and monotonic() >= self._used + self._idle_exit
        )
        if self._is_worker and idle:
            if not self._told_idle:
                self._told_idle = True
                notify.own(IDLE, "1", notify.PATIENCE)
            return False
        return idle

    def tick(self) -> float:
        """Do what is due, and return after how many seconds something is again; may be inf."""
        now = monotonic()
        if now >= self._ping_at:
            # Before the manager misses it, in case it has had no room.
            pause = self._ping_interval if notify.watchdog() else self._ping_interval / 8
            self._ping_at = now + pause
        if now >= self._extend_at:
            left = self._deadline - now
            notify.extend_timeout(max(min(left, EXTENSION), 0))
            self._extend_at = now + EXTEND_INTERVAL if left > EXTENSION else NEVER
        if now >= self._status_at:
            self._show(now)
        return max(
            min(self._ping_at, self._extend_at, self._status_at, self._idle_at(now)) - now, 0
        )

    def _idle_at(self, now: float) -> float:
        if not self._idle_exit or self.state != READY or self._told_idle:
            return NEVER
        # While busy, it cannot be over before this.
        return (now if self._busy() else self._used) + self._idle_exit

    def figures(self) -> tuple[str, int, int, int, int]:
        """Return the state, what is open, what was accepted and refused, and messages."""
        return self.state, self._busy(), self.accepted, self.refused, self.messages

    def _show(self, now: float) -> None:
        busy = self._busy()
        text = describe(self.state, busy, self.accepted, self.refused, self.messages)
        sent = text == self._shown
        if not sent and self._tell(text, busy):
            sent, self._shown, self._shown_at = True, text, now
        self.quiet = sent and not busy
        self._status_at = NEVER if self.quiet else now + STATUS_INTERVAL

    def _tell(self, text: str, busy: int) -> bool:
        """Tell the manager, or a worker's parent, how much it does; return whether that worked."""
        sent = notify.status(text)
        if sent and self._is_worker:
            counts = f"{busy} {self.accepted} {self.refused} {self.messages}"
            sent = notify.own(COUNTS, counts)
        return sent


def _spent_at(limit: int) -> float:
    """Return after how many connections a worker is to be replaced, given the most."""
    return limit - int.from_bytes(os.urandom(4)) % (limit // JITTER + 1) if limit else NEVER


def describe(state: str, busy: int, accepted: int, refused: int, messages: int) -> str:
    """Return the line for ``systemctl status``: the state, and what :class:`Life` counts."""
    parts = [f"{state}: {busy} open", f"{accepted} accepted"]
    if refused:
        parts.append(f"{refused} refused")
    if messages:
        parts.append(f"{messages} message{'s'[: messages - 1]}")
    return ", ".join(parts)


def _is_relieved(lifeline: int) -> bool:
    """Tell whether a worker's parent has said that others have taken over."""
    try:
        return bool(os.read(lifeline, 1))  # at its end the parent has gone
    except BlockingIOError:
        return False
