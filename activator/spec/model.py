"""What a checked spec is: plain values, ready to be rendered."""

from dataclasses import dataclass
from enum import Enum


class Mode(Enum):
    """How connections reach the service."""

    SHARED = "shared"  # Accept=no: one service, all connections
    PER_CONNECTION = "per-connection"  # Accept=yes: one instance each


@dataclass(frozen=True, slots=True)
class Setting:
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
    path: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class Socket:
    """One ``[sockets.NAME]`` table: one ``.socket`` unit.

    Attributes:
        fdname: The table's name, FileDescriptorName= of the unit, as literal text.
        mode: Shared or per-connection.
        settings: Its directives, of [Socket], [Unit] and [Install], in the spec's order.
    """

    fdname: str
    mode: Mode
    settings: tuple[Setting, ...]


@dataclass(frozen=True, slots=True)
class Spec:
    """A service and its sockets.

    Attributes:
        name: The units' common name.
        description: Literal text for Description=.
        mode: The mode of sockets that name none.
        command: The value of ExecStart=, in systemd's own syntax; empty with a handler.
        handlers: fdname → ``MODULE:NAME``; the name ``""`` stands for all sockets.
        sockets: At least one.
        settings: Directives of [Unit] and [Service] (and [Install]) of the service.
        environment: Variables for the service, as literal text.
        python: The interpreter that runs handlers; empty for ``activator`` in the path.
        app_dir: Where the handlers' modules are; empty for the interpreter's own path.
        drain: How long running connections may take after SIGTERM: seconds.
        systemd: The systemd version to write for.
        source: The spec's file name, for messages and the units' first line.
    """

    name: str
    description: str
    mode: Mode
    command: str
    handlers: tuple[tuple[str, str], ...]
    sockets: tuple[Socket, ...]
    settings: tuple[Setting, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    python: str = ""
    app_dir: str = ""
    drain: float = 30.0
    systemd: int = 252
    source: str = ""
