"""Rules about limits: what makes a socket fail for good, and what ends connections too early."""

from collections.abc import Iterator

from activator.check.listeners import listeners
from activator.check.model import INFO, Pair, Problem, Unit, World
from activator.settings import Settings
from activator.values.numbers import to_integer
from activator.values.times import to_microseconds

_PER_SOURCE_UNIX_SINCE = 256


def trigger_limit(unit: Unit, _: World) -> Iterator[Problem]:
    """Find sockets that many connections in a short time put out of service.

    With Accept=yes, 200 connections within 2 seconds (TriggerLimitBurst=,
    TriggerLimitIntervalSec=) put the socket into the state failed, and it stays so until
    somebody restarts it: devices have lost their SSH by that for weeks. MaxConnections= is the
    limit that only refuses. From 255 on PollLimitIntervalSec= pauses instead of failing.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777
        Accept=yes

        # echo@.service
        [Service]
        ExecStart=/usr/bin/echo-one

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777
        Accept=yes
        MaxConnections=256
        TriggerLimitIntervalSec=0

        # echo@.service
        [Service]
        ExecStart=/usr/bin/echo-one
    """
    settings = unit.settings
    if unit.type != "socket" or not settings.on("Accept") or unit.is_dropin_only:
        return
    if not _limited(settings):
        return
    burst = settings.value("TriggerLimitBurst", "200")
    window = settings.value("TriggerLimitIntervalSec", "2s")
    entry = settings.get("TriggerLimitBurst") or settings.get("TriggerLimitIntervalSec")
    message = f"{burst} connections within {window} put the socket out of service"
    hint = "add TriggerLimitIntervalSec=0; MaxConnections= limits what runs at a time"
    severity = INFO if _for_root_alone(unit) else ""
    yield Problem(message, hint, entry or settings.get("Accept"), severity=severity)


def crash_loop(pair: Pair, world: World) -> Iterator[Problem]:
    """Find services whose crashes put their socket out of service.

    A service that ends before it has taken the connection is started again at once, since the
    connection still waits. After StartLimitBurst= starts (5 within 10 s) the service may not be
    started, and the socket fails with it; without that limit the socket's own TriggerLimitBurst=
    (20 within 2 s) makes it fail. Both stay so until somebody restarts the socket. With
    Restart=on-failure, RestartSec= between the attempts and StartLimitIntervalSec=0 the socket
    lives on.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.service
        [Unit]
        StartLimitIntervalSec=0

        [Service]
        ExecStart=/usr/bin/echo-server

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.service
        [Unit]
        StartLimitIntervalSec=0

        [Service]
        ExecStart=/usr/bin/echo-server
        Restart=on-failure
        RestartSec=250ms
    """
    del world
    if pair.accept or pair.service.is_dropin_only or pair.socket.is_dropin_only:
        return
    settings = pair.service.settings
    interval, burst = settings.get("StartLimitIntervalSec"), settings.get("StartLimitBurst")
    endless = _is_zero(settings.value("StartLimitIntervalSec")) or _is_zero(
        settings.value("StartLimitBurst")
    )
    hint = "add StartLimitIntervalSec=0, Restart=on-failure and RestartSec=250ms"
    if not endless:
        entry = burst or interval
        times = settings.value("StartLimitBurst", "5")
        window = settings.value("StartLimitIntervalSec", "10s")
        message = f"{times} failed starts within {window} put {pair.socket.name} out of service"
        place = (pair.service.path, 1) if entry is None else None
        severity = INFO if entry is None else ""
        yield Problem(message, hint, entry, place=place, severity=severity)
        return
    if settings.value("Restart", "no") == "no" and _limited(pair.socket.settings):
        times = pair.socket.settings.value("TriggerLimitBurst", "20")
        message = f"a crash at start is repeated at once, and {times} of them fail the socket"
        yield Problem(message, "add Restart=on-failure and RestartSec=250ms", interval or burst)


def useless_source_limit(unit: Unit, _: World) -> Iterator[Problem]:
    """Find a MaxConnectionsPerSource= that never refuses anybody.

    It is at least as high as MaxConnections= (64 unless set), or it is for Unix sockets, whose
    sources are told apart from systemd 256 on.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777
        Accept=yes
        MaxConnectionsPerSource=100

        # echo@.service
        [Service]
        ExecStart=/usr/bin/echo-one

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777
        Accept=yes
        MaxConnections=256
        MaxConnectionsPerSource=16

        # echo@.service
        [Service]
        ExecStart=/usr/bin/echo-one
    """
    settings = unit.settings
    entry = settings.get("MaxConnectionsPerSource") if unit.type == "socket" else None
    if entry is None or not settings.on("Accept"):
        return
    most = to_integer(settings.value("MaxConnections", "64")) or 0
    source = to_integer(entry.value) or 0
    if source and source >= most:
        message = f"{source} connections of one source are all of MaxConnections={most}"
        yield Problem(message, "write less, or a higher MaxConnections=", entry)
    elif source and unit.version < _PER_SOURCE_UNIX_SINCE:
        values = [line.value for line in settings.all("Listen")]
        if values and all(value.startswith(("/", "@")) for value in values):
            message = "the sources of Unix sockets are told apart from systemd 256 on"
            yield Problem(message, "limit MaxConnections=", entry)


def _for_root_alone(unit: Unit) -> bool:
    """Return whether only root may connect, who can stop the socket anyway."""
    settings = unit.settings
    mode = to_integer(f"0o{settings.value('SocketMode', '0666')}")
    owned = settings.get("SocketUser") or settings.get("SocketGroup")
    paths = all(address.has_node for _, address in listeners(unit))
    return paths and not owned and mode is not None and not mode & 0o066


def _limited(settings: Settings) -> bool:
    """Return whether a socket has a trigger limit."""
    names = ("TriggerLimitIntervalSec", "TriggerLimitBurst")
    return not any(_is_zero(settings.value(name)) for name in names)


def _is_zero(value: str) -> bool:
    """Return whether a number or a time span is 0."""
    return bool(value) and to_microseconds(value) == 0
