"""What the local activator knows about the units it runs; :mod:`.load` makes these."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from activator.address import Address
from activator.unquoting import Command

# systemd-system.conf(5): DefaultTimeoutStartSec= and DefaultTimeoutStopSec=.
DEFAULT_TIMEOUT = 90.0
DEFAULT_BACKLOG = 0xFFFFFFFF
# Where a standard stream goes; "journal" is what is shown with a prefix here.
INPUTS = ("null", "socket", "inherit")
OUTPUTS = ("journal", "socket", "inherit", "null")


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


@dataclass(frozen=True)
class SocketOptions:
    """What is set on the sockets themselves.

    Attributes:
        values: Directive → its value in the kernel's unit, for :mod:`.options`.
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


@dataclass(frozen=True)
class ServiceUnit:
    """One .service unit, with its instance where it is made from a template.

    Attributes:
        name: The unit's full name.
        place: FILE:LINE of its ExecStart=.
        command: What is started; ``$`` in it is not expanded yet.
        type: ``simple``, ``exec``, ``notify``, ``oneshot`` and so on.
        environment: What Environment= sets.
        pass_environment: What is taken over from our own environment.
        unset_environment: Names, or NAME=VALUE, that are removed at last.
        working_directory: An absolute path, or empty for the current directory.
        working_directory_optional: Whether a missing one is no error.
        stdin: One of :data:`INPUTS`.
        stdout: One of :data:`OUTPUTS`, already resolved from what is unset.
        stderr: The same.
        nonblocking: Whether the descriptors are passed with O_NONBLOCK.
        runtime_directories: Paths that are made before the start.
        runtime_directory_mode: Their access mode.
        timeout_start: Seconds until READY=1 must have come.
        timeout_stop: Seconds from SIGTERM to SIGKILL.
        kill_signal: The signal that asks it to end.
        kill_mode: ``control-group``, ``mixed``, ``process`` or ``none``.
        umask: The file mode creation mask.
        ignore_sigpipe: Whether it starts with SIGPIPE ignored.
        notify: Who may notify: ``none``, ``main``, ``exec`` or ``all``.
    """

    name: str
    place: str
    command: Command
    type: str = "simple"
    environment: dict[str, str] = field(default_factory=dict)
    pass_environment: tuple[str, ...] = ()
    unset_environment: tuple[str, ...] = ()
    working_directory: str = ""
    working_directory_optional: bool = False
    stdin: str = "null"
    stdout: str = "journal"
    stderr: str = "journal"
    nonblocking: bool = False
    runtime_directories: tuple[str, ...] = ()
    runtime_directory_mode: int = 0o755
    timeout_start: float = DEFAULT_TIMEOUT
    timeout_stop: float = DEFAULT_TIMEOUT
    kill_signal: int = 15
    kill_mode: str = "control-group"
    umask: int = 0o022
    ignore_sigpipe: bool = True
    notify: str = "none"

    @property
    def waits_for_ready(self) -> bool:
        """Tell whether the service counts as started only once it says READY=1."""
        return self.type in ("notify", "notify-reload")


@dataclass(frozen=True)
class Activation:
    """What belongs together: a service and the sockets that start it.

    Attributes:
        service: The name of the service, of the template for Accept=yes.
        sockets: Its socket units; for Accept=yes they share the template.
        sample: The service, of a template that of a made-up instance.
        make: Gives the service for an instance name (empty in the shared mode).
    """

    service: str
    sockets: tuple[SocketUnit, ...]
    sample: ServiceUnit
    make: Callable[[str], ServiceUnit]

    @property
    def accept(self) -> bool:
        """Tell whether each connection gets a service of its own."""
        return self.sockets[0].accept


@dataclass(frozen=True)
class Plan:
    """All that one run starts.

    Attributes:
        activations: In the order in which the units were given.
        ignored: The directives that have no effect here, as ``Name=``, in order.
        notes: Other things worth a line at the start, each ``PLACE: text; hint``.
    """

    activations: tuple[Activation, ...]
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def listens(self) -> Iterator[tuple[SocketUnit, Listen]]:
        """Yield every Listen*= line with its unit, in order."""
        for activation in self.activations:
            for unit in activation.sockets:
                for listen in unit.listens:
                    yield unit, listen
