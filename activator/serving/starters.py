"""Fork the process of one connection, which calls the handler.

It is forked when its connection has been accepted. Most of its time goes
into pages that it writes to, the reference counts of all it touches: so it does little.

Processes forked ahead, each waiting in accept(2) for its only connection, were tried beside it.
The first client of a burst is answered sooner (median 3 ms in place of 4 with 8 clients), but
the processors have a fifth more to do (0.9 ms in place of 0.75 for each connection), and that is
what limits a busy service. And who connects would be known only to the child, too late to
refuse a source.
"""

import gc
import signal
from _socket import socket as RawSocket  # noqa: N812 - the class that socket's own is made of
from os import closerange, environ, fork, getpid, putenv, setpgid
from signal import set_wakeup_fd
from socket import (
    AF_INET,
    AF_INET6,
    SOCK_SEQPACKET,
    SOCK_STREAM,
    getdefaulttimeout,
    socket,
    socketpair,
)

from activator.listen import VARIABLES, Listener
from activator.serving.children import flush, leave, limiter
from activator.serving.plain import call
from activator.serving.remote import remote_of
from activator.serving.report import failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from activator.serving.cgroups import Groups
    from activator.serving.engine import Settings
    from activator.serving.handlers import Route

    # The route; for a plain handler, a socket to be made the connection's; its family and type.
    Plan = tuple[Route, socket | None, int, int]

# What is meant for the service, not for the process of a connection.
PRIVATE = (*VARIABLES, "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC")
REMOTE = ("REMOTE_ADDR", "REMOTE_PORT")
# An address of a family whose connections always have both.
EXAMPLES: "dict[int, tuple[object, ...]]" = {AF_INET: ("127.0.0.1", 1), AF_INET6: ("::1", 1, 0, 0)}
# More than the interpreter waits before it adapts.
REHEARSALS = 20
# What handlers often call.
METHODS = ("makefile", "recv", "recv_into", "send", "sendall", "shutdown")

_make = RawSocket.__init__
# What is behind os.environ, whose own ways are five functions for each variable.
_variables: "dict[bytes, bytes]" = environ._data  # type: ignore[attr-defined]  # noqa: SLF001


def _plan(route: "Route") -> "Plan":
    """Return what a route's processes need, with a socket to be made the connection's."""
    sock = None
    if not route.is_async:
        # All that socket.__init__() does, save for what is known only with a descriptor.
        sock = socket.__new__(socket)
        sock._io_refs, sock._closed = 0, False  # type: ignore[attr-defined]  # noqa: SLF001
    kind = SOCK_SEQPACKET if route.listener.kind == "seqpacket" else SOCK_STREAM
    return route, sock, route.listener.family or -1, kind


class TimeIsUpError(BaseException):
    """Raised in a plain handler when its process was told to end; it should not catch it."""


class Handlers:
    """Starts processes that call a handler, in the interface it has with Accept=yes.

    Each function that the child calls, and each object that it names, costs it a page or two,
    which fork has left to be copied at the first write. So here is less abstraction than usual.

    Args:
        routes: The listeners and their handlers.
        settings: What was set; of no use any more in the child.
        foreign: Descriptors of the service that the child closes, besides the listeners.
        groups: The children's cgroups, if they are to have some.

    Attributes:
        is_child: Whether this process is that of a connection.
        told: The process that was told to end last: the service's, or that of a connection
            before it could heed it.
    """

    __slots__ = (
        "_foreign",
        "_high",
        "_is_timed",
        "_limits",
        "_low",
        "_plans",
        "_private",
        "_settings",
        "is_child",
        "told",
    )

    def __init__(
        self,
        routes: "Sequence[Route]",
        settings: "Settings",
        foreign: "Sequence[int]",
        groups: "Groups | None" = None,
    ) -> None:
        self.is_child = False
        self.told = 0
        self._settings = settings
        # The objects that own them go with the process.
        ranges = _ranges([*foreign, *(route.listener.fd for route in routes)])
        self._low, self._high = ranges.pop(0)
        self._foreign = ranges
        if any(route.is_async for route in routes):
            from activator.serving import aio  # noqa: F401, PLC0415 - loaded once, not in children
        self._is_timed = getdefaulttimeout() is not None
        self._plans = {route.listener: _plan(route) for route in routes}
        self._limits: Callable[[], None] | None = None
        self._private: list[str] = []
        self._rehearse()
        self._limits = limiter(settings.limit, groups)
        self._private = [name for name in PRIVATE if name in environ]
        # What is there now is not looked at by the children's collector, which would copy it.
        gc.collect()
        gc.freeze()
        bytes(1 << 16)  # has malloc() tidy up before, not in each child at its first buffer

    def start(self, listener: Listener, fd: int, address: object) -> int:
        """Start the process of a connection, which the caller closes; return its id.

        Raises:
            OSError: There can be no more processes for now.
        """
        pid = fork()
        if pid:
            return pid
        self.is_child = True
        status = 1
        try:
            setpgid(0, 0)
            set_wakeup_fd(-1)
            closerange(self._low, self._high)
            if self._foreign:
                for low, high in self._foreign:
                    closerange(low, high)
            status = self._run(self._plans[listener], fd, address)
        except TimeIsUpError:
            status = 0
        except BaseException as error:  # noqa: BLE001 - nothing may get back into the service
            failure(f"{self.describe(listener)} failed", error)
        finally:
            leave(status)

    def describe(self, listener: Listener) -> str:
        """Return what is run for a listener, for messages."""
        return str(self._plans[listener][0])

    def _run(self, plan: "Plan", fd: int, address: "Any") -> int:
        route, sock, family, kind = plan
        if self._private:
            for name in self._private:
                del environ[name]
        if family == AF_INET:
            host, port = address
            _variables[b"REMOTE_ADDR"] = value = host.encode()
            putenv(b"REMOTE_ADDR", value)
            _variables[b"REMOTE_PORT"] = value = b"%d" % port
            putenv(b"REMOTE_PORT", value)
        else:
            remote = remote_of(address, family)
            for name in remote:
                environ[name] = remote[name]
        if self._limits:
            self._limits()
        # From here on, SIGTERM raises TimeIsUpError in a plain handler. If it was the service that
        # had just been told when this process began, the connection is still to be served.
        if self.told and self.told == getpid():
            return 0
        if sock is None:
            return self._run_async(route, fd)
        _make(sock, family, kind, 0, fd)
        if self._is_timed:
            sock.setblocking(True)
        return call(route, sock)

    def _rehearse(self) -> None:
        """Do what the children do, often enough for the interpreter to have adapted to it.

        It takes notes in the code and in its caches, which each child would else do anew, each
        in a copy of its own. The variables stay, if each child has its own values for both.
        """
        for route, sock, family, _ in self._plans.values():
            if sock is None:
                continue
            handler, route.handler = route.handler, _nothing
            try:
                for _ in range(REHEARSALS):
                    for end in socketpair():
                        plan = self._plans[route.listener]
                        self._run(plan, end.fileno(), EXAMPLES.get(family, ""))
                        RawSocket.detach(sock)  # the other would mark it as closed
                        end.close()
                        flush()
            finally:
                route.handler = handler
            for name in METHODS:
                getattr(sock, name)
        if not all(family in EXAMPLES for _, _, family, _ in self._plans.values()):
            for name in REMOTE:
                environ.pop(name, None)

    def _run_async(self, route: "Route", fd: int) -> int:
        from activator.serving import aio  # noqa: PLC0415 - loaded, if it is needed

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        # All this is the child's own copy, to change as it likes.
        route.listener = Listener(route.listener.name, fd)
        settings = self._settings
        settings.drain = settings.idle_exit = 0.0  # the service itself counts the time
        return aio.run([route], settings)[0]


def _ranges(fds: "Sequence[int]") -> list[tuple[int, int]]:
    """Return ranges of descriptors, without their ends, for os.closerange()."""
    found: list[tuple[int, int]] = []
    for fd in sorted(fds):
        if found and found[-1][1] == fd:
            found[-1] = found[-1][0], fd + 1
        else:
            found.append((fd, fd + 1))
    return found


def _nothing(_: object) -> None:
    pass
