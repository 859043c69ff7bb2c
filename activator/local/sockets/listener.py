"""From one Listen*= line to an open descriptor, in systemd's order.

socket → options before bind → directories → bind → owner → listen → the other options.
"""

import errno
import os
import select
import socket

from activator.errors import ActivatorError
from activator.local.limits import EXHAUSTED, FULL, MAKE_ROOM, exhausted
from activator.local.sockets import node
from activator.local.sockets.files import OPENERS
from activator.local.sockets.options import apply, apply_before_bind
from activator.local.units.models import Listen, SocketUnit
from activator.local.units.paths import RuntimeDir
from activator.unitfile.address import Address

MAX_BACKLOG = 0x7FFFFFFF
_FIRST_FREE_PORT = 1024


class Listener:
    """An open descriptor of a socket unit.

    Attributes:
        unit: The unit it belongs to.
        listen: Its line there.
        address: What it listens on, as bound here.
        sock: The socket; None for a FIFO or special file.
        notes: What could not be done and does no harm.
        announced: Whether it was told that it is open.
        vanished: Whether it was told that its path has gone.
    """

    def __init__(self, unit: SocketUnit, listen: Listen, address: Address) -> None:
        self.unit = unit
        self.listen = listen
        self.address = address
        self.announced = self.vanished = False
        self.sock: socket.socket | None = None
        self.notes: list[str] = []
        self.made = node.Made()
        self._fd = -1

    def fileno(self) -> int:
        """Return the descriptor, which stays ours; -1 once it is closed."""
        return self.sock.fileno() if self.sock is not None else self._fd

    def attach(self, owned: socket.socket | int) -> None:
        """Take over an open socket or descriptor; :meth:`close` closes it."""
        if isinstance(owned, int):
            self._fd = owned
        else:
            self.sock = owned

    def hung_up(self) -> bool:
        """Tell whether a service has called shutdown() on the socket, which ends it for all."""
        if self.sock is None:
            return False
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return any(events & select.POLLHUP for _, events in poll.poll(0))

    def has_vanished(self) -> bool:
        """Tell whether its path has gone, or leads to something else, as nobody was told yet."""
        if not self.address.has_node or self.vanished:
            return False
        self.vanished = self.made.missing(self.address.path)
        return self.vanished

    def close(self) -> None:
        """Close the descriptor and remove the files that were made for it."""
        if self.sock is not None:
            self.sock.close()
        elif self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self.made.remove()


def open_listener(unit: SocketUnit, listen: Listen, runtime: RuntimeDir) -> Listener:
    """Open what one Listen*= line names.

    Args:
        unit: The unit, for its options.
        listen: The line.
        runtime: Where paths below /run go.

    Returns:
        The open listener; the caller closes it.

    Raises:
        ActivatorError: It cannot be opened; nothing is left behind.
    """
    address = listen.address.resolved()
    try:
        listener = Listener(unit, listen, runtime.address(address))
        try:
            _open(listener, runtime)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise _explained(address, error, runtime).at(listen.place) from error
    except ActivatorError as error:
        raise error.at(listen.place)  # noqa: B904 - the same error, with its place
    return listener


def _open(listener: Listener, runtime: RuntimeDir) -> None:
    """Open by kind, then do what concerns the node."""
    address, unit = listener.address, listener.unit
    if address.type is not None:
        _open_socket(listener)
    elif address.kind in OPENERS:
        listener.attach(OPENERS[address.kind](address.path, unit, listener.made, listener.notes))
    else:
        raise ActivatorError(
            f"{address.directive}= is not run here", "start this unit with systemd"
        )
    if address.has_node:
        note = node.set_owner(address.path, unit.node, listener.made)
        names = tuple(map(runtime.path, unit.node.symlinks))
        links = node.make_symlinks(address.path, names, unit.node.directory_mode, listener.made)
        listener.notes += [note] * bool(note) + links


def _open_socket(listener: Listener) -> None:
    """Make, bind and prepare a socket."""
    address, unit = listener.address, listener.unit
    assert address.family is not None  # noqa: S101 - for the type checker
    assert address.type is not None  # noqa: S101
    protocol = address.protocol or (
        unit.options.protocols.get(address.kind, 0) if address.is_ip else 0
    )
    sock = socket.socket(address.family, address.type, protocol)
    listener.attach(sock)
    # The notes name the unit's options, in the order in which they were tried.
    listener.notes += apply_before_bind(sock, address, unit.options)
    if address.has_node:
        node.make_parents(address.path, unit.node.directory_mode, listener.made)
        node.clear_stale(address)
        with node.umask(~unit.node.mode & 0o777):
            sock.bind(address.sockaddr())
        listener.made.add(address.path)
    else:
        sock.bind(address.sockaddr())
        if address.is_ip and not address.port:
            listener.address = address._replace(port=sock.getsockname()[1])
    if address.accepts:
        sock.listen(min(unit.options.backlog, MAX_BACKLOG))
    listener.notes += apply(sock, unit.options)


def _explained(address: Address, error: OSError, runtime: RuntimeDir) -> ActivatorError:
    """Say what an error of the kernel means for an address."""
    if error.errno in EXHAUSTED:
        return exhausted(error)
    where = runtime.path(address.path) if address.path else address.human()
    change = f"change {address.directive}="
    private = 0 < address.port < _FIRST_FREE_PORT
    ip = "choose a port from 1024 on, or run as root" if private else f"{change} or run as root"
    refused = ("not permitted", ip if address.is_ip else runtime.hint(address.path))
    absent = ("this kernel has no such sockets", change)
    meanings = {
        errno.EADDRINUSE: ("already in use", f"stop {_who_uses(address)}, or {change}"),
        errno.EADDRNOTAVAIL: ("no interface has this address", f"set FreeBind=yes, or {change}"),
        errno.EACCES: refused,
        errno.EPERM: refused,
        errno.EROFS: ("the file system is read-only", runtime.hint(address.path)),
        **{number: (os.strerror(number).lower(), MAKE_ROOM) for number in FULL},
        errno.EAFNOSUPPORT: absent,
        errno.EPROTONOSUPPORT: absent,
        errno.ESOCKTNOSUPPORT: absent,
    }
    what, hint = meanings.get(error.errno or 0, (error.strerror, change))
    return ActivatorError(f"{where}: {what}", hint)


def _who_uses(address: Address) -> str:
    """Return who uses an address, and the command that names it."""
    if not address.is_ip:
        return "the other process (ss -xlp names it)"
    flags = "-uanp" if address.kind == "datagram" else "-ltnp"
    return f"the other process (ss {flags} 'sport = :{address.port}' names it)"
