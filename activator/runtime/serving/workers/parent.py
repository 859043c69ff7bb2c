"""Several processes on the same listeners, and new ones for old: ``--workers N``.

This parent never loads the handlers: it starts the same command again, once for each worker,
with the descriptors passed as the service manager does, and watches over them.

    starting   workers are started; one that ends now ends the service
    ready      all have said READY=1; one that ends, or hangs, is replaced, more slowly if it
               did not last
    reloading  on SIGHUP or `activator reload`: as many new workers are started beside the
               others; when all are ready, the others drain; if one fails, the new ones do
    draining   SIGTERM was passed on; workers have their time to drain
    stopped    all have ended, or were killed

The kernel spreads the connections: every worker waits on every listener, and one that is busy
does not accept. To be so, workers accept one connection at a time. A client never waits for
a hand-over, since there are always workers that accept.

To the service manager this is the service: workers tell it what they would tell the manager,
and it passes on what concerns them all.
"""

import os
import signal
from contextlib import suppress
from time import monotonic

from activator import fdstore, notify
from activator.common.worker_end import RELOAD_FAILED, report
from activator.runtime.serving.life import DRAINING, NEVER, READY, RELOADING, STARTING
from activator.runtime.serving.report import how_ended, line
from activator.runtime.serving.stop import StopSignals
from activator.runtime.serving.workers.crew import MARGIN, Crew
from activator.runtime.serving.workers.reloads import Requests
from activator.runtime.serving.workers.totals import Totals
from activator.runtime.serving.workers.waiter import Waiter
from activator.runtime.serving.workers.watchdog import Watchdog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from activator.runtime.listen import Listeners
    from activator.runtime.serving.settings import Settings
    from activator.runtime.serving.workers.reloads import Request
    from activator.runtime.serving.workers.worker import Message, Worker

# Fields of messages that are for the manager whenever they come.
STORING = frozenset({"FDSTORE", "FDSTOREREMOVE"})
# How long to wait for workers that leave to say that they take nothing more, in seconds.
RETIRING = 2.0


def run(listeners: "Listeners", settings: "Settings") -> int:
    """Keep ``settings.workers`` of them running until a signal; return the exit status.

    Args:
        listeners: What was passed; they stay open, but connections from the fd store.
        settings: What was set; the meter tells the workers' figures.
    """
    parent = _Parent(listeners, settings)
    if settings.meter:
        settings.meter.by_listener = False
        settings.meter.figures = parent.figures
    earlier = [(each, signal.getsignal(each)) for each in (signal.SIGCHLD, signal.SIGHUP)]
    earlier_fd = signal.set_wakeup_fd(parent.waiter.wakeup_fd, warn_on_full_buffer=False)
    try:
        # The call itself does nothing, but with a handler the signal ends a wait.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGHUP, parent.reload)
        with StopSignals(parent.stop, parent.stop_now):
            parent.serve()
            parent.drain()
    finally:
        signal.set_wakeup_fd(earlier_fd)
        for number, handler in earlier:
            signal.signal(number, handler)
        parent.close()
    return parent.status


class _Parent:
    """The states are those of :mod:`activator.runtime.serving.life`."""

    def __init__(self, listeners: "Listeners", settings: "Settings") -> None:
        self.status = 0
        self.waiter = Waiter()
        self._state = STARTING
        self._drain, self._delay = settings.drain, settings.drain_delay
        self._start_limit = settings.start_limit
        self._memory = settings.worker_max_memory or NEVER
        self._totals = Totals()
        self._retiring: list[Worker] = []  # those that leave for those that have come just now
        self._limit_at = NEVER  # when those that come must be ready, or those that retire be told
        self._asked = False  # for a hand-over
        self._waiting: list[Request] = []  # for the next one
        self._requests: list[Request] = []  # for this one
        self._problem = ""  # of the last hand-over
        self._watchdog = Watchdog()
        self._stopping = self._now = False
        self._crew = Crew(listeners, settings, self.waiter, self._read, self._ended)
        self._control = Requests(self.waiter.watch, self.waiter.unwatch, self._take_request)

    # What signals call.

    def stop(self) -> None:
        self._stopping = True

    def stop_now(self) -> None:
        self._now = True

    def reload(self, *_: object) -> None:
        self._asked = True

    # The states.

    def serve(self) -> None:
        while not self._stopping:
            now = monotonic()
            if self._asked and self._state == READY:
                self._begin_hand_over(now)
            self._wait(self._tick(now) - now)
            self._move_on()

    def drain(self) -> None:
        self._state = DRAINING
        self._limit_at = NEVER
        notify.stopping()
        for request in self._requests + self._waiting:
            request.answer("the service is being stopped")
        self._crew.stop()
        deadline = monotonic() + self._delay + self._drain + MARGIN
        while self._crew.is_running() and (left := deadline - monotonic()) > 0:
            if self._now:
                self._now = False
                deadline = min(deadline, monotonic() + MARGIN)
            self._wait(min(left, self._tick(monotonic()) - monotonic()))
        self._crew.kill()
        while self._crew.is_running():
            self._wait(NEVER)

    def close(self) -> None:
        self._crew.close()
        self._control.close()
        self.waiter.close()

    # Hand-over.

    def _take_request(self, request: "Request") -> None:
        if self._state == DRAINING:
            request.answer("the service is being stopped")
            return
        # One that is under way may have begun before what is new was there.
        self._waiting.append(request)
        self._asked = True

    def _begin_hand_over(self, now: float) -> None:
        self._asked = False
        self._state = RELOADING
        self._requests, self._waiting = self._waiting, []
        given = [each.surroundings for each in self._requests if each.surroundings]
        self._crew.leave(self._crew.successors.give_up())  # all are replaced anyway
        notify.reloading(self._describe())
        self._limit_at = now + self._start_limit
        if not self._crew.start_others(given[-1] if given else None, now):
            self._roll_back("a worker cannot be started")

    def _take_over(self) -> None:
        self._retiring = self._crew.take_over()
        # Until they take nothing more: who is told that it is over must find the new ones alone.
        self._limit_at = monotonic() + RETIRING

    def _roll_back(self, problem: str) -> None:
        line(f"{RELOAD_FAILED}{problem}; the earlier workers go on")
        self._crew.roll_back()
        self._end_hand_over(problem)

    def _end_hand_over(self, problem: str) -> None:
        self._retiring = []
        self._limit_at = NEVER
        self._state = READY
        self._problem = problem
        self._say_ready()
        for request in self._requests:
            request.answer(problem and f"{problem}; the earlier workers go on, see the log")
        self._requests = []

    # Workers.

    def _read(self, worker: "Worker") -> None:
        for message in worker.messages():
            self._take_message(worker, message)

    def _take_message(self, worker: "Worker", message: "Message") -> None:
        fields, fds = message
        if worker.heed(fields):
            self._totals.change()
            if self._memory != NEVER and worker.memory() > self._memory:
                worker.is_spent = True
        if not STORING.isdisjoint(fields):
            if "FDSTORE" in fields and worker in self._crew.leaving and self._state != DRAINING:
                self._crew.orphans.add((fields.get("FDNAME", ""), fd) for fd in fds)
                self._crew.find_homes()
                return
            fdstore.pass_on(fields, fds)
        if "EXTEND_TIMEOUT_USEC" in fields and self._state in (STARTING, DRAINING):
            with suppress(ValueError):
                notify.extend_timeout(int(fields["EXTEND_TIMEOUT_USEC"]) / 1e6)
        for fd in fds:
            os.close(fd)

    def _ended(self, worker: "Worker", status: int, now: float) -> None:
        self._read(worker)
        why = report(worker.pid, how_ended(status))
        self._totals.take(worker)
        pause = worker.ended(now)
        if self._stopping:
            self.status = status if status > 0 else self.status
        elif worker in self._crew.leaving:
            # SIGTERM may have come before it was to drain on it.
            if status not in (0, -signal.SIGTERM):
                line(why)
        elif worker in self._crew.successors:
            line(f"{why} before it was ready; the one that it was to replace goes on")
            self._crew.successors.fail(worker, now)
            self._crew.leave([worker])
        elif worker in self._crew.coming:
            self._roll_back(f"{why} before it was ready")
        elif self._state == STARTING:
            line(f"{why} before it was ready")
            self.status = status if status > 0 else 1
            self._stopping = True
        else:
            line(f"{why}; another is started in {pause:g} s")

    def _move_on(self) -> None:
        if self._stopping:
            return
        self._crew.put_successors_in()
        if self._state == STARTING and all(worker.is_ready for worker in self._crew.serving):
            self._state = READY
            self._say_ready()
        elif self._state == RELOADING and self._retiring:
            if all(worker.is_stopping or not worker.pid for worker in self._retiring):
                self._end_hand_over("")
        elif self._state == RELOADING and all(worker.is_ready for worker in self._crew.coming):
            self._take_over()
        elif (
            self._state == READY
            and not self._asked
            and not self._crew.leaving
            and all(worker.is_idle for worker in self._crew.serving)
        ):
            self._stopping = True

    # What goes by the clock.

    def _tick(self, now: float) -> float:
        if now >= self._limit_at and self._retiring:
            self._end_hand_over("")
        elif now >= self._limit_at:
            self._roll_back(f"no worker is ready within {self._start_limit:g} seconds")
        if now >= self._totals.show_at:
            self._totals.show(self._describe(), now)
        pinged = self._watchdog.tick(self._crew.everybody(), now)
        times = [self._limit_at, self._totals.show_at, pinged, self._crew.tick(now)]
        if not self._stopping:
            times.append(self._crew.fill_places(now, replace=self._state == READY))
        return min(times)

    def figures(self) -> tuple[str, int, int, int, int]:
        """Return the state, what is open, what was accepted and refused, and messages."""
        return self._state, *self._totals.sums(self._crew.everybody())

    def _say_ready(self) -> None:
        text = self._describe()
        self._totals.shown(text, monotonic())
        notify.ready(text)

    def _describe(self) -> str:
        text = self._totals.describe(self._state, self._crew.everybody())
        text += f", {len(self._crew.serving)} worker{'s'[: len(self._crew.serving) - 1]}"
        if self._crew.leaving:
            text += f" and {len(self._crew.leaving)} that end{'s' * (len(self._crew.leaving) == 1)}"
        return f"{text}; the last reload failed: {self._problem}" if self._problem else text

    def _wait(self, seconds: float) -> None:
        self.waiter.wait(seconds)
        self._crew.reap()
