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
from activator.runtime.serving.handlers import CONNECTED
from activator.runtime.serving.life import DRAINING, READY, RELOADING, STARTING
from activator.runtime.serving.options import SHARED
from activator.runtime.serving.report import how_ended, line
from activator.runtime.serving.stop import StopSignals
from activator.runtime.serving.workers.orphans import Orphans, names_of
from activator.runtime.serving.workers.reloads import Requests
from activator.runtime.serving.workers.successors import Successors
from activator.runtime.serving.workers.totals import Totals
from activator.runtime.serving.workers.waiter import Waiter
from activator.runtime.serving.workers.watchdog import Watchdog
from activator.runtime.serving.workers.worker import BACK_OFF_MAX, NEVER, Surroundings, Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from activator.runtime.listen import Listeners
    from activator.runtime.serving.settings import Settings
    from activator.runtime.serving.workers.reloads import Request
    from activator.runtime.serving.workers.worker import Message

# How long workers may take beyond the drain, to end themselves, in seconds.
MARGIN = 3.0
# Fields of messages that are for the manager whenever they come.
STORING = frozenset({"FDSTORE", "FDSTOREREMOVE"})
# How long to wait for workers that leave to say that they take nothing more, in seconds.
RETIRING = 2.0
# How often to try again to pass on a connection, in seconds.
AGAIN = 0.05


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
    """The states are those of :mod:`activator.runtime.serving.life`.

    Workers are in one of four lists: those that serve, those that are to take over from all or
    from one of them, and those that end.
    """

    def __init__(self, listeners: "Listeners", settings: "Settings") -> None:
        self.status = 0
        self.waiter = Waiter()
        self._state = STARTING
        self._listeners = [item for item in listeners if item.kind != CONNECTED]
        # Connections from the fd store, for the first worker alone.
        self._restored = [item for item in listeners if item.kind == CONNECTED]
        self._names = names_of(self._listeners) if settings.isolation == SHARED else ()
        self._orphans = Orphans(self._names)
        self._drain = settings.drain
        self._start_limit = settings.start_limit
        self._coming: list[Worker] = []
        self._leaving: list[Worker] = []
        self._successors = Successors(settings.start_limit)
        self._memory = settings.worker_max_memory or NEVER
        self._totals = Totals()
        self._surroundings = Surroundings(dict(os.environb))
        self._next_surroundings = self._surroundings
        self._retiring: list[Worker] = []  # those that leave for those that have come just now
        self._limit_at = NEVER  # when those that come must be ready, or those that retire be told
        self._asked = False  # for a hand-over
        self._waiting: list[Request] = []  # for the next one
        self._requests: list[Request] = []  # for this one
        self._problem = ""  # of the last hand-over
        self._watchdog = Watchdog()
        self._stopping = self._now = False
        self._serving = [self._new_worker(self._surroundings) for _ in range(settings.workers)]
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
        everybody = self._everybody()
        for worker in everybody:
            if worker in self._leaving:
                worker.relieve()  # once more: now the service ends as well
            else:
                worker.signal(signal.SIGTERM)
        deadline = monotonic() + self._drain + MARGIN
        while self._running() and (left := deadline - monotonic()) > 0:
            if self._now:
                self._now = False
                deadline = min(deadline, monotonic() + MARGIN)
            self._wait(min(left, self._tick(monotonic()) - monotonic()))
        for worker in everybody:
            worker.signal(signal.SIGKILL)
        while self._running():
            self._wait(NEVER)
        for worker in everybody:
            self._orphans.add(worker.channels.close())
        self._find_homes()

    def close(self) -> None:
        for worker in self._everybody():
            worker.close()
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
        self._next_surroundings = given[-1] if given else self._surroundings
        self._leave(self._successors.give_up())  # all are replaced anyway
        notify.reloading(self._describe())
        self._coming = [self._new_worker(self._next_surroundings) for _ in self._serving]
        self._limit_at = now + self._start_limit
        for worker in self._coming:
            if not worker.start(self._listeners, now):
                self._roll_back("a worker cannot be started")
                return

    def _take_over(self) -> None:
        self._surroundings = self._next_surroundings
        self._retiring, self._serving, self._coming = self._serving, self._coming, []
        self._leave(self._retiring)
        # Until they take nothing more: who is told that it is over must find the new ones alone.
        self._limit_at = monotonic() + RETIRING

    def _roll_back(self, problem: str) -> None:
        line(f"{RELOAD_FAILED}{problem}; the earlier workers go on")
        leaving, self._coming = self._coming, []
        self._leave(leaving)
        self._end_hand_over(problem)

    def _leave(self, workers: list[Worker]) -> None:
        until = monotonic() + self._drain + MARGIN
        for worker in workers:
            self._leaving.append(worker)
            worker.until = until
            worker.relieve()
        self._reap()  # takes the places that are empty already

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

    def _everybody(self) -> list[Worker]:
        return [*self._serving, *self._coming, *self._leaving, *self._successors]

    def _running(self) -> bool:
        return any(worker.pid for worker in self._everybody())

    def _new_worker(self, surroundings: Surroundings) -> Worker:
        worker = Worker(surroundings, self._names)
        self.waiter.watch(worker.fileno(), lambda: self._read(worker))
        return worker

    def _start(self, worker: Worker, now: float) -> None:
        if worker.start(self._listeners + self._restored, now):
            for listener in self._restored:
                listener.close()
            self._restored = []

    def _replace(self, worker: Worker, now: float) -> None:
        successor = self._new_worker(self._surroundings)
        if successor.start(self._listeners, now):
            self._successors.add(successor, worker)
        else:
            worker.start_at = now + BACK_OFF_MAX
            self._leave([successor])

    def _read(self, worker: Worker) -> None:
        for message in worker.messages():
            self._take_message(worker, message)

    def _take_message(self, worker: Worker, message: "Message") -> None:
        fields, fds = message
        if worker.heed(fields):
            self._totals.change()
            if self._memory != NEVER and worker.memory() > self._memory:
                worker.is_spent = True
        if not STORING.isdisjoint(fields):
            if "FDSTORE" in fields and worker in self._leaving and self._state != DRAINING:
                self._orphans.add((fields.get("FDNAME", ""), fd) for fd in fds)
                self._find_homes()
                return
            fdstore.pass_on(fields, fds)
        if "EXTEND_TIMEOUT_USEC" in fields and self._state in (STARTING, DRAINING):
            with suppress(ValueError):
                notify.extend_timeout(int(fields["EXTEND_TIMEOUT_USEC"]) / 1e6)
        for fd in fds:
            os.close(fd)

    def _reap(self) -> None:
        now = monotonic()
        for worker in self._everybody():
            if worker.pid:
                pid, state = os.waitpid(worker.pid, os.WNOHANG)
                if pid:
                    self._ended(worker, os.waitstatus_to_exitcode(state), now)
        for worker in [each for each in self._leaving if not each.pid]:
            self._leaving.remove(worker)
            self.waiter.unwatch(worker.fileno())
            worker.close()
            self._orphans.add(worker.channels.close())
            self._find_homes()

    def _find_homes(self) -> None:
        serving = [] if self._state == DRAINING else self._serving
        self._orphans.place([worker for worker in serving if worker.pid and worker.is_ready])
        if self._state == DRAINING:
            self._orphans.store()

    def _ended(self, worker: Worker, status: int, now: float) -> None:
        self._read(worker)
        why = report(worker.pid, how_ended(status))
        self._totals.take(worker)
        pause = worker.ended(now)
        if self._stopping:
            self.status = status if status > 0 else self.status
        elif worker in self._leaving:
            # SIGTERM may have come before it was to drain on it.
            if status not in (0, -signal.SIGTERM):
                line(why)
        elif worker in self._successors:
            line(f"{why} before it was ready; the one that it was to replace goes on")
            self._successors.fail(worker, now)
            self._leave([worker])
        elif worker in self._coming:
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
        for successor, worker in self._successors.ready():
            self._serving[self._serving.index(worker)] = successor
            self._leave([worker])
        if self._state == STARTING and all(worker.is_ready for worker in self._serving):
            self._state = READY
            self._say_ready()
        elif self._state == RELOADING and self._retiring:
            if all(worker.is_stopping or not worker.pid for worker in self._retiring):
                self._end_hand_over("")
        elif self._state == RELOADING and all(worker.is_ready for worker in self._coming):
            self._take_over()
        elif (
            self._state == READY
            and not self._asked
            and not self._leaving
            and all(worker.is_idle for worker in self._serving)
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
        times = [self._limit_at, self._totals.show_at, self._watchdog.tick(self._everybody(), now)]
        if self._orphans:
            self._find_homes()
            times.append(now + AGAIN)
        for worker in self._leaving:
            if worker.until <= now:
                worker.signal(signal.SIGKILL)
                worker.until = NEVER
            times.append(worker.until)
        return min(*times, self._fill_places(now))

    def _fill_places(self, now: float) -> float:
        if late := self._successors.late(now):
            self._leave(late)
        times = [self._successors.next]
        for worker in () if self._stopping else self._serving:
            if self._lacks(worker) and worker.start_at <= now:
                (self._replace if worker.pid else self._start)(worker, now)
            if self._lacks(worker):
                times.append(worker.start_at)
        return min(times)

    def _lacks(self, worker: Worker) -> bool:
        spent = worker.is_spent and self._state == READY and not self._successors.has(worker)
        return spent or not worker.pid

    def figures(self) -> tuple[str, int, int, int, int]:
        """Return the state, what is open, what was accepted and refused, and messages."""
        return self._state, *self._totals.sums(self._everybody())

    def _say_ready(self) -> None:
        text = self._describe()
        self._totals.shown(text, monotonic())
        notify.ready(text)

    def _describe(self) -> str:
        text = self._totals.describe(self._state, self._everybody())
        text += f", {len(self._serving)} worker{'s'[: len(self._serving) - 1]}"
        if self._leaving:
            text += f" and {len(self._leaving)} that end{'s' * (len(self._leaving) == 1)}"
        return f"{text}; the last reload failed: {self._problem}" if self._problem else text

    def _wait(self, seconds: float) -> None:
        self.waiter.wait(seconds)
        self._reap()
