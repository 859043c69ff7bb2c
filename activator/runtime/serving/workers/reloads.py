"""Requests for a hand-over, as ``activator reload`` makes them, and their answers.

They come over a Unix socket whose abstract name has the process's id, in the service's own
network namespace. The kernel tells who asks: root or the service's own user. A request from
ExecReload= brings the environment that the service manager gives the service now, which a
running process can have in no other way; it is taken from processes of the same unit alone.
"""

import os
from contextlib import suppress
from socket import AF_UNIX, SOCK_STREAM, socket

from activator.common.peers import credentials
from activator.runtime.reload_request import CONTROL, HEADER
from activator.runtime.serving.report import line
from activator.runtime.serving.workers.worker import Surroundings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Watch = Callable[[int, Callable[[], object]], object]

# How many may ask at once, and how long a request may be, in bytes.
AT_ONCE = 16
LONGEST = 1 << 22
# Variables that are each process's own, or tell about this one: those of another count for it.
OWN = frozenset(
    {
        b"EXIT_CODE",
        b"EXIT_STATUS",
        b"JOURNAL_STREAM",
        b"LISTEN_FDNAMES",
        b"LISTEN_FDS",
        b"LISTEN_PID",
        b"LISTEN_PIDFDID",
        b"MAINPID",
        b"MAINPIDFDID",
        b"NOTIFY_SOCKET",
        b"SERVICE_RESULT",
        b"SYSTEMD_EXEC_PID",
        b"WATCHDOG_PID",
        b"WATCHDOG_USEC",
    }
)
INVOCATION = b"INVOCATION_ID"


class Request:
    """Somebody who waits for the outcome of a hand-over.

    Attributes:
        surroundings: What the new processes are to be started in; None for what it was.
    """

    __slots__ = ("_sock", "surroundings")

    def __init__(self, sock: socket, surroundings: Surroundings | None) -> None:
        self._sock = sock
        self.surroundings = surroundings

    def answer(self, problem: str) -> None:
        """Tell the outcome, empty if all went well; nobody may be there any more."""
        with self._sock, suppress(OSError):
            self._sock.sendall(problem.encode() or b"\n")


class Requests:
    """Takes requests.

    Args:
        watch: Called to have a descriptor watched and something called when it is readable.
        unwatch: Called to have it watched no more.
        taken: Called with each request that has come whole.
    """

    def __init__(
        self,
        watch: "Watch",
        unwatch: "Callable[[int], object]",
        taken: "Callable[[Request], object]",
    ) -> None:
        self._watch = watch
        self._unwatch = unwatch
        self._taken = taken
        self._asking: dict[socket, bytearray] = {}
        self._listener = socket(AF_UNIX, SOCK_STREAM)
        self._listener.setblocking(False)
        try:
            self._listener.bind(CONTROL % os.getpid())
        except OSError as error:
            line(f"activator reload cannot reach this service ({error.strerror}); SIGHUP can")
            return
        self._listener.listen(AT_ONCE)
        watch(self._listener.fileno(), self._accept)

    def close(self) -> None:
        """Take no more."""
        self._listener.close()
        for sock in self._asking:
            sock.close()

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        sock.setblocking(False)
        _, user, _ = credentials(sock)
        if user not in (0, os.geteuid()) or len(self._asking) >= AT_ONCE:
            sock.close()
            return
        self._asking[sock] = bytearray()
        self._watch(sock.fileno(), lambda: self._read(sock))

    def _read(self, sock: socket) -> None:
        data = self._asking[sock]
        try:
            while chunk := sock.recv(65536):
                data += chunk
                if len(data) > LONGEST:
                    break
        except BlockingIOError:
            return
        except OSError:
            data.clear()
        del self._asking[sock]
        self._unwatch(sock.fileno())
        if not 0 < len(data) <= LONGEST or not data.startswith(HEADER):
            sock.close()
            return
        sock.setblocking(True)
        self._taken(Request(sock, _read_surroundings(bytes(data), sock)))


def _read_surroundings(data: bytes, sock: socket) -> Surroundings | None:
    """Return what a request brought, if it may say so."""
    _, directory, *assignments = data.rstrip(b"\0").split(b"\0")
    pairs = (assignment.partition(b"=") for assignment in assignments)
    given = {name: value for name, _, value in pairs if name}
    mine = os.environb
    # Else it was called by hand, and has the variables of somebody's shell.
    if not mine.get(INVOCATION) or given.get(INVOCATION) != mine[INVOCATION]:
        return None
    process, user, _ = credentials(sock)
    if user != os.geteuid() or process not in relatives():
        return None
    environ = {name: value for name, value in given.items() if name not in OWN}
    environ |= {name: mine[name] for name in OWN if name in mine}
    return Surroundings(environ, directory)


def relatives() -> "set[int]":
    """Return the processes of our unit, by its control group; none if that cannot be seen.

    To look at the process itself would not do: with PrivateUsers= each process that systemd
    starts has a user namespace of its own, and none may look at another.
    """
    try:
        with open("/proc/self/cgroup") as file:  # noqa: PTH123 - pathlib costs too much
            path = file.read().rpartition("0::")[2].strip()
    except OSError:
        return set()
    parts = path.split("/")
    for number, part in enumerate(parts):
        # A unit may have inner ones; a user's manager is a service itself.
        if part.endswith(".service") and not part.startswith("user@"):
            path = "/".join(parts[: number + 1])
    found: set[int] = set()
    for mount in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        # With Delegate=, the second is where ExecReload= runs.
        for inner in ("", "/.control"):
            with (
                suppress(OSError, ValueError),
                open(f"{mount}{path}{inner}/cgroup.procs") as file,  # noqa: PTH123 - the same
            ):
                found.update(map(int, file))
    return found
