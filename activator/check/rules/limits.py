"""Rules about limits: what makes a socket fail for good, and what ends connections too early."""

from collections.abc import Iterator

from activator.check.listeners import listeners
from activator.check.units import INFO, Pair, Problem, Unit, World
from activator.common.counted import counted
from activator.common.integers import to_integer
from activator.unitfile.effective import Settings
from activator.unitfile.values.times import to_microseconds

_PER_SOURCE_UNIX_SINCE = 256
_POLL_LIMIT_SINCE = 255


def trigger_limit(unit: Unit, _: World) -> Iterator[Problem]:
    """Find sockets that many connections in a short time put out of service.

    With Accept=yes, 200 connections within 2 seconds (TriggerLimitBurst=,
    TriggerLimitIntervalSec=) put the socket into the state failed, where it stays until
    somebody restarts it: devices have been without SSH for weeks that way. MaxConnections= is the
    limit that only refuses. From 255 on polling pauses before that, at 150 connections
    (PollLimitBurst=, PollLimitIntervalSec=), unless these say otherwise.

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
    if not _limited(settings) or _pauses_before(unit):
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
    (20 within 2 s) makes it fail. Both stay failed until somebody restarts the socket.
    With Restart=on-failure, RestartSec= between the attempts and StartLimitIntervalSec=0 the
    socket keeps listening.

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
        starts = counted(to_integer(times) or 0, "start")
        message = f"more than {starts} within {window} put {pair.socket.name} out of service"
        place = (pair.service.path, 1) if entry is None else None
        severity = INFO if entry is None else ""
        yield Problem(message, hint, entry, place=place, severity=severity)
        return
    if settings.value("Restart", "no") == "no" and _limited(pair.socket.settings):
        times = pair.socket.settings.value("TriggerLimitBurst", "20")
        message = f"a crash at start is repeated at once, and {times} crashes make the socket fail"
        yield Problem(message, "add Restart=on-failure and RestartSec=250ms", interval or burst)


def useless_source_limit(unit: Unit, _: World) -> Iterator[Problem]:
    """Find a MaxConnectionsPerSource= that never refuses anybody.

    It is at least as high as MaxConnections= (64 unless set), or it is for Unix sockets, whose
    sources only systemd 256 and later tell apart.

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
        message = (
            f"one source may have {source} connections, and MaxConnections={most} allows no more"
        )
        yield Problem(message, "lower it, or raise MaxConnections=", entry)
    elif source and unit.version < _PER_SOURCE_UNIX_SINCE:
        values = [line.value for line in settings.all("Listen")]
        if values and all(value.startswith(("/", "@")) for value in values):
            message = "only systemd 256 and later tell the sources of Unix sockets apart"
            yield Problem(message, "limit MaxConnections=", entry)


def _pauses_before(unit: Unit) -> bool:
    """Return whether the limit of polling is reached before that of triggering."""
    if unit.version < _POLL_LIMIT_SINCE:
        return False
    settings = unit.settings
    polls = settings.value("PollLimitBurst", "150")
    window = to_microseconds(settings.value("PollLimitIntervalSec", "2s")) or 0
    trigger = to_microseconds(settings.value("TriggerLimitIntervalSec", "2s")) or 0
    burst, most = to_integer(polls) or 0, to_integer(settings.value("TriggerLimitBurst", "200"))
    return bool(burst and window) and burst < (most or 0) and trigger <= window


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
