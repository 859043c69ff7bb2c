"""Start a program for each connection, as inetd does: by posix_spawn, so by vfork."""

import os
import signal

from activator.errors import ActivatorError
from activator.serving.children import leave, limiter
from activator.serving.remote import remote_of
from activator.serving.report import failure
from activator.serving.starters import PRIVATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from activator.listen import Listener
    from activator.serving.cgroups import Groups
    from activator.serving.engine import Settings


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
        environ = {**self._environ, **remote_of(address, listener.family)}
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
        if pid:
            return pid
        self.is_child = True
        try:
            signal.set_wakeup_fd(-1)
            os.setpgid(0, 0)
            for number in (signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            for to in (0, 1):
                os.dup2(fd, to)
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
