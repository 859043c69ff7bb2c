"""Start a program for each connection, as inetd does: by posix_spawn, so by vfork."""

import os
import signal

from activator.common.peers import remote
from activator.errors import ActivatorError
from activator.runtime.serving.processes.children import leave, limiter
from activator.runtime.serving.processes.forks import PRIVATE
from activator.runtime.serving.report import failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from activator.runtime.listen import Listener
    from activator.runtime.serving.processes.cgroups import Groups
    from activator.runtime.serving.settings import Settings


class Programs:
    """Starts a program with the connection as its standard input and output, as inetd does.

    Args:
        argv: The program and its arguments.
        settings: What was set.
        groups: The processes' cgroups, if they are to have some.

    Attributes:
        is_child: Whether this process is that of a connection.

    Raises:
        ActivatorError: There is no such program.
    """

    def __init__(
        self, argv: "Sequence[str]", settings: "Settings", groups: "Groups | None" = None
    ) -> None:
        self.is_child = False
        self.told = 0  # as with handlers, which read it
        self._argv = list(argv)
        self._path = _program(argv[0])
        self._environ = {name: value for name, value in os.environ.items() if name not in PRIVATE}
        self._limits = limiter(settings.limit, groups)

    def start(self, listener: "Listener", fd: int, address: object) -> int:
        """Start the process of a connection, which the caller closes; return its id.

        Raises:
            OSError: It cannot be started, for now or at all.
        """
        environ = {**self._environ, **remote(address, listener.family)}
        if not self._limits:
            # It shares the memory until it runs, so the service's size costs nothing.
            return os.posix_spawn(
                self._path,
                self._argv,
                environ,
                file_actions=[(os.POSIX_SPAWN_DUP2, fd, to) for to in (0, 1)],
                setpgroup=0,
                # The interpreter ignores these.
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
            )
        pid = os.fork()
        if not pid:
            self.is_child = True
            self._become(fd, environ)
        return pid

    def serve_here(self, listener: "Listener", fd: int, address: object, seconds: float) -> None:
        """Have this process become that of a connection, as there can be no other.

        Args:
            listener: Where it came from.
            fd: The connection.
            address: Where it comes from.
            seconds: After how long the kernel is to end it.
        """
        signal.setitimer(signal.ITIMER_REAL, seconds)
        self._become(fd, {**self._environ, **remote(address, listener.family)})

    def _become(self, fd: int, environ: "dict[str, str]") -> "NoReturn":
        try:
            signal.set_wakeup_fd(-1)
            if self.is_child:
                os.setpgid(0, 0)
            for number in (signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            for to in (0, 1):
                os.dup2(fd, to)
            if self._limits:
                self._limits()
            os.execve(self._path, self._argv, environ)  # noqa: S606 - becoming it is the point
        except BaseException as error:  # noqa: BLE001 - nothing may get back into the service
            failure(f"cannot run {self._path}", error)
        finally:
            leave(1)

    def describe(self, listener: "Listener") -> str:
        """Return what is run for a listener, for messages."""
        return f"{self._path} on {listener}"


def _program(name: str) -> str:
    """Return the path of a program, as the shell would find it."""
    places = [""] if "/" in name else [f"{place or '.'}/" for place in os.get_exec_path()]
    for place in places:
        path = f"{place}{name}"
        if os.access(path, os.X_OK) and not os.path.isdir(path):  # noqa: PTH112 - pathlib costs
            return path
    raise ActivatorError(f"no such program: {name!r}", "give its path", place="--inetd")
