"""One place for a worker, and the process that has it now.

A worker is the same command once more, with the descriptors passed as the service manager does
and a NOTIFY_SOCKET= of its own. What it says there is believed if the kernel says that it comes
from that process, as with NotifyAccess=main.
"""

import os
import signal
import sys
from contextlib import suppress
from socket import (
    AF_UNIX,
    CMSG_SPACE,
    MSG_CMSG_CLOEXEC,
    SCM_CREDENTIALS,
    SCM_RIGHTS,
    SO_PASSCRED,
    SOCK_DGRAM,
    SOL_SOCKET,
    socket,
)
from time import monotonic

from activator.serving.channels import VARIABLE as CHANNELS
from activator.serving.channels import Channels
from activator.serving.life import COUNTS, IDLE
from activator.serving.report import line
from activator.serving.stop import SIGNALS
from activator.serving.tether import Tether

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import NoReturn

    from activator.listen import Listener

    # The fields of a message, and the descriptors that came with it.
    Message = tuple[dict[str, str], list[int]]

# Set for a worker to its process id, so that the same command line is one, and to the descriptor
# that ties it to its parent.
VARIABLE = "ACTIVATOR_WORKER"
COUNTS_FIELD = f"X_{COUNTS}"
IDLE_FIELD = f"X_{IDLE}"
# How long to wait before a worker is replaced: the first time, and at most, in seconds.
BACK_OFF = 0.1
BACK_OFF_MAX = 5.0
# A worker that ran for so long has lasted, in seconds.
LASTED = 10.0
NEVER = float("inf")

_LARGEST = 65536
_MOST_DESCRIPTORS = 253  # SCM_MAX_FD
_INT = 4
_SPACE = CMSG_SPACE(3 * _INT) + CMSG_SPACE(_INT * _MOST_DESCRIPTORS)


def is_worker() -> bool:
    """Tell whether this process is one of the workers; only the first call does."""
    pid, _, tether = os.environ.pop(VARIABLE, "").partition(":")
    if pid != str(os.getpid()):
        return False
    os.set_inheritable(int(tether), False)
    return True


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
        "_reports",
        "_surroundings",
        "_tether",
        "alive",
        "back_off",
        "began",
        "channels",
        "counts",
        "is_idle",
        "is_ready",
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
        self._tether: Tether | None = None
        self._forget(0.0)
        self._reports = socket(AF_UNIX, SOCK_DGRAM)
        self._reports.setblocking(False)
        self._reports.setsockopt(SOL_SOCKET, SO_PASSCRED, 1)
        self._reports.bind("")  # the kernel finds an abstract name: unix(7), "autobind"

    def fileno(self) -> int:
        """Return the descriptor that is readable when it has said something."""
        return self._reports.fileno()

    def close(self) -> None:
        """Listen to it no more."""
        self._reports.close()

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
            self._tether = Tether()
            self.pid = self._tether.fork()
            if not self.pid:
                self._become(listeners, self._tether)
        except OSError as error:
            line(f"cannot start a worker: {error.strerror}; a higher TasksMax= would help")
            self.start_at = now + self.back_off
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        return self.pid != 0

    def ended(self, now: float) -> float:
        """Note that its process has ended; return after how many seconds to start another."""
        self.pid = 0
        if self._tether:
            self._tether.close()
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
                # Of a process that has gone, or of a stranger, who can send to any address.
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
        if COUNTS_FIELD not in fields:
            return False
        with suppress(ValueError):
            busy, accepted, refused, messages = map(int, fields[COUNTS_FIELD].split())
            self.counts = busy, accepted, refused, messages
        return True

    def _forget(self, now: float) -> None:
        self.began = now
        self.is_ready = self.is_stopping = self.is_idle = self._aborted = False
        self.counts = (0, 0, 0, 0)
        self.alive = self.until = NEVER

    def _become(self, listeners: "Sequence[Listener]", tether: Tether) -> "NoReturn":
        """Become a worker, in the child."""
        try:
            self._execute(listeners, tether)
        except OSError as error:
            line(f"cannot start a worker with {error.filename or sys.executable}: {error.strerror}")
        finally:
            os._exit(1)

    def _execute(self, listeners: "Sequence[Listener]", tether: Tether) -> None:
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        if self._surroundings.directory:
            os.chdir(self._surroundings.directory)
        address = self._reports.getsockname()
        channels = list(self.channels.passed())
        passed = [(listener.name, listener.fd) for listener in listeners] + channels
        tied = tether.tie(3 + len(passed))
        fds = _in_a_row([fd for _, fd in passed])
        pid = b"%d" % os.getpid()
        environ = self._surroundings.environ | {
            VARIABLE.encode(): b"%s:%d" % (pid, tied),
            b"NOTIFY_SOCKET": b"@" + address[1:],
            b"LISTEN_PID": pid,
            b"LISTEN_FDS": b"%d" % len(fds),
            b"LISTEN_FDNAMES": ":".join(name for name, _ in passed).encode(),
            CHANNELS.encode(): b"%d" % len(channels),
        }
        if b"WATCHDOG_USEC" in environ:
            environ[b"WATCHDOG_PID"] = pid
        # Its path once more: behind it there may be another interpreter by now.
        argv = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, argv, environ)  # noqa: S606 - the point


def _in_a_row(fds: "Sequence[int]") -> "Sequence[int]":
    """Have descriptors at 3 and up, in their order, for the next program; return them."""
    wanted = range(3, 3 + len(fds))
    if list(fds) != list(wanted):
        # Out of the way first, so that none is overwritten before it is there.
        high = [os.dup(fd) for fd in fds]
        while any(fd in wanted for fd in high):
            high = [os.dup(fd) if fd in wanted else fd for fd in high]
        for fd, number in zip(high, wanted, strict=True):
            os.dup2(fd, number)
    for number in wanted:
        os.set_inheritable(number, True)
    return wanted


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
