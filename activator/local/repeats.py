"""Fold what a service says at each failed start into a count, where people read it.

The pace of the starts is the unit's. Only a start that goes on as the last one did is held back,
until it is clear that it fails in the same way; then all of it is dropped and counted.
"""

import asyncio

from activator.local.events import Event
from activator.local.report import Report

# Beyond what the last start took, until what is held back is shown.
_PATIENCE = 1.0  # seconds
_LONGEST = 5.0  # seconds that a start takes, and the events that there are of it
_MOST = 200
_BEGINS = ("started", "failed")
# What others do: what follows is new to whoever did it.
_ANEW = ("changed", "reloaded", "stopping")


class Folded:
    """Show events, and what fails again and again in the same way as a count.

    Args:
        report: Shows what is left.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._units: dict[str, _Starts] = {}
        self.ignored = report.ignored
        self.note = report.note

    def __call__(self, event: Event) -> None:
        """Show an event, or count it."""
        if event.kind in _ANEW:
            for each in self._units.values():
                each.show()
            self._units.clear()
        elif event.unit in self._units or _concerns(event):
            starts = self._units.setdefault(event.unit, _Starts(self._report))
            starts.take(event)
            return
        self._report(event)


def _concerns(event: Event) -> bool:
    """Tell whether an event may begin a failed start; connections start once each."""
    service = event.unit.endswith(".service") and "@" not in event.unit
    return service and event.kind in _BEGINS


class _Starts:
    """The starts of one service, up to the current one."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._last: list[Event] = []  # how the last one failed
        self._took = 0.0
        self._now: list[Event] = []
        self._begun = 0.0
        self._over = True
        self._held: list[Event] = []
        self._count = self._told = 1
        self._timer: asyncio.TimerHandle | None = None

    def take(self, event: Event) -> None:
        """Show an event, or hold it back while all is as it was at the last start."""
        if self._over and event.kind == "restarting":
            if self._count == 1:
                self._report(event)
            return
        if self._over and event.kind in _BEGINS:
            self._begin()
        if self._over:
            self._report(event)
            return
        same = len(self._held) == len(self._now) < len(self._last)
        same = same and _words(self._last[len(self._now)]) == _words(event)
        self._now.append(event)
        if same:
            self._held.append(event)
        else:
            self.show()
            self._report(event)
        if event.kind == "ready" or (event.kind == "ended" and not event.status):
            self._over, self._last = True, []
        elif event.kind in ("ended", "restarting"):
            self._end()
        elif len(self._now) > _MOST:
            self.show()
            self._over, self._last = True, []

    def show(self) -> None:
        """Show what was held back, and how often it was as before until then."""
        if self._timer is not None:
            self._timer.cancel()
        if self._count > self._told:
            self._tell()
        self._count = self._told = 1
        held, self._held = self._held, []
        for event in held:
            self._report(event)

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        self._now, self._over, self._begun = [], False, loop.time()
        if self._last:
            self._timer = loop.call_later(self._took + _PATIENCE, self.show)

    def _end(self) -> None:
        """Take note that the start has failed."""
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        if len(self._held) == len(self._now) == len(self._last):
            self._held = []
            self._count += 1
            if self._count == 2 * self._told:  # ever more rarely
                self._tell()
            return
        self.show()
        self._took = asyncio.get_running_loop().time() - self._begun
        self._last = self._now if self._took < _LONGEST else []

    def _tell(self) -> None:
        self._told = self._count
        text = f"has failed {self._count} times in this way"
        self._report(Event("note", self._now[-1].unit, text))


def _words(event: Event) -> tuple[object, ...]:
    """Return what makes an event the same as another; the pace of restarts is none of it."""
    return (event.kind, "" if event.kind == "restarting" else event.text, event.status)
