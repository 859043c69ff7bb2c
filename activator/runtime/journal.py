"""Send records to the journal, with fields, where a service's stderr is the journal's.

systemd tells that by JOURNAL_STREAM= (systemd.exec(5)). A record that goes there as a record, and
not as a line of text, keeps its priority and its line breaks, and can be found by its fields::

    journalctl -u shop ACTIVATOR_PEER=192.0.2.7:40422 -p warning

The fields of our own, as far as they are known: ACTIVATOR_FDNAME= and ACTIVATOR_ADDRESS= of the
listener, ACTIVATOR_PEER= and ACTIVATOR_CONNECTION= (SO_COOKIE, the kernel's number for it) of the
connection. Import-light.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextvars import ContextVar
    from socket import socket
    from typing import Any, Protocol

    from activator.runtime.listener import Listener

    class Numbered(Protocol):
        """A connection that has no socket of its own: uvloop's."""

        route: Any

        def number(self) -> int:
            """Return its descriptor; -1 once it is closed."""


# Priorities of syslog(3).
ERROR = 3
WARNING = 4
SOCKET = "/run/systemd/journal/socket"


class Journal:
    """Whether records go to the journal, and what those of this thread or task are about.

    Attributes:
        is_on: Whether they do; see :func:`is_there`.
        about: A listener and a connection, from there on that it is set; there where it is on.
    """

    __slots__ = ("_identifier", "about", "is_on")

    about: "ContextVar[tuple[Listener, socket] | Numbered | None]"

    def __init__(self) -> None:
        self.is_on = False
        self._identifier: str | None = None

    def look(self) -> None:
        """Find out."""
        self.is_on = is_there()
        if self.is_on and not hasattr(self, "about"):
            from _contextvars import ContextVar  # noqa: PLC0415 - not needed elsewhere

            self.about = ContextVar("activator.about", default=None)

    def identifier(self) -> str:
        """Return what the service's records are called; empty if that is not known."""
        if self._identifier is None:
            from activator.runtime.identifier import find  # noqa: PLC0415 - with the first record

            self._identifier = find()
        return self._identifier

    def known(self) -> "dict[str, object]":
        """Return the fields of what records are about."""
        about = self.about.get() if self.is_on else None
        if about is None:
            return {}
        listener, sock = about if isinstance(about, tuple) else (about.route.listener, about)
        return _fields(listener, sock)


journal = Journal()


def is_there() -> bool:
    """Tell whether what is written on stderr goes to the journal, and records would too."""
    wanted = os.environ.get("JOURNAL_STREAM")
    # Without the socket, as with RootDirectory=, libsystemd drops records and says nothing.
    if not wanted or not os.access(SOCKET, os.F_OK):
        return False
    try:
        status = os.fstat(2)
    except OSError:
        return False
    return wanted == f"{status.st_dev}:{status.st_ino}"


def send(message: str, priority: int, fields: "Mapping[str, object]") -> bool:
    """Send a record; return whether that was possible (sd_journal_sendv(3)).

    Args:
        message: Its text, MESSAGE=.
        priority: PRIORITY=, as in syslog(3).
        fields: More of them; their names are in capitals.
    """
    try:
        from systemd._journal import sendv  # noqa: PLC0415 - rarely needed
    except ImportError:
        return False  # descriptors may have run out, which is just what is to be told
    record = {**journal.known(), **fields, "PRIORITY": priority, "MESSAGE": message}
    if name := journal.identifier():
        record.setdefault("SYSLOG_IDENTIFIER", name)
    try:
        sendv(*(f"{name}={value}".encode(errors="replace") for name, value in record.items()))
    except OSError:
        return False
    return True


def _fields(listener: "Listener", sock: "socket | Numbered") -> "dict[str, object]":
    from socket import socket  # noqa: PLC0415 - loaded by whoever serves

    from activator.common.peers import cookie, named  # noqa: PLC0415 - the same
    from activator.runtime.descriptor import peer  # noqa: PLC0415 - the same

    found: dict[str, object] = {"FDNAME": listener.name, "ADDRESS": listener.address}
    try:
        number = sock.fileno() if isinstance(sock, socket) else sock.number()
        with socket(fileno=os.dup(number)) as connection:
            client = getattr(sock, "client", None)  # as its proxy has told
            told = peer(connection) if client is None else named(client, connection.family)
            found |= {"PEER": told, "CONNECTION": cookie(connection)}
    except OSError:
        pass  # it is closed by now
    return {f"ACTIVATOR_{name}": value for name, value in found.items() if value}
