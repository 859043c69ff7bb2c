"""Take the descriptors that systemd passed: ``sd_listen_fds(3)`` as one value.

Import-light: a service that only wants its descriptors pays for ``systemd.daemon`` and
little more (the bar is 4 ms, see ``bench/imports.py``).
"""

import os

from systemd import daemon

from activator.errors import ActivatorError
from activator.runtime.listener import Listener
from activator.runtime.variables import (
    MANAGER_SETS,
    VARIABLES,
    absence,
    contradiction,
    is_foreign,
    is_socket,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from activator.runtime.descriptor import Kind

__all__ = ["VARIABLES", "Listener", "Listeners", "listen_fds", "were_passed"]

# Descriptors handed out so far: it only serves to explain why a later call gets none.
_handed_out: list[int] = []


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

    def one(
        self, name: str | None = None, *, kind: "Kind | None" = None, address: str | None = None
    ) -> Listener:
        """Return the only listener of this name, kind and address, or the only one at all.

        Raises:
            ActivatorError: There is none or more than one; it says what was passed instead.
        """
        found = self.find(name, kind=kind, address=address)
        if len(found) == 1:
            return found[0]
        wanted = "one descriptor" if name is None else f"one descriptor named {name!r}"
        wanted += f" of kind {kind}" if kind else ""
        wanted += f" at {address}" if address else ""
        passed = ", ".join(str(item) for item in self._items)
        hint = f"passed: {passed}" if passed else self.absence
        raise ActivatorError(f"expected {wanted}, got {len(found) or 'none'}", hint)

    def find(
        self, name: str | None = None, *, kind: "Kind | None" = None, address: str | None = None
    ) -> tuple[Listener, ...]:
        """Return all of a name, a kind and an address, or of those of them that are given.

        The address may be written in any way that systemd.socket(5) knows; a port alone stands
        for every internet address with this port.
        """
        return tuple(
            item
            for item in self._items
            if name in (None, item.name)
            and kind in (None, item.kind)
            and (address is None or item.is_at(address))
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

    With StandardInput=socket there are no such variables, and descriptor 0 is the socket. It is
    taken too, named ``connection`` or ``unknown``: it moves to a number of its own, and standard
    input is empty from then on. Standard output and error, which are the same socket by default,
    go to the journal. A socket without a name is left alone: no .socket unit passes one, but
    programs that start others do.

    Returns:
        The listeners, FD_CLOEXEC set on each; you close them. None if no variables are set
        or if they are meant for another process: LISTEN_PID is not this one, or
        LISTEN_PIDFDID (systemd 259 and later) is not the inode of this one's pidfd.

    Raises:
        ActivatorError: The variables contradict each other or name closed descriptors.

    See Also:
        sd_listen_fds(3), "Environment"; systemd.exec(5), "StandardInput=".
    """
    environ = os.environ
    reason = absence(environ, taken=bool(_handed_out))
    found = {} if is_foreign(environ) else _passed()
    items = [*_standard_input(), *(Listener(name, fd) for fd, name in found.items())]
    if not items and not reason and is_socket(0):
        reason = "descriptor 0 is a socket, but has no name: no .socket unit passes such a one"
    for variable in VARIABLES:
        # As sd_listen_fds does, also when they were meant for another process. libsystemd would
        # clear the C environment only, and os.environ is a copy of it.
        environ.pop(variable, None)
    if len(items) == 1 and items[0].kind == "connection":
        items[0].note_remote(_remote(environ))
    _handed_out.extend(item.fd for item in items)
    return Listeners(items, reason)


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
        problem = contradiction(os.environ)
        if problem is None:
            problem = ActivatorError(f"cannot take the passed descriptors: {error.strerror}")
        raise problem from None
    return found


def _standard_input() -> list[Listener]:
    """Take descriptor 0 if it is a passed socket."""
    if not is_socket(0):
        return []
    from activator.runtime.standard_input import take  # noqa: PLC0415 - rarely needed

    return take()


def _remote(environ: "os._Environ[str]") -> str:
    """Return the client's address as Accept=yes tells it, written as in systemd.socket(5)."""
    from activator.common import peers  # noqa: PLC0415 - a start need not know peers

    host, port = environ.get("REMOTE_ADDR", ""), environ.get("REMOTE_PORT", "")
    return peers.address(host, port) if port else host
