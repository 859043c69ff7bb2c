"""Serve connections with an ``asyncio.Protocol`` class: nothing of ours between it and the loop.

The transport is the loop's own and calls the protocol directly. A connection is known to have
ended when its socket is closed, which also holds if the protocol has handed its transport to
another one (``set_protocol()``, TLS).
"""

from contextlib import suppress
from socket import SHUT_RDWR, SOCK_STREAM, socket

from activator.runtime.journal import journal
from activator.runtime.serving.handlers import TAKER
from activator.runtime.serving.report import failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future, WriteTransport
    from collections.abc import Callable, Iterator
    from typing import Any

    from activator.runtime.serving.route import Route


class Connection(socket):
    """An accepted connection that tells when it is closed, or given up by ``detach()``.

    asyncio closes the socket of a transport, uvloop detaches it: each at the very end.

    Attributes:
        ended: Called once, at the end, with the connection; None afterwards.
        release: For whoever is called at the end: what to do besides, if anything.
        transport: The loop's transport, once it is there.
    """

    __slots__ = ("ended", "family", "release", "transport")

    # The loops ask for both, and socket's own properties make an enumeration each time.
    family: int  # type: ignore[assignment]
    type = SOCK_STREAM  # no others are served so
    ended: "Callable[[Connection], object] | None"
    release: "Callable[[], object] | None"
    transport: "WriteTransport | None"

    def __init__(self, family: int, kind: int, proto: int, fd: int) -> None:
        super().__init__(family, kind, proto, fd)
        self.family = family
        self.ended = self.release = self.transport = None

    def close(self) -> None:
        """Close the connection."""
        super().close()
        self._end()

    def detach(self) -> int:
        """Give the descriptor up, and return it."""
        fd = super().detach()
        self._end()
        return fd

    def abort(self) -> None:
        """End the connection at once, without sending what waits to be sent."""
        if self.transport:
            self.transport.abort()
        else:
            with suppress(OSError):
                self.shutdown(SHUT_RDWR)

    def _end(self) -> None:
        if self.transport:
            untie(self.transport)
        self.transport = None  # it refers to the socket: without the circle both go at once
        if self.ended:
            ended, self.ended = self.ended, None
            ended(self)


def untie(transport: "Any") -> None:
    """Open the circle that asyncio's transports are in themselves, as Python 3.12 does.

    Else they are left to the garbage collector. To be called at their end, when nothing is read
    any more.
    """
    if getattr(transport, "_read_ready_cb", None):
        transport._read_ready_cb = None  # noqa: SLF001


class Accepted:
    """An accepted connection for uvloop, which needs no more of a socket than there is here.

    uvloop takes the descriptor over, and calls :meth:`close` at the very end. What happens to
    each connection happens in as few functions as can be, and each holds as little as can be,
    since uvloop's own servers do nothing at all. So what all have in common is their class's:
    see :func:`accepted_by`.

    Args:
        fd: The connection's descriptor.

    Raises:
        Exception: The protocol's factory failed; the connection is the caller's to close.
    """

    __slots__ = ("_held", "earlier", "later")

    earlier: "Accepted | None"  # in their chain
    later: "Accepted | None"
    type = SOCK_STREAM
    release = None
    family: int
    route: "Route"
    _connect: "Callable[..., Any]"
    _ended: "Callable[[Accepted], object]"

    def __init__(self, fd: int) -> None:
        self._held: Any = fd, None, None
        if journal.is_on:
            journal.about.set(self)
        steps = self._connect(self.route.handler, self)
        # The last of the steps is to wait for this, and nobody waits for that.
        made: Any = steps.send(None)
        if journal.is_on:
            journal.about.set(None)
        # The descriptor and the steps at first, then the transport, in the end nothing.
        self._held = fd, steps, made

    def fileno(self) -> int:
        """Return the descriptor; -1 once it is closed."""
        held = self._held
        if type(held) is tuple:
            return held[0]  # type: ignore[no-any-return]
        return held.get_extra_info("socket").fileno() if held else -1

    number = fileno

    def close(self) -> None:
        """Note that the connection has been closed."""
        if type(self._held) is tuple:
            self._finish()  # left unfinished, the steps would be ended by an exception: costly
        self._held = None
        self._ended(self)

    def settle(self) -> None:
        """Let go of what was needed to begin, if the connection lasts."""
        if type(self._held) is tuple and self._held[2].done():
            self._finish()

    @property
    def transport(self) -> "Any":
        """The loop's transport; None if it is not there yet, or no more."""
        self.settle()
        return None if type(self._held) is tuple else self._held

    def abort(self) -> None:
        """End the connection at once, without sending what waits to be sent."""
        if transport := self.transport:
            transport.abort()

    def _finish(self) -> None:
        """Take the last step, and keep the transport in its place."""
        steps, self._held = self._held[1], None
        try:
            steps.send(None)
        except StopIteration as result:
            self._held = result.value[0]
        except BaseException as error:  # noqa: BLE001 - a protocol may fail in any way
            failure(f"{self.route} failed", error, skip=1)


class Chain:
    """All of them that are open; a set would be most of the memory that we add to each."""

    def __init__(self) -> None:
        self._count = 0
        self._first: Accepted | None = None

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> "Iterator[Accepted]":
        link = self._first
        while link:
            yield link
            link = link.later

    def add(self, link: Accepted) -> None:
        """Add one."""
        self._count += 1
        link.earlier, link.later = None, self._first
        if self._first:
            self._first.earlier = link
        self._first = link

    def remove(self, link: Accepted) -> None:
        """Take one out."""
        self._count -= 1
        if link.later:
            link.later.earlier = link.earlier
        if link.earlier:
            link.earlier.later = link.later
        else:
            self._first = link.later
        link.earlier = link.later = None


def accepted_by(
    route: "Route", loop: "AbstractEventLoop", ended: "Callable[[Accepted], object]"
) -> "type[Accepted]":
    """Return the class of a route's connections.

    Args:
        route: Whose protocol to connect them to.
        loop: The loop, uvloop's.
        ended: Called once, at the end of each, with the connection.
    """
    shared: dict[str, Any] = {
        "__slots__": (),
        "family": route.listener.family,
        "route": route,
        "_connect": staticmethod(loop.connect_accepted_socket),
        "_ended": staticmethod(ended),
    }
    return type("Accepted", (Accepted,), shared)


def connect(route: "Route", connection: Connection, loop: "AbstractEventLoop") -> bool:
    """Hand a connection over to the loop and a new protocol; the transport closes it.

    A factory that fails is the handler's bug: one record on stderr, and the connection is
    closed.

    Returns:
        Whether there was a protocol.
    """
    if journal.is_on:
        # The transport and what it calls get it from here, with a copy of the context.
        journal.about.set((route.listener, connection))
        try:
            return _connect(route, connection, loop)
        finally:
            journal.about.set(None)
    return _connect(route, connection, loop)


def _connect(route: "Route", connection: Connection, loop: "AbstractEventLoop") -> bool:
    if route.sort == TAKER:
        try:
            connection.transport = route.handler(connection)
        except MemoryError:
            connection.close()
            raise
        return True
    # It does all its work before it first waits, for connection_made() to be called. A task
    # for that would cost as much as all of the rest.
    steps = loop.connect_accepted_socket(route.handler, connection)
    try:
        made: Future[object] = steps.send(None)
    except BaseException as error:  # noqa: BLE001 - a factory may fail in any way
        failure(f"{route} failed", error, skip=2)
        connection.close()
        return False

    def finish(_: object) -> None:
        try:
            steps.send(None)
        except StopIteration as result:
            if connection.ended:  # else it is over already
                connection.transport = result.value[0]
        except BaseException as error:  # noqa: BLE001 - a protocol may fail in any way
            failure(f"{route} failed", error, skip=1)

    made.add_done_callback(finish)
    return True
