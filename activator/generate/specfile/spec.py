"""What a checked spec is: plain values, ready to be rendered."""

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

# A way to a value: table names, keys and, last, an index into a list.
Path = tuple[str | int, ...]


class Mode(Enum):
    """How connections reach the service."""

    SHARED = "shared"  # Accept=no: one service, all connections
    PER_CONNECTION = "per-connection"  # Accept=yes: one instance each
    WARM = "warm"  # the same, with isolation = "process": Accept=no, the runtime forks
    PROXY = "proxy"  # Accept=no: systemd-socket-proxyd, to a program that listens itself


class Setting(NamedTuple):
    """One directive as it will stand in a unit.

    Attributes:
        section: The section, without brackets.
        name: The directive.
        value: Its value in a unit file's own syntax, on one line.
        path: The way to it in the spec, for messages.
    """

    section: str
    name: str
    value: str
    path: Path = ()


class Socket(NamedTuple):
    """One ``[sockets.NAME]`` table: one ``.socket`` unit.

    Attributes:
        fdname: The table's name, FileDescriptorName= of the unit, as literal text.
        mode: Shared, per-connection or, as the latter with ``isolation``, warm.
        settings: Its directives, of [Socket], [Unit] and [Install], in the spec's order.
    """

    fdname: str
    mode: Mode
    settings: tuple[Setting, ...]


class Handler(NamedTuple):
    """What the runtime serves a socket with.

    Attributes:
        fdname: The socket's; empty for all sockets.
        name: ``MODULE:NAME``.
        interface: ``asgi`` or ``wsgi`` for an application; empty for a handler.
    """

    fdname: str
    name: str
    interface: str = ""


class Ending(NamedTuple):
    """How a service ends.

    Attributes:
        drain: How long running connections may take after SIGTERM: seconds.
        delay: How long all is served on before that: seconds.
        websocket_drain: How long WebSockets may go on after SIGTERM: seconds.
        health: The path at which the runtime answers balancers; empty for none.
    """

    drain: float = 30.0
    delay: float = 0.0
    websocket_drain: float = 0.0
    health: str = ""


class Proxy(NamedTuple):
    """What lies between the sockets and a program that opens its own.

    Attributes:
        backend: Where the program listens: an absolute path, or ``HOST:PORT`` of loopback.
        log_level: Which records of logging the runtime tells.
        idle_exit: How long after the last connection both stop: a time span.
        ready: When the program is ready: ``accepts`` (it accepts connections), ``notify``, or
            ``healthy`` (podman's health check says so).
        ready_timeout: How long the first of these is waited for: seconds.
        connections_max: The most connections at a time; further ones are closed.
        protocol: The version of the PROXY protocol spoken to the program; empty for none.
        directory: RuntimeDirectory= that holds the backend's path, or empty.
    """

    backend: str
    idle_exit: str
    ready: str
    ready_timeout: float
    connections_max: int
    protocol: str = ""
    directory: str = ""

    @property
    def by_path(self) -> bool:
        """Tell whether the backend is a Unix socket."""
        return self.backend.startswith("/")


class Processes(NamedTuple):
    """How the runtime divides the work.

    Attributes:
        workers: How many workers serve shared sockets; 0 for a process without a parent.
        hand_over: Whether a reload starts new processes.
        time_limit: How long a connection's process may run: seconds; 0 for ever.
        limits: Its resources: the name of a limit, in small letters, and its value.
        cgroup: The limits of the cgroup that it has of its own; without any it has none.
        worker_limits: The options of the runtime that say when a worker is replaced.
    """

    workers: int = 0
    hand_over: bool = False
    time_limit: float = 0.0
    limits: tuple[tuple[str, str], ...] = ()
    cgroup: tuple[tuple[str, str], ...] = ()
    worker_limits: tuple[tuple[str, str], ...] = ()

    def count(self, mode: Mode) -> int:
        """Return how many workers a service of a mode has; 0 for a process without a parent."""
        if mode is Mode.SHARED:
            return max(self.workers, int(self.hand_over))
        # A process for each connection is enough.
        return int(mode is Mode.WARM and (self.hand_over or self.workers > 0))


class Begun(NamedTuple):
    """What the connections of handlers begin with.

    Attributes:
        cert: The file of the certificate chain; empty for no TLS.
        key: That of its key; empty if it is in the same.
        proxies: Who may tell whose a connection is, as the runtime takes it; empty for nobody.
    """

    cert: str = ""
    key: str = ""
    proxies: str = ""


class Container(NamedTuple):
    """The container that a service is, for Quadlet.

    Attributes:
        image: The image, as podman takes its name.
        podman: The podman to write for: the first two numbers of its version.
        settings: The keys of [Container] that the spec gives.
    """

    image: str
    podman: tuple[int, int]
    settings: tuple[Setting, ...] = ()


def _nowhere(path: Path) -> str:
    """Return no place, for specs that were not read from anywhere."""
    del path
    return ""


class Spec(NamedTuple):
    """A service and its sockets.

    Attributes:
        name: The units' common name.
        description: Literal text for Description=.
        mode: The mode of sockets that name none; with a proxy they are shared.
        command: The value of ExecStart=, or of Exec= of a container, in systemd's own syntax;
            empty with a handler, or for what the image says.
        handlers: What the runtime serves the sockets with; empty with a command.
        sockets: At least one.
        settings: Directives of [Unit] and [Service] (and [Install]) of the service.
        environment: Variables for the service, as literal text.
        metrics: The socket, by its name, on which the runtime tells figures; empty for none.
        python: The interpreter that runs handlers; empty for ``activator`` in the path.
        app_dir: Where the handlers' modules are; empty for the interpreter's own path.
        ending: How it ends.
        log_level: Which records of logging the runtime tells.
        limits: The options of the runtime that limit what is served at once, with their values.
        idle_exit: How long after the last connection a handler of shared sockets stops:
            seconds; 0 for never.
        proxy: What mode "proxy" needs, else None.
        container: The container that the service is, else None.
        processes: How the runtime divides the work.
        begun: What connections begin with: TLS, a proxy's header.
        hardening: The profile that closes all it can, one of
            :mod:`activator.generate.hardening`.
        needs: What is open nevertheless, as ``network`` or ``write:/srv/data``.
        systemd: The systemd version to write for.
        user: Whether the units are for a user's manager.
        source: The spec's file name, for messages and the units' first line.
        notes: What was left out because only a later systemd knows it, or added unasked: a line
            each.
        place: Returns where the value at a path stands, for messages.
    """

    name: str
    description: str
    mode: Mode
    command: str
    handlers: tuple[Handler, ...]
    sockets: tuple[Socket, ...]
    settings: tuple[Setting, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    metrics: str = ""
    python: str = ""
    app_dir: str = ""
    ending: Ending = Ending()
    log_level: str = "info"
    limits: tuple[tuple[str, str], ...] = ()
    idle_exit: float = 0.0
    proxy: Proxy | None = None
    container: Container | None = None
    processes: Processes = Processes()
    begun: Begun = Begun()
    hardening: str = "strict"
    needs: tuple[str, ...] = ()
    systemd: int = 252
    user: bool = False
    source: str = ""
    notes: tuple[str, ...] = ()
    place: Callable[[Path], str] = _nowhere
