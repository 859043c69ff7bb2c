"""Give open sockets the settings of another unit, while clients wait at them.

What is fixed when a socket is bound or a file opened cannot be changed: such a socket is closed
and opened again. systemd takes up changed settings only when a socket unit is restarted.
"""

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from activator.local.sockets import node, options
from activator.local.sockets.listener import MAX_BACKLOG, Listener
from activator.local.units.models import Listen, SocketUnit
from activator.local.units.paths import RuntimeDir

_PIPE_SIZE = 65536  # pipe(7): what a pipe has by default


def fixed(unit: SocketUnit, listen: Listen) -> tuple[Any, ...]:
    """Return what an open descriptor of a unit cannot change any more."""
    address = listen.address
    if address.is_ip:
        ip = unit.options
        return (address, ip.bind_ipv6_only, ip.device, ip.protocols.get(address.kind, 0))
    if address.kind == "special":
        return (address, unit.node.writable)
    if address.kind == "mqueue":
        return (address, unit.node.queue_messages, unit.node.queue_message_size)
    return (address,)


@dataclass
class Handed:
    """Listeners on their way from one unit to another.

    Attributes:
        wanted: What others can use: as :func:`fixed` has it.
        free: Those that nobody has taken yet.
        all: All that were ever put here.
    """

    wanted: list[tuple[Any, ...]] = field(default_factory=list)
    free: list[Listener] = field(default_factory=list)
    all: list[Listener] = field(default_factory=list)

    def want(self, units: Iterable[SocketUnit]) -> None:
        """Say what units can use."""
        self.wanted += [fixed(unit, listen) for unit in units for listen in unit.listens]

    def wants(self, listener: Listener) -> bool:
        """Tell whether somebody can use a listener."""
        return fixed(listener.unit, listener.listen) in self.wanted

    def put(self, listeners: Iterable[Listener]) -> None:
        """Take over listeners, for others to take."""
        for listener in listeners:
            self.free.append(listener)
            if listener not in self.all:
                self.all.append(listener)

    def take(self, unit: SocketUnit, listen: Listen, runtime: RuntimeDir) -> Listener | None:
        """Return a listener for a line of a unit, renewed, if there is one.

        Raises:
            ActivatorError: There is no such user or group.
        """
        for listener in self.free:
            if fixed(listener.unit, listener.listen) == fixed(unit, listen):
                node.owner_of(unit.node)
                self.free.remove(listener)
                renew(listener, unit, listen, runtime)
                return listener
        return None

    def close(self) -> None:
        """Close what nobody has taken."""
        for listener in self.free:
            listener.close()
        self.free.clear()


def renew(listener: Listener, unit: SocketUnit, listen: Listen, runtime: RuntimeDir) -> None:
    """Give a listener the settings of a unit; what cannot be done becomes its notes.

    Args:
        listener: The listener.
        unit: The unit, whose user and group exist.
        listen: Its line there.
        runtime: Where paths below /run go.
    """
    before, listener.unit, listener.listen = listener.unit, unit, listen
    listener.notes = []
    if listener.sock is not None:
        listener.notes += options.change(listener.sock, before.options, unit.options)
        if listener.address.accepts and before.options.backlog != unit.options.backlog:
            listener.sock.listen(min(unit.options.backlog, MAX_BACKLOG))
    elif listener.address.kind == "fifo" and before.node.pipe_size != unit.node.pipe_size:
        try:
            size = unit.node.pipe_size or _PIPE_SIZE
            fcntl.fcntl(listener.fileno(), fcntl.F_SETPIPE_SZ, size)
        except (OSError, OverflowError) as error:
            listener.notes.append(f"PipeSize= could not be set: {error}")
    if listener.address.has_node:
        try:
            listener.notes += _renew_node(listener, before, runtime)
        except FileNotFoundError:
            listener.notes.append(f"{listener.address.path} has gone: restart this to make it anew")


def _renew_node(listener: Listener, before: SocketUnit, runtime: RuntimeDir) -> Iterator[str]:
    """Change mode, owner and symlinks of a node.

    Yields:
        What could not be done.

    Raises:
        FileNotFoundError: It has gone.
    """
    old, new, path = before.node, listener.unit.node, listener.address.path
    try:
        if old.mode != new.mode:
            with node.held(path, listener.made) as held:
                os.chmod(held, new.mode)  # noqa: PTH101 - as the rest
        if (old.user, old.group) != (new.user, new.group):
            with node.held(path, listener.made) as held:
                os.chown(held, os.geteuid(), os.getegid())
            if note := node.set_owner(path, new, listener.made):
                yield note
    except PermissionError as error:
        yield f"{path} stays as it is: {os.strerror(error.errno or errno.EPERM)}"
    if old.symlinks != new.symlinks:
        links = tuple(map(runtime.path, new.symlinks))
        for link in set(map(runtime.path, old.symlinks)) - set(links):
            if listener.made.nodes.pop(link, None) is not None:
                with suppress(OSError):
                    if os.readlink(link) == path:  # noqa: PTH115
                        os.unlink(link)  # noqa: PTH108
        yield from node.make_symlinks(path, links, new.directory_mode, listener.made)
