"""What the local activator knows about sockets, and all that one run has.

:mod:`.socket_unit` and :mod:`.load` make these; services are in :mod:`.service_model`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from activator.local.units.service_model import (
    DEFAULT_TIMEOUT,
    Conditions,
    ExecCommand,
    Execution,
    Relations,
    ServiceUnit,
)
from activator.unitfile.address import Address

DEFAULT_BACKLOG = 0xFFFFFFFF


@dataclass(frozen=True)
class Listen:
    """One Listen*= line and where it stands."""

    address: Address
    place: str


@dataclass(frozen=True)
class NodeOptions:
    """How the files of Unix sockets and FIFOs are made: SocketMode= and its kin."""

    mode: int = 0o666
    directory_mode: int = 0o755
    user: str = ""
    group: str = ""
    symlinks: tuple[str, ...] = ()
    pipe_size: int = 0
    writable: bool = False
    queue_messages: int = 0
    queue_message_size: int = 0


@dataclass(frozen=True)
class SocketOptions:
    """What is set on the sockets themselves.

    Attributes:
        values: Directive → its value in the kernel's unit, for
            :mod:`activator.local.sockets.options`.
        bind_ipv6_only: ``default``, ``both`` or ``ipv6-only``.
        device: The interface of BindToDevice=, or empty.
        backlog: The length of the listen queue.
        protocols: Kind → the number of SocketProtocol=; other kinds keep the usual one.
    """

    values: dict[str, int | str] = field(default_factory=dict)
    bind_ipv6_only: str = "default"
    device: str = ""
    backlog: int = DEFAULT_BACKLOG
    protocols: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Rate:
    """So many events in a time: TriggerLimitBurst= in TriggerLimitIntervalSec=.

    Attributes:
        interval: Seconds; 0 switches the limit off.
        burst: How many are let through in that time; 0 switches the limit off.
    """

    interval: float = 0.0
    burst: int = 0


@dataclass(frozen=True)
class SocketUnit:
    """One .socket unit.

    Attributes:
        name: The unit's full name.
        place: The file, for messages.
        listens: What it listens on, in file order.
        accept: Whether each connection gets a service of its own.
        service: The name of the service; of the template for Accept=yes.
        fdname: What its descriptors are called in LISTEN_FDNAMES.
        trigger: How often it may start the service; more fails it.
        poll: How often a descriptor may wake us; more makes it rest.
        max_connections: The most instances at a time, for Accept=yes.
        max_per_source: The same per source address; 0 for no limit.
        flush: Whether what is queued is dropped each time it listens again.
        commands: ExecStartPre and its kin → the commands.
        execution: How these are run.
        timeout: Seconds that each command may take.
        pass_descriptors: Whether all but ExecStartPre= get the sockets.
        relations: What it has to do with other units.
        conditions: What must hold before it is opened.
    """

    name: str
    place: str
    listens: tuple[Listen, ...]
    service: str
    accept: bool = False
    fdname: str = ""
    node: NodeOptions = NodeOptions()
    options: SocketOptions = SocketOptions()
    trigger: Rate = Rate()
    poll: Rate = Rate()
    max_connections: int = 64
    max_per_source: int = 0
    flush: bool = False
    commands: dict[str, tuple[ExecCommand, ...]] = field(default_factory=dict)
    execution: Execution = field(default_factory=Execution)
    timeout: float = DEFAULT_TIMEOUT
    pass_descriptors: bool = False
    relations: Relations = field(default_factory=Relations)
    conditions: Conditions = field(default_factory=Conditions)


@dataclass(frozen=True)
class Template:
    """A service of Accept=yes, made anew for each connection.

    Attributes:
        name: The template's name.
        sample: The service of a made-up instance.
        make: Gives the service for an instance name.
        varies: Whether more than the name depends on the instance.
    """

    name: str
    sample: ServiceUnit
    make: Callable[[str], ServiceUnit]
    varies: bool = True


@dataclass(frozen=True)
class Plan:
    """All that one run has.

    Attributes:
        sockets: In the order in which they were given.
        services: Name → the services of Accept=no, and those that they need.
        templates: Name → those of Accept=yes.
        ignored: The directives that have no effect here, as ``Name=``, in order.
        notes: Other things worth a line at the start, each ``PLACE: text; hint``.
    """

    sockets: tuple[SocketUnit, ...]
    services: dict[str, ServiceUnit] = field(default_factory=dict)
    templates: dict[str, Template] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def notifies(self) -> bool:
        """Tell whether any service may notify."""
        samples = [template.sample for template in self.templates.values()]
        return any(unit.notify != "none" for unit in (*self.services.values(), *samples))


def same(one: Any, other: Any) -> bool:
    """Tell whether two units are the same, wherever they stand in their files."""
    if type(one) is not type(other):
        return False
    if is_dataclass(one):
        names = [field.name for field in fields(one) if field.name != "place"]
        return all(same(getattr(one, name), getattr(other, name)) for name in names)
    if isinstance(one, tuple | list) and not hasattr(one, "_fields"):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)
