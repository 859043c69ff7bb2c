"""Take the descriptors that systemd passed: ``sd_listen_fds(3)`` as one value.

Import-light: a service that only wants its descriptors pays for ``systemd.daemon`` and
little more (the bar is 4 ms, see ``bench/imports.py``).
"""

import os
from socket import socket

from systemd import daemon

from activator.descriptor import credentials, describe, peer
from activator.errors import ActivatorError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from socket import AddressFamily

    from activator.descriptor import Kind

VARIABLES = ("LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES")
FIRST = 3  # SD_LISTEN_FDS_START
INT_MAX = 2**31 - 1
MANAGER_SETS = "the service manager sets it, so a wrapper in between must leave it alone"

# Descriptors handed out so far: it only serves to explain why a later call gets none.
_handed_out: list[int] = []


class Listener:
    """One descriptor that was passed, open and with FD_CLOEXEC set.

    A Listener never closes its descriptor by itself: it stays open until you close it, or
    the socket made of it, or the process ends. A listening socket is shared with the service
    manager: closing it here changes nothing there, but never ``shutdown()`` it and never
    ``unlink()`` its path.

    Attributes:
        name: The fdname: FileDescriptorName= of the .socket unit; ``unknown`` without one.
        fd: The descriptor's number; -1 once it is closed.
        kind: What it is: ``stream``, ``seqpacket`` (listening), ``connection``,
            ``datagram``, ``netlink``, ``raw``, ``fifo``, ``mqueue``, ``special``, ``other``;
            see :func:`activator.descriptor.describe`.
        family: The socket's address family; None for what is no socket.
        address: The local address as systemd.socket(5) writes it; may be empty.
    """

    __slots__ = ("_socket", "address", "family", "fd", "kind", "name")

    name: str
    fd: int
    kind: "Kind"
    family: "AddressFamily | None"
    address: str

    def __init__(self, name: str, fd: int) -> None:
        self.name = name
        self.fd = fd
        self.kind, self.family, self.address = describe(fd)
        self._socket: socket | None = None

    def socket(self) -> socket:
        """Return the descriptor as a socket, the same one at every call.

        The socket owns the descriptor from the first call on: closing it closes the
        descriptor, as does dropping both it and this Listener.

        Raises:
            ActivatorError: It is no socket.
        """
        if self.family is None:
            raise ActivatorError(f"{self} is no socket", "use its descriptor: Listener.fd")
        if self._socket is None:
            self._socket = socket(fileno=self.fd)
        return self._socket

    @property
    def peer(self) -> str:
        """The address of a connection's other side, as systemd.socket(5) writes addresses.

        Empty for what is no connection, for an unnamed AF_UNIX client, and for one that has
        gone.
        """
        return peer(self.socket()) if self.kind == "connection" else ""

    @property
    def credentials(self) -> tuple[int, int, int] | None:
        """The process, user and group on an AF_UNIX connection's other side, by number."""
        return credentials(self.socket()) if self.kind == "connection" else None

    def fileno(self) -> int:
        """Return the descriptor, for select and its kin."""
        return self.fd

    def close(self) -> None:
        """Close the descriptor, or the socket made of it; a second time does nothing."""
        if self._socket is not None:
            self._socket.close()
        elif self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def __str__(self) -> str:
        return f"{self.name!r} ({self.kind}{' ' if self.address else ''}{self.address})"

    def __repr__(self) -> str:
        return f"<Listener {self} fd={self.fd}>"


class Listeners:
    """What was passed, in the order it was passed in.

    Iterate over it for every :class:`Listener`; ``listeners["http"]`` is the tuple of all
    that bear this fdname (a .socket unit with several addresses passes several), and empty
    if none does; :meth:`one` insists on exactly one.

    Args:
        items: The listeners.
        absence: Why there are none, if that is known; a hint for error messages.
    """

    __slots__ = ("_items", "absence")

    def __init__(self, items: "Iterable[Listener]" = (), absence: str = "") -> None:
        self._items = tuple(items)
        self.absence = absence

    def __iter__(self) -> "Iterator[Listener]":
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, name: object) -> bool:
        return any(item.name == name for item in self._items)

    def __getitem__(self, name: str) -> tuple[Listener, ...]:
        if not isinstance(name, str):
            raise TypeError(f"listeners are looked up by fdname, not by {name!r}")
        return tuple(item for item in self._items if item.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        """The fdnames, each once, in order."""
        return tuple(dict.fromkeys(item.name for item in self._items))

    def one(self, name: str | None = None) -> Listener:
        """Return the only listener of this name, or the only one at all.

        Raises:
            ActivatorError: There is none or more than one; it says what was passed instead.
        """
        found = self._items if name is None else self[name]
        if len(found) == 1:
            return found[0]
        wanted = "one descriptor" if name is None else f"one descriptor named {name!r}"
        passed = ", ".join(str(item) for item in self._items)
        hint = f"passed: {passed}" if passed else self.absence
        raise ActivatorError(f"expected {wanted}, got {len(found) or 'none'}", hint)

    def find(
        self, name: str | None = None, *, kind: "Kind | None" = None, address: str | None = None
    ) -> tuple[Listener, ...]:
        """Return all of a name, a kind and an address, or of those of them that are given."""
        return tuple(
            item
            for item in self._items
            if name in (None, item.name)
            and kind in (None, item.kind)
            and address in (None, item.address)
        )

    def close(self) -> None:
        """Close them all."""
        for item in self._items:
            item.close()

    def __repr__(self) -> str:
        return f"<Listeners {', '.join(str(item) for item in self._items) or 'none'}>"


def listen_fds() -> Listeners:
    """Take the descriptors that the service manager passed to this process.

    They are taken once, as with ``sd_listen_fds(1)``: LISTEN_PID, LISTEN_FDS,
    LISTEN_FDNAMES and LISTEN_PIDFDID leave the environment, so that a child process does
    not mistake them for its own, and a second call returns an empty value. Keep the first
    one; ``activator.serve(handler, listeners=...)`` takes it. If something is wrong, nothing
    is taken: the environment and the descriptors stay as they were.

    Returns:
        The listeners, FD_CLOEXEC set on each; you close them. None if no variables are set
        or if they are meant for another process: LISTEN_PID is not this one, or
        LISTEN_PIDFDID (systemd 259 and later) is not the inode of this one's pidfd.

    Raises:
        ActivatorError: The variables contradict each other or name closed descriptors.

    See Also:
        sd_listen_fds(3), "Environment".
    """
    environ = os.environ
    absence = _absence(environ)
    found = {} if _foreign_pidfd(environ) else _passed()
    # As sd_listen_fds does, also when they were meant for another process.
    listeners = Listeners([Listener(name, fd) for fd, name in found.items()], absence)
    for variable in VARIABLES:
        # libsystemd would clear the C environment only, and os.environ is a copy of it.
        environ.pop(variable, None)
    _handed_out.extend(found)
    return listeners


def were_passed(listeners: Listeners) -> bool:
    """Tell whether the service manager passed these, and so still has them open itself."""
    return any(item.fd in _handed_out for item in listeners)


def _passed() -> dict[int, str]:
    """Ask libsystemd, which checks LISTEN_PID and sets FD_CLOEXEC."""
    names = os.environ.get("LISTEN_FDNAMES", "")
    try:
        names.encode()
    except UnicodeEncodeError:
        # systemd-python would fail with a SystemError on it.
        raise ActivatorError(f"LISTEN_FDNAMES is not text: {names!a}", MANAGER_SETS) from None
    try:
        found: dict[int, str] = daemon.listen_fds_with_names(unset_environment=False)
    except OSError as error:
        raise _explained(error) from None
    return found


def _foreign_pidfd(environ: "os._Environ[str]") -> bool:
    """Tell whether LISTEN_PIDFDID names another process, which libsystemd does from 259 on."""
    wanted = environ.get("LISTEN_PIDFDID")
    if not wanted:
        return False
    try:
        pidfd = os.pidfd_open(os.getpid())
    except OSError:
        return False
    try:
        return not wanted.isdecimal() or int(wanted) != os.fstat(pidfd).st_ino
    finally:
        os.close(pidfd)


def _absence(environ: "os._Environ[str]") -> str:
    """Say why nothing is passed, as far as it can be known: the usual suspects."""
    if "LISTEN_FDS" not in environ:
        return "they were taken by an earlier listen_fds()" if _handed_out else ""
    if "LISTEN_PID" not in environ:
        return "LISTEN_FDS is set but LISTEN_PID is not, so they are not meant for this process"
    if environ["LISTEN_PID"] != str(os.getpid()):
        return (
            f"LISTEN_PID is {environ['LISTEN_PID'][:20]!a} but this process is {os.getpid()}: "
            "a wrapper or shell started it as a child, where it must use exec"
        )
    if _foreign_pidfd(environ):
        return (
            "LISTEN_PIDFDID is that of another process: a wrapper that sets LISTEN_PID "
            "must set or remove LISTEN_PIDFDID too"
        )
    return ""


def _explained(error: OSError) -> ActivatorError:
    """Turn libsystemd's errno into words by looking at the same variables."""
    pid = os.environ.get("LISTEN_PID", "")
    if not _is_positive(pid):
        return ActivatorError(f"LISTEN_PID is not a process id: {pid[:40]!a}", MANAGER_SETS)
    count = os.environ.get("LISTEN_FDS", "")
    if not _is_positive(count):
        return ActivatorError(f"LISTEN_FDS is not a positive number: {count[:40]!a}", MANAGER_SETS)
    number = int(count)
    for fd in range(FIRST, FIRST + number):
        try:
            os.fstat(fd)
        except OSError:
            return ActivatorError(
                f"LISTEN_FDS is {number}, but descriptor {fd} is not open",
                "a wrapper or shell in between closed it: it must leave 3 and up alone",
            )
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    if len(names) != number:
        return ActivatorError(
            f"LISTEN_FDNAMES has {len(names)} names, but LISTEN_FDS is {number}", MANAGER_SETS
        )
    return ActivatorError(f"cannot take the passed descriptors: {error.strerror}")


def _is_positive(text: str) -> bool:
    # The length first: int() refuses thousands of digits.
    return text.isdecimal() and len(text) <= len(str(INT_MAX)) and 0 < int(text) <= INT_MAX
