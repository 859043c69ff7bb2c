"""Several processes on the same listeners: ``--workers N``.

This parent never loads the handlers: it starts the same command again, once for each worker,
with the descriptors passed as the service manager does, and watches over them.

    starting   workers are started; one that ends now ends the service
    ready      all have said READY=1; one that ends is replaced, more slowly if it did not last
    draining   SIGTERM was passed on; workers have their time to drain
    stopped    all have ended, or were killed

The kernel spreads the connections: every worker waits on every listener, and one that is busy
does not accept. To be so, workers accept one connection at a time.
"""

import os
import select
import signal
import sys
from contextlib import suppress
from socket import AF_UNIX, SOCK_DGRAM, socket, socketpair
from time import monotonic

from activator import notify
from activator.serving.report import line
from activator.serving.stop import SIGNALS, StopSignals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from activator.listen import Listeners

# Set for a worker, so that the same command line is one.
VARIABLE = "ACTIVATOR_WORKER"
# How long to wait before a worker is replaced: the first time, and at most, in seconds.
BACK_OFF = 0.1
BACK_OFF_MAX = 5.0
# A worker that ran for so long has lasted, in seconds.
LASTED = 10.0
# How long workers may take beyond the drain, to end themselves, in seconds.
MARGIN = 3.0


def is_worker() -> bool:
    """Tell whether this process is one of the workers; only the first call does."""
    return os.environ.pop(VARIABLE, "") == str(os.getpid())


def run(listeners: "Listeners", count: int, drain: float) -> int:
    """Keep so many workers running until a signal; return the exit status.

    Args:
        listeners: What was passed; they stay open.
        count: How many workers.
        drain: How long the workers let connections end, in seconds.
    """
    parent = _Parent(listeners, count, drain)
    children = signal.getsignal(signal.SIGCHLD)
    earlier = signal.set_wakeup_fd(parent.wakeup[1].fileno(), warn_on_full_buffer=False)
    try:
        # The call itself does nothing, but with a handler the signal ends a wait.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with StopSignals(parent.stop, parent.stop_now):
            parent.serve()
            parent.drain()
    finally:
        signal.set_wakeup_fd(earlier)
        signal.signal(signal.SIGCHLD, children)
        parent.close()
    return parent.status


class _Worker:
    """One place for a worker, and the process that has it now.

    Attributes:
        pid: The process; 0 if there is none now.
        reports: Where it says READY=1.
        is_ready: Whether it has.
        began: When it was started, as time.monotonic().
        start_at: When to start the next.
        back_off: How long to wait for the one after that, in seconds.
    """

    __slots__ = ("back_off", "began", "is_ready", "pid", "reports", "start_at")

    def __init__(self) -> None:
        self.pid = 0
        self.is_ready = False
        self.began = self.start_at = 0.0
        self.back_off = BACK_OFF
        self.reports = socket(AF_UNIX, SOCK_DGRAM)
        self.reports.setblocking(False)
        self.reports.bind("")  # the kernel finds an abstract name: unix(7), "autobind"

    @property
    def address(self) -> str:
        """The name for NOTIFY_SOCKET=."""
        return "@" + os.fsdecode(self.reports.getsockname()[1:])


class _Parent:
    def __init__(self, listeners: "Listeners", count: int, drain: float) -> None:
        self.status = 0
        self.wakeup = socketpair()
        for end in self.wakeup:
            end.setblocking(False)
        self._fds = [listener.fd for listener in listeners]
        self._names = ":".join(listener.name for listener in listeners)
        self._drain = drain
        self._workers = [_Worker() for _ in range(count)]
        self._poll = select.poll()
        for readable in (self.wakeup[0], *(worker.reports for worker in self._workers)):
            self._poll.register(readable, select.POLLIN)
        self._ready = False
        self._stopping = False
        self._now = False

    # What signals call.

    def stop(self) -> None:
        self._stopping = True

    def stop_now(self) -> None:
        self._now = True

    # The states.

    def serve(self) -> None:
        while not self._stopping:
            now = monotonic()
            for worker in self._workers:
                if not worker.pid and worker.start_at <= now:
                    self._start(worker, now)
            times = [worker.start_at - now for worker in self._workers if not worker.pid]
            self._wait(min(times, default=None))

    def drain(self) -> None:
        notify.stopping()
        self._signal(signal.SIGTERM)
        deadline = monotonic() + self._drain + MARGIN
        while self._running() and (left := deadline - monotonic()) > 0:
            if self._now:
                self._now = False
                deadline = min(deadline, monotonic() + MARGIN)
            self._wait(left)
        self._signal(signal.SIGKILL)
        while self._running():
            self._wait(None)

    def close(self) -> None:
        for worker in self._workers:
            worker.reports.close()
        for end in self.wakeup:
            end.close()

    # Their steps.

    def _start(self, worker: _Worker, now: float) -> None:
        worker.began = now
        worker.is_ready = False
        # A signal must not get lost in the child, before it has become a worker.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            worker.pid = os.fork()
            if not worker.pid:
                self._become(worker)
        except OSError as error:
            line(f"cannot start a worker: {error.strerror}; a higher TasksMax= would help")
            worker.start_at = now + worker.back_off
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _become(self, worker: _Worker) -> "NoReturn":
        """Become a worker, in the child."""
        try:
            self._execute(worker)
        except OSError as error:
            line(f"cannot start a worker: {error.strerror}")
        finally:
            os._exit(1)

    def _execute(self, worker: _Worker) -> None:
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        pid = str(os.getpid())
        environ = {**os.environ, VARIABLE: pid, "NOTIFY_SOCKET": worker.address}
        environ |= {"LISTEN_PID": pid, "LISTEN_FDS": str(len(self._fds))}
        environ["LISTEN_FDNAMES"] = self._names
        for name in ("WATCHDOG_PID", "WATCHDOG_USEC"):
            environ.pop(name, None)
        for fd in self._fds:
            os.set_inheritable(fd, True)
        os.execve(sys.executable, sys.orig_argv, environ)  # noqa: S606 - the point

    def _wait(self, seconds: float | None) -> None:
        timeout = None if seconds is None else max(seconds, 0) * 1000 + 1
        self._poll.poll(timeout)
        with suppress(BlockingIOError):
            self.wakeup[0].recv(65536)
        for worker in self._workers:
            self._read(worker)
        self._reap()
        if not self._ready and all(worker.is_ready for worker in self._workers):
            self._ready = True
            if not self._stopping:
                notify.ready(f"ready: {len(self._workers)} workers")

    def _read(self, worker: _Worker) -> None:
        with suppress(BlockingIOError):
            while message := worker.reports.recv(4096):
                worker.is_ready = worker.is_ready or b"READY=1" in message.split(b"\n")

    def _reap(self) -> None:
        now = monotonic()
        for worker in self._workers:
            if not worker.pid:
                continue
            pid, state = os.waitpid(worker.pid, os.WNOHANG)
            if not pid:
                continue
            worker.pid = 0
            status = os.waitstatus_to_exitcode(state)
            if self._stopping:
                if status > 0:
                    self.status = status
                continue
            why = f"signal {-status}" if status < 0 else f"status {status}"
            if not self._ready:
                line(f"worker {pid} ended with {why} before it was ready")
                self.status = status if status > 0 else 1
                self._stopping = True
                continue
            if now - worker.began >= LASTED:
                worker.back_off = BACK_OFF
            line(f"worker {pid} ended with {why}; another is started in {worker.back_off:g} s")
            worker.start_at = now + worker.back_off
            worker.back_off = min(worker.back_off * 2, BACK_OFF_MAX)

    def _running(self) -> bool:
        return any(worker.pid for worker in self._workers)

    def _signal(self, number: int) -> None:
        for worker in self._workers:
            if worker.pid:
                os.kill(worker.pid, number)
