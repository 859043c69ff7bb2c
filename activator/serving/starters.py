"""Start the process of one connection: a handler's by fork, a program's by posix_spawn.

The handler's process is forked when its connection has been accepted. Most of its time goes
into pages that it writes to, the reference counts of all it touches: so it does little.

Processes forked ahead, each waiting in accept(2) for its only connection, were tried beside it.
The first client of a burst is answered sooner (median 3 ms in place of 4 with 8 clients), but
the processors have a fifth more to do (0.9 ms in place of 0.75 for each connection), and that is
what limits a busy service. And who connects would be known only to the child, too late to
refuse a source.
"""

import gc
import os
import signal
import sys
from socket import AF_INET, AF_INET6, AF_UNIX, AF_VSOCK, if_indextoname

from activator.errors import ActivatorError
from activator.listen import VARIABLES, Listener
from activator.serving.plain import converse
from activator.serving.report import failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from socket import socket
    from typing import NoReturn

    from activator.serving.engine import Settings
    from activator.serving.handlers import Route
    from activator.serving.options import Limit

# What is meant for the service, not for the process of a connection.
PRIVATE = (*VARIABLES, "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC")
MAPPED = "::ffff:"


class TimeIsUpError(BaseException):
    """Raised in a plain handler when its process was told to end; it should not catch it."""


class Handlers:
    """Starts processes that call a handler, in the interface it has with Accept=yes.

    Each function that the child calls, and each object that it names, costs it a page or two,
    which fork has left to be copied at the first write. So here is less abstraction than usual.

    Args:
        routes: The listeners and their handlers.
        settings: What was set; of no use any more in the child.
        is_stopping: Tells in the child whether a signal came before it could heed it.
        wakeup: Descriptors of the service that the child closes.

    Attributes:
        is_child: Whether this process is that of a connection.
    """

    def __init__(
        self,
        routes: "Sequence[Route]",
        settings: "Settings",
        is_stopping: "Callable[[], bool]",
        wakeup: "Sequence[socket]",
    ) -> None:
        self.is_child = False
        self._routes = {route.listener: route for route in routes}
        self._settings = settings
        self._is_stopping = is_stopping
        # The objects that own them go with the process.
        self._foreign = [*(end.fileno() for end in wakeup), *(item.fd for item in self._routes)]
        self._private = [name for name in PRIVATE if name in os.environ]
        if any(route.is_async for route in routes):
            from activator.serving import aio  # noqa: F401, PLC0415 - loaded once, not in children
        self._limits = _limiter(settings.limit) if settings.limit else None
        # What is there now is not looked at by the children's collector, which would copy it.
        gc.collect()
        gc.freeze()

    def start(self, listener: Listener, sock: "socket") -> int:
        """Start the process of a connection, which the caller closes; return its id.

        Raises:
            OSError: There can be no more processes for now.
        """
        pid = os.fork()
        if pid:
            return pid
        self.is_child = True
        status = 1
        try:
            status = self._run(self._routes[listener], sock)
        except TimeIsUpError:
            status = 0
        except BaseException as error:  # noqa: BLE001 - nothing may get back into the service
            failure(f"{self._routes[listener]} failed", error)
        finally:
            _leave(status)

    def describe(self, listener: Listener) -> str:
        """Return what is run for a listener, for messages."""
        return str(self._routes[listener])

    def _run(self, route: "Route", sock: "socket") -> int:
        signal.set_wakeup_fd(-1)
        os.setpgid(0, 0)
        try:
            remote = remote_of(sock, route.listener.family)
        except OSError:
            return 0  # the client has gone
        for fd in self._foreign:
            os.close(fd)
        for name in self._private:
            del os.environ[name]
        for name in remote:
            os.environ[name] = remote[name]
        if self._limits:
            self._limits()
        # From here on, SIGTERM raises TimeIsUpError in a plain handler.
        if self._is_stopping():
            return 0
        return self._run_async(route, sock) if route.is_async else converse(route, sock)

    def _run_async(self, route: "Route", sock: "socket") -> int:
        from activator.serving import aio  # noqa: PLC0415 - loaded, if it is needed

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        # All this is the child's own copy, to change as it likes.
        route.listener = Listener(route.listener.name, sock.detach())
        settings = self._settings
        settings.drain = settings.idle_exit = 0.0  # the service itself counts the time
        return aio.run([route], settings)[0]


class Programs:
    """Starts a program with the connection as its standard input and output, as inetd does.

    Args:
        argv: The program and its arguments.
        settings: What was set.

    Attributes:
        is_child: Whether this process is that of a connection.

    Raises:
        ActivatorError: There is no such program.
    """

    def __init__(self, argv: "Sequence[str]", settings: "Settings") -> None:
        self.is_child = False
        self._argv = list(argv)
        self._path = _program(argv[0])
        self._environ = {name: value for name, value in os.environ.items() if name not in PRIVATE}
        self._limits = _limiter(settings.limit) if settings.limit else None

    def start(self, listener: Listener, sock: "socket") -> int:
        """Start the process of a connection, which the caller closes; return its id.

        Raises:
            OSError: It cannot be started, for now or at all.
        """
        try:
            environ = {**self._environ, **remote_of(sock, listener.family)}
        except OSError:
            environ = self._environ  # the client has gone; the program will notice
        fd = sock.fileno()
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
            _leave(1)

    def describe(self, listener: Listener) -> str:
        """Return what is run for a listener, for messages."""
        return f"{self._path} on {listener}"


def remote_of(sock: "socket", family: "int | None") -> dict[str, str]:
    """Return REMOTE_ADDR and REMOTE_PORT of a connection, as far as it has them.

    As systemd sets them with Accept=yes (systemd.exec(5)): IPv4 addresses that come through
    an IPv6 socket as IPv4, a scope by its interface's name.

    Raises:
        OSError: The client has gone (ENOTCONN).
    """
    peer = sock.getpeername()
    if family == AF_UNIX:
        # Since systemd 257, if the client has bound its end; an abstract name with "@".
        name = peer if isinstance(peer, str) else "@" + peer[1:].decode(errors="replace")
        return {"REMOTE_ADDR": name} if peer else {}
    if family == AF_INET:
        return {"REMOTE_ADDR": peer[0], "REMOTE_PORT": str(peer[1])}
    if family == AF_INET6:
        return {"REMOTE_ADDR": _plain(peer), "REMOTE_PORT": str(peer[1])}
    if family == AF_VSOCK:
        return {"REMOTE_ADDR": f"vsock:{peer[0]}", "REMOTE_PORT": str(peer[1])}
    return {}


def _plain(peer: "tuple[str, int, int, int]") -> str:
    host = peer[0].partition("%")[0]
    if host.startswith(MAPPED) and "." in host:
        return host.removeprefix(MAPPED)
    if not peer[3]:
        return host
    try:
        return f"{host}%{if_indextoname(peer[3])}"
    except OSError:
        return f"{host}%{peer[3]}"


def _limiter(limits: "Sequence[Limit]") -> "Callable[[], None]":
    """Return what sets resource limits, in the child."""
    import resource  # noqa: PLC0415 - rarely needed

    def limiter() -> None:
        for number, value in limits:
            resource.setrlimit(number, (value, value))

    return limiter


def _program(name: str) -> str:
    """Return the path of a program, as the shell would find it."""
    places = [""] if "/" in name else [f"{place or '.'}/" for place in os.get_exec_path()]
    for place in places:
        path = f"{place}{name}"
        if os.access(path, os.X_OK) and not os.path.isdir(path):  # noqa: PTH112 - pathlib costs
            return path
    raise ActivatorError(f"no such program: {name!r}", "give its path", place="--inetd")


def _leave(status: int) -> "NoReturn":
    """End the child at once; what the service has registered to run at its end is not its."""
    try:
        sys.stderr.flush()
        sys.stdout.flush()
    except (AttributeError, OSError, ValueError):
        pass
    os._exit(status & 0xFF)
