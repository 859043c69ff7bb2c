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
import sys
from _socket import socket as RawSocket  # noqa: N812 - the class that socket's own is made of
from os import closerange, environ, fork, getpid, kill, putenv, setpgid
from signal import set_wakeup_fd
from socket import AF_INET, SOCK_SEQPACKET, SOCK_STREAM, getdefaulttimeout, socket

from activator import notify
from activator.common import peers
from activator.runtime.listen import VARIABLES, Listener
from activator.runtime.serving.plain import TimeIsUpError, call, converse_secured
from activator.runtime.serving.processes.children import leave, limiter
from activator.runtime.serving.report import failure, line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from activator.runtime.serving.processes.cgroups import Groups
    from activator.runtime.serving.route import Route
    from activator.runtime.serving.settings import Settings

    # The route; for a plain handler, a socket to be made the connection's; its family and type.
    Plan = tuple[Route, socket | None, int, int]

# What is meant for the service, not for the process of a connection.
PRIVATE = (*VARIABLES, "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC")


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


class Handlers:
    """Starts processes that call a handler, in the interface it has with Accept=yes.

    Each function that the child calls, and each object that it names, costs it a page or two,
    which fork has left to be copied at the first write. So here is less abstraction than usual.

    Args:
        routes: The listeners and their handlers.
        settings: What was set; of no use any more in the child.
        wakeup: Descriptors of the service that the child closes, as it does the listeners.
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
        wakeup: "Sequence[int]",
        groups: "Groups | None" = None,
    ) -> None:
        threading = sys.modules.get("threading")
        if threading and threading.active_count() > 1:
            line(
                "the handler's module has started threads, which its processes will lack; "
                "start them in the handler"
            )
        self.is_child = False
        self.told = 0
        self._settings = settings
        # The objects that own them go with the process.
        listeners = [route.listener.fd for route in routes]
        ranges = _ranges([*wakeup, *notify.descriptors(), *listeners])
        self._low, self._high = ranges.pop(0)
        self._foreign = ranges
        if any(route.is_async for route in routes):
            from activator.runtime.serving.loop import service  # noqa: F401, PLC0415 - loaded once, not in children
        self._is_timed = getdefaulttimeout() is not None
        self._plans = {route.listener: _plan(route) for route in routes}
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

    def serve_here(self, listener: Listener, fd: int, address: object, seconds: float) -> None:
        """Serve a connection in this process, which has nothing else to do, and close it.

        Args:
            listener: Where it came from.
            fd: The connection.
            address: Where it comes from.
            seconds: How long that may take.
        """
        plan = self._plans[listener]
        self.told = 0
        signal.signal(signal.SIGALRM, _end if plan[0].is_async else _expire)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            self._run(plan, fd, address)
        except TimeIsUpError:
            pass
        except BaseException as error:  # noqa: BLE001 - as in a process of its own
            failure(f"{self.describe(listener)} failed", error)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            if plan[1]:
                plan[1].close()

    def describe(self, listener: Listener) -> object:
        """Return what is run for a listener, for messages."""
        return self._plans[listener][0]

    def _run(self, plan: "Plan", fd: int, address: "Any") -> int:
        route, sock, family, kind = plan
        if self._private:
            for name in self._private:
                del environ[name]
        if family == AF_INET and not route.is_proxied:
            host, port = address
            _variables[b"REMOTE_ADDR"] = value = host.encode()
            putenv(b"REMOTE_ADDR", value)
            _variables[b"REMOTE_PORT"] = value = b"%d" % port
            putenv(b"REMOTE_PORT", value)
        else:
            remote = peers.remote(address, family)
            for name in remote:
                environ[name] = remote[name]
        if self._limits:
            self._limits()
        # From here on, SIGTERM raises TimeIsUpError in a plain handler. If it was the service that
        # had just been told when this process began, the connection is still to be served.
        if self.told and self.told == getpid():
            return 0
        if sock is None:
            return self._run_async(route, fd, address)
        _make(sock, family, kind, 0, fd)
        if self._is_timed:
            sock.setblocking(True)
        if route.is_proxied or route.tls:
            return _run_begun(route, sock, address)
        return call(route, sock)

    def _run_async(self, route: "Route", fd: int, address: object) -> int:
        from activator.runtime.serving.loop import service  # noqa: PLC0415 - loaded, if it is needed

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        # All this is the child's own copy, to change as it likes.
        route.listener = Listener(route.listener.name, fd)
        if route.tls:
            route.tls.is_child = True
        if route.is_proxied:
            route.client, route.is_proxied = address, False
        # The service itself counts the time.
        settings = self._settings.but(drain=0.0, drain_delay=0.0, idle_exit=0.0)
        return service.run([route], settings)[0]


def _expire(*_: object) -> None:
    raise TimeIsUpError


def _end(*_: object) -> None:
    kill(getpid(), signal.SIGTERM)  # for the event loop


def _run_begun(route: "Route", sock: socket, address: "Any") -> int:
    """Call a plain handler with a connection that begins with TLS, or with a proxy's header."""
    if route.tls:
        route.tls.is_child = True
    if not route.is_proxied:
        return converse_secured(route, sock)
    from activator.runtime.serving.before.proxied import converted  # noqa: PLC0415 - loaded by now

    with converted(sock, address) as known:
        return converse_secured(route, known) if route.tls else call(route, known)


def _ranges(fds: "Sequence[int]") -> list[tuple[int, int]]:
    """Return ranges of descriptors, without their ends, for os.closerange()."""
    found: list[tuple[int, int]] = []
    for fd in sorted(fds):
        if found and found[-1][1] == fd:
            found[-1] = found[-1][0], fd + 1
        else:
            found.append((fd, fd + 1))
    return found
