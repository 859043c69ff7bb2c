"""Connections of proxies: nothing of them is served before it is known whose they are.

The header is taken from the kernel byte by byte as far as it goes, so that whoever reads next, a
handler, TLS or a program, finds just what the client has sent.
"""

import os
from contextlib import suppress
from functools import cache
from select import POLLIN, poll
from socket import AF_INET6, MSG_DONTWAIT, MSG_PEEK, socket
from time import monotonic

from activator.common.peers import MAPPED, remote
from activator.runtime.serving.before.header import Header, MalformedError
from activator.runtime.serving.report import Rarely

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from activator.runtime.serving.before.header import Peer
    from activator.runtime.serving.trusted import Trusted

# How long a proxy may take for its header, in seconds; it is the first that it sends.
PATIENCE = 5.0
NEVER = float("inf")
LATE = "its header did not come in time"
SIZE = 4096


@cache
def kind(base: "Any" = socket) -> "Any":
    """Return a class of sockets whose client may be another than the one that has connected.

    Attributes of its objects: ``client``, who that is; None for the one that has connected.
    """

    class Proxied(base):  # type: ignore[misc]  # whichever it is
        __slots__ = ("client",)

        def __init__(self, *arguments: "Any") -> None:
            super().__init__(*arguments)
            self.client: Peer | None = None

        def getpeername(self) -> "Any":
            return super().getpeername() if self.client is None else self.client

    return Proxied


def converted(sock: socket, client: "Peer | None" = None) -> "Any":
    """Return a connection as such a one, and take it over."""
    made = kind()(sock.family, sock.type, sock.proto, sock.detach())
    made.client = client
    return made


def announce(sock: socket) -> None:
    """Set REMOTE_ADDR= and REMOTE_PORT= of this process, which has this connection alone."""
    with suppress(OSError):  # it has gone: they are right as they are
        found = remote(sock.getpeername(), sock.family)
        for name in ("REMOTE_ADDR", "REMOTE_PORT"):
            os.environ.pop(name, None)
        os.environ.update(found)


class RefusedError(Exception):
    """A connection is not to be served; its text says why, empty if it has gone."""


class Introductions:
    """Reads headers, and says now and then why a connection was closed.

    Args:
        trusted: The proxies.
        refused: Called for each connection that is not to be served; for any thread.
    """

    def __init__(self, trusted: "Trusted", refused: "Callable[[], object]") -> None:
        self._trusted = trusted
        self._refused = refused
        self._rarely = Rarely()

    def refuse(self, sock: socket, why: str) -> None:
        """Close a connection, and count that, unless it has gone by itself."""
        if why:
            self._refused()
            self._rarely.line(f"closed a connection of a proxy: {why} (--proxy-protocol)")
        sock.close()

    def check(self, sock: socket) -> None:
        """Check that a connection comes from a proxy.

        Raises:
            RefusedError: It does not.
        """
        try:
            if self._trusted.have(sock):
                return
            raise RefusedError(f"{sock.getpeername()[0]} is not a trusted proxy")
        except OSError:
            raise RefusedError from None

    def read(self, sock: "Any", header: Header) -> bool:
        """Take what has come of a header; return whether it is whole.

        Raises:
            RefusedError: It is no header.
        """
        try:
            while not header.is_whole:
                data = sock.recv(SIZE, MSG_PEEK | MSG_DONTWAIT)
                if not data:
                    raise RefusedError("it ended before its header did")
                sock.recv(header.feed(data), MSG_DONTWAIT)  # all of that is there
        except BlockingIOError:
            return False
        except OSError:  # as checks do that only want to see whether somebody listens
            raise RefusedError from None
        except MalformedError as error:
            raise RefusedError(f"{error} where its header was to be") from None
        if header.client is not None:
            sock.client = fitting(header.client, sock.family)
        return True

    def wait(self, sock: "Any") -> bool:
        """Wait for a header; return whether to serve the connection, which is closed else."""
        header, until, waiting = Header(), monotonic() + PATIENCE, poll()
        waiting.register(sock, POLLIN)
        try:
            self.check(sock)
            while not self.read(sock, header):
                if not waiting.poll(max(until - monotonic(), 0) * 1000):
                    self.refuse(sock, LATE)
                    return False
        except RefusedError as error:
            self.refuse(sock, str(error))
            return False
        return True


class Waiting:
    """Connections whose headers have not come whole, for who waits for many events at once.

    Args:
        introductions: Reads them.
        watch: Called to have a descriptor watched.
        unwatch: Called to have it watched no more.
    """

    def __init__(
        self,
        introductions: Introductions,
        watch: "Callable[[int], object]",
        unwatch: "Callable[[int], object]",
    ) -> None:
        self._introductions = introductions
        self._watch = watch
        self._unwatch = unwatch
        self._all: dict[int, tuple[Any, Header, float, Callable[[Any], object]]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, fd: int) -> bool:
        return fd in self._all

    def add(self, sock: "Any", done: "Callable[[Any], object]") -> bool:
        """Wait for a connection's header, and then have something called with it.

        Returns:
            Whether it waits; else it is closed, or has been served already.
        """
        header = Header()
        try:
            self._introductions.check(sock)
            whole = self._introductions.read(sock, header)
        except RefusedError as error:
            self._introductions.refuse(sock, str(error))
            return False
        if whole:
            done(sock)
            return False
        self._all[sock.fileno()] = sock, header, monotonic() + PATIENCE, done
        self._watch(sock.fileno())
        return True

    def ready(self, fd: int) -> bool:
        """Read what has come; return whether the connection waits no more."""
        sock, header, _, done = self._all[fd]
        try:
            if not self._introductions.read(sock, header):
                return False
        except RefusedError as error:
            self._drop(fd, str(error))
        else:
            self._forget(fd)
            done(sock)
        return True

    def tick(self, now: float) -> float:
        """Close those whose time has passed; return when it is another's, or inf."""
        for fd, (_, _, until, _) in list(self._all.items()):  # in the order of their times
            if until > now:
                return until
            self._drop(fd, LATE)
        return NEVER

    def close(self) -> None:
        """Close all."""
        for fd in list(self._all):
            self._forget(fd).close()

    def _drop(self, fd: int, why: str) -> None:
        self._introductions.refuse(self._forget(fd), why)

    def _forget(self, fd: int) -> "Any":
        self._unwatch(fd)
        return self._all.pop(fd)[0]


def fitting(client: "Peer", family: int) -> "Peer":
    """Return a client as a socket of that family would tell it, as far as it can be."""
    if family == AF_INET6 and isinstance(client, tuple) and ":" not in client[0]:
        return f"{MAPPED}{client[0]}", client[1], 0, 0
    return client
