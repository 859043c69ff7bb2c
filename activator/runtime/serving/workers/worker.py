"""One place for a worker, and the process that has it now.

A worker is the same command once more, with the descriptors passed as the service manager does.
What it would tell the manager it tells its parent, by one end of a pair of sockets: whoever knew
an address (/proc/net/unix tells all) could fill its queue. And what is said there is believed if
the kernel says that it comes from that process, as with NotifyAccess=main.
"""

import errno
import os
import signal
import sys
from contextlib import suppress
from fcntl import F_DUPFD, fcntl
from socket import (
    AF_UNIX,
    CMSG_SPACE,
    MSG_CMSG_CLOEXEC,
    SCM_CREDENTIALS,
    SCM_RIGHTS,
    SO_PASSCRED,
    SOCK_DGRAM,
    SOL_SOCKET,
    socketpair,
)
from time import monotonic

from activator import notify
from activator.common.descriptors import place
from activator.runtime.serving.life import COUNTS, IDLE, NEVER, SPENT
from activator.runtime.serving.report import Rarely, line
from activator.runtime.serving.stop import SIGNALS
from activator.runtime.serving.workers.channels import VARIABLE as CHANNELS
from activator.runtime.serving.workers.channels import Channels
from activator.runtime.serving.workers.lifeline import Lifeline
from activator.runtime.variables import FIRST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import NoReturn

    from activator.runtime.listen import Listener

    # The fields of a message, and the descriptors that came with it.
    Message = tuple[dict[str, str], list[int]]

# Set for a worker to its process id, so that the same command line is one, and to descriptors: what
# ties it to its parent, and what it reports to it by.
VARIABLE = "ACTIVATOR_WORKER"
COUNTS_FIELD = f"X_{COUNTS}"
IDLE_FIELD = f"X_{IDLE}"
SPENT_FIELD = f"X_{SPENT}"
# How long to wait before a worker is replaced: the first time, and at most, in seconds.
BACK_OFF = 0.1
BACK_OFF_MAX = 5.0
# A worker that ran for so long has lasted, in seconds.
LASTED = 10.0
NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})

_scarcity = Rarely()
_LARGEST = 65536
_MOST_DESCRIPTORS = 253  # SCM_MAX_FD
_INT = 4
_SPACE = CMSG_SPACE(3 * _INT) + CMSG_SPACE(_INT * _MOST_DESCRIPTORS)


def tied() -> int:
    """Return what ties this process to its parent, if it is a worker, else 0; only once."""
    pid, *numbers = os.environ.pop(VARIABLE, "").split(":")
    if pid != str(os.getpid()):
        return 0
    fds = [int(number) for number in numbers]
    for fd in fds:
        os.set_inheritable(fd, False)
    # An earlier release's parent, which goes on until a restart, gives one, and NOTIFY_SOCKET.
    for fd in fds[1:]:
        notify.use(fd)
    return fds[0]


class Surroundings:
    """What workers are started in.

    Attributes:
        environ: Their environment, without what each has of its own.
        directory: Their working directory; empty for this process's.
    """

    __slots__ = ("directory", "environ")

    def __init__(self, environ: "dict[bytes, bytes]", directory: bytes = b"") -> None:
        self.environ = environ
        self.directory = directory


class Worker:
    """One place for a worker, and the process that has it now.

    Attributes:
        pid: The process; 0 if there is none now.
        is_ready: Whether it has said READY=1.
        is_stopping: Whether it has said STOPPING=1, and so takes nothing more.
        is_spent: Whether another is to take its place: it has accepted as many as it may.
        is_idle: Whether it has said that it has been without work for long enough.
        counts: How many connections are open, and how many connections it has accepted and
            refused and messages it has taken, in its life.
        began: When it was started, as time.monotonic().
        alive: When it pinged the watchdog last; NEVER before the first time.
        start_at: When to start the next.
        until: When to kill it.
        back_off: How long to wait before the next but one is started, in seconds.

        channels: Where connections come from that earlier workers left.

    Args:
        surroundings: What it is started in.
        names: The names of the listeners that such connections may have.
    """

    __slots__ = (
        "_aborted",
        "_lifeline",
        "_reporting",
        "_reports",
        "_surroundings",
        "alive",
        "back_off",
        "began",
        "channels",
        "counts",
        "is_idle",
        "is_ready",
        "is_spent",
        "is_stopping",
        "pid",
        "start_at",
        "until",
    )

    def __init__(self, surroundings: Surroundings, names: "Iterable[str]") -> None:
        self._surroundings = surroundings
        self.channels = Channels(names)
        self.pid = 0
        self.start_at = 0.0
        self.back_off = BACK_OFF
        self._aborted = False
        self._lifeline: Lifeline | None = None
        self._forget(0.0)
        self._reports, self._reporting = socketpair(AF_UNIX, SOCK_DGRAM)
        self._reports.setblocking(False)
        self._reports.setsockopt(SOL_SOCKET, SO_PASSCRED, 1)

    def fileno(self) -> int:
        """Return the descriptor that is readable when it has said something."""
        return self._reports.fileno()

    def close(self) -> None:
        """Listen to it no more."""
        self._reports.close()
        self._reporting.close()

    def start(self, listeners: "Sequence[Listener]", now: float) -> bool:
        """Start its process; return whether there is one now.

        Args:
            listeners: What it is passed.
            now: The time, as time.monotonic().
        """
        self._forget(now)
        # A signal must not get lost in the child, before it has become a worker.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            self._lifeline = Lifeline()
            self.pid = self._lifeline.fork()
            if not self.pid:
                self._become(listeners, self._lifeline)
        except OSError as error:
            limit = "LimitNOFILE=" if error.errno in NO_DESCRIPTORS else "TasksMax="
            _scarcity.line(f"cannot start a worker: {error.strerror}; a higher {limit} would help")
            self.start_at = now + self.back_off
            self.back_off = min(self.back_off * 2, BACK_OFF_MAX)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        return self.pid != 0

    def ended(self, now: float) -> float:
        """Note that its process has ended; return after how many seconds to start another."""
        self.pid = 0
        if self._lifeline:
            self._lifeline.close()
        if now - self.began >= LASTED:
            self.back_off = BACK_OFF
        pause = self.back_off
        self.start_at = now + pause
        self.back_off = min(self.back_off * 2, BACK_OFF_MAX)
        return pause

    def signal(self, number: int) -> None:
        """Send its process a signal, if there is one."""
        if self.pid:
            os.kill(self.pid, number)

    def relieve(self) -> None:
        """Have its process drain, and know that others serve; once more, that these end too."""
        if self.pid and self._lifeline:
            self._lifeline.pull()
        self.signal(signal.SIGTERM)

    def abort(self) -> None:
        """End its process, which hangs: with SIGABRT as the service manager does, then by force."""
        if not self._aborted:
            line(f"worker {self.pid} hangs and is ended")
        self.signal(signal.SIGKILL if self._aborted else signal.SIGABRT)
        self._aborted = True

    def messages(self) -> "Iterator[Message]":
        """Yield what it has said; who takes a message closes its descriptors."""
        while True:
            try:
                data, ancillary, _, _ = self._reports.recvmsg(_LARGEST, _SPACE, MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                return
            sender, fds = _sort(ancillary)
            if sender != self.pid or not sender:
                # Of a process that has gone, or of one that a handler has forked.
                for fd in fds:
                    os.close(fd)
                continue
            lines = data.decode(errors="replace").split("\n")
            fields = (text.partition("=") for text in lines if "=" in text)
            yield {name: value for name, _, value in fields}, fds

    def heed(self, fields: "Mapping[str, str]") -> bool:
        """Take up what it has said of itself; return whether there are new counts."""
        if "READY" in fields:
            self.is_ready = True
        if "STOPPING" in fields:
            self.is_stopping = True
        if "WATCHDOG" in fields:
            self.alive = monotonic()
        if IDLE_FIELD in fields:
            self.is_idle = fields[IDLE_FIELD] == "1"
        if SPENT_FIELD in fields:
            self.is_spent = True
        if COUNTS_FIELD not in fields:
            return False
        with suppress(ValueError):
            busy, accepted, refused, messages = map(int, fields[COUNTS_FIELD].split())
            self.counts = busy, accepted, refused, messages
        return True

    def memory(self) -> int:
        """Return how much of it is in memory, in bytes: proc(5), statm."""
        try:
            with open(f"/proc/{self.pid}/statm") as file:  # noqa: PTH123 - pathlib costs too much
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            return 0

    def _forget(self, now: float) -> None:
        self.began = now
        self.is_ready = self.is_stopping = self.is_idle = self.is_spent = self._aborted = False
        self.counts = (0, 0, 0, 0)
        self.alive = self.until = NEVER

    def _become(self, listeners: "Sequence[Listener]", lifeline: Lifeline) -> "NoReturn":
        """Become a worker, in the child."""
        try:
            self._execute(listeners, lifeline)
        except OSError as error:
            line(f"cannot start a worker with {error.filename or sys.executable}: {error.strerror}")
        finally:
            os._exit(1)

    def _execute(self, listeners: "Sequence[Listener]", lifeline: Lifeline) -> None:
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        if self._surroundings.directory:
            os.chdir(self._surroundings.directory)
        channels = list(self.channels.passed())
        passed = [(listener.name, listener.fd) for listener in listeners] + channels
        above = FIRST + len(passed)
        tied = lifeline.tie(above)
        reporting = fcntl(self._reporting, F_DUPFD, above)
        fds = _in_a_row([fd for _, fd in passed])
        pid = b"%d" % os.getpid()
        environ = self._surroundings.environ | {
            VARIABLE.encode(): b"%s:%d:%d" % (pid, tied, reporting),
            b"LISTEN_PID": pid,
            b"LISTEN_FDS": b"%d" % len(fds),
            b"LISTEN_FDNAMES": ":".join(name for name, _ in passed).encode(),
            CHANNELS.encode(): b"%d" % len(channels),
        }
        environ.pop(b"NOTIFY_SOCKET", None)
        if b"WATCHDOG_USEC" in environ:
            environ[b"WATCHDOG_PID"] = pid
        # Its path once more: behind it there may be another interpreter by now.
        argv = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, argv, environ)  # noqa: S606 - the point


def _in_a_row(fds: "Sequence[int]") -> "Sequence[int]":
    """Have descriptors at 3 and up, in their order, for the next program; return them."""
    targets = dict(enumerate(fds, FIRST))
    place(targets)
    return list(targets)


def _sort(ancillary: "list[tuple[int, int, bytes]]") -> "tuple[int, list[int]]":
    """Return a message's sender and its descriptors."""
    sender = 0
    fds: list[int] = []
    for level, kind, data in ancillary:
        if level == SOL_SOCKET and kind == SCM_CREDENTIALS:
            sender = memoryview(data).cast("i")[0]
        elif level == SOL_SOCKET and kind == SCM_RIGHTS:
            fds += memoryview(data).cast("i")
    return sender, fds
