"""Rules about a socket and its service: how long the one lasts without the other."""

import re
from collections.abc import Iterator

from activator.check.commands import run_by
from activator.check.known import Known, known
from activator.check.listeners import listeners
from activator.check.units import INFO, Pair, Problem, Unit, World, expand
from activator.unitfile.values.numbers import BOOLEANS

_DESCRIPTOR = r"(?:^|[\s=:])fd(?:@|://|:\d|=)|(?:^|\s)--fd\b|\{fds?:"
_TEMPORARY = ("/tmp/", "/var/tmp/")  # noqa: S108 - paths of units


def restarted_instance(pair: Pair, world: World) -> Iterator[Problem]:
    """Find Restart= in the service of a single connection.

    An instance that is restarted has lost its connection: it is started with no socket at
    all, fails again, and loops until the start limit is hit.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777
        Accept=yes

        # echo@.service
        [Service]
        ExecStart=/usr/bin/echo-one
        Restart=on-failure

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777
        Accept=yes

        # echo@.service
        [Unit]
        CollectMode=inactive-or-failed

        [Service]
        ExecStart=/usr/bin/echo-one
    """
    del world
    entry = pair.service.settings.get("Restart")
    if pair.accept and entry is not None and entry.value not in ("", "no"):
        message = f"Restart={entry.value} starts an instance again without its connection"
        yield Problem(message, "remove the line", entry)


def failed_instances(pair: Pair, world: World) -> Iterator[Problem]:
    """Find per-connection services whose failed instances are never forgotten.

    Each failed instance stays in the list of failed units and counts against
    MaxConnectionsPerSource=, until new connections are refused. A client that leaves early can
    be enough to fail. CollectMode=inactive-or-failed forgets them; a command with - in front
    does not fail.

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

        # echo@.service
        [Unit]
        CollectMode=inactive-or-failed

        [Service]
        ExecStart=/usr/bin/echo-one
    """
    del world
    settings = pair.service.settings
    if not pair.accept or settings.value("CollectMode") == "inactive-or-failed":
        return
    starts = settings.all("ExecStart")
    if starts and not all(entry.value.startswith("-") for entry in starts):
        message = "failed instances pile up, and count as connections of their source"
        yield Problem(message, "add CollectMode=inactive-or-failed to [Unit]", starts[0])


def socket_out_of_sight(pair: Pair, world: World) -> Iterator[Problem]:
    """Find sockets in /tmp whose service has a /tmp of its own.

    With PrivateTmp=yes the service and what it starts cannot see the socket's file. The
    descriptor works, but a path below /tmp in the service means something else, and anybody
    may have put a file at that place before.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=/tmp/echo.sock

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
        PrivateTmp=yes

    Good::

        # echo.socket
        [Socket]
        ListenStream=/run/echo.sock

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
        PrivateTmp=yes
    """
    del world
    settings = pair.service.settings
    private = settings.value("PrivateTmp").lower()
    hidden = BOOLEANS.get(private, private in ("connected", "disconnected"))
    if not hidden and not settings.on("DynamicUser"):
        return
    for entry, address in listeners(pair.socket):
        if address.path.startswith(_TEMPORARY):
            message = f"the service has a private /tmp and does not see {address.path}"
            yield Problem(message, "listen below /run", entry)


def stops_at_once(pair: Pair, world: World) -> Iterator[Problem]:
    r"""Find StopWhenUnneeded=yes in a service that a socket starts.

    No unit needs it, since a socket only triggers it, so systemd stops it at once. For an
    idle exit, let the program end by itself, as systemd-socket-proxyd --exit-idle-time= does.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.service
        [Unit]
        StopWhenUnneeded=yes

        [Service]
        ExecStart=/usr/lib/systemd/systemd-socket-proxyd 127.0.0.1:8080

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.service
        [Service]
        ExecStart=/usr/lib/systemd/systemd-socket-proxyd \
            --exit-idle-time=5min 127.0.0.1:8080
    """
    del world
    entry = pair.service.settings.get("StopWhenUnneeded")
    if entry is not None and pair.service.settings.on("StopWhenUnneeded"):
        message = "no unit needs what a socket starts, so it is stopped at once"
        yield Problem(message, "remove the line; let the program end when it is idle", entry)


def socket_left_out(pair: Pair, world: World) -> Iterator[Problem]:
    """Find services that can be started without their socket.

    Started by itself, the service has no descriptors and opens the address on its own or
    fails; the socket is refused from then on ("Socket service already active, refusing").
    It is a warning for programs that are known to work with passed descriptors alone.
    Requires= of the socket, which also orders the service after it, always starts the socket
    first.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server --fd 3

        [Install]
        WantedBy=multi-user.target

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.service
        [Unit]
        Requires=echo.socket

        [Service]
        ExecStart=/usr/bin/echo-server

        [Install]
        WantedBy=multi-user.target
    """
    if pair.accept:
        return
    settings, socket = pair.service.settings, pair.socket
    if _wants(pair.service, socket):
        return
    installs = [*pair.service.lines("Install", "WantedBy")]
    installs += pair.service.lines("Install", "RequiredBy")
    if settings.on("RefuseManualStart") and not installs:
        return
    started = installs or world.enabled(pair.service)
    severity = "" if started and _needs_descriptors(pair.service) else INFO
    others = [other.socket for other in world.triggers[pair.service.name]]
    if world.enabled(socket) or any(_wants(pair.service, other) for other in others):
        # Both are started at boot, the socket first; or the service chooses among its sockets.
        severity = INFO
    also = " ".join(entry.value for entry in pair.service.lines("Install", "Also")).split()
    if {socket.name, *socket.aliases} & set(also):
        severity = INFO
    message = f"started by itself, {pair.service.name} does not get {socket.name}"
    entry = installs[0] if installs else None
    place = None if entry is not None else (pair.service.path, 1)
    hint = f"add Requires={socket.name} to [Unit] of the service"
    yield Problem(message, hint, entry, severity=severity, place=place)


def _needs_descriptors(service: Unit) -> bool:
    """Return whether a service is known to work with descriptors that are passed, and not else.

    Many programs open their own addresses unless they are passed some.
    """
    settings = service.settings
    if settings.value("StandardInput") == "socket":
        return True
    return any(
        known(Known.RECEIVER, program, arguments) or re.search(_DESCRIPTOR, " ".join(arguments))
        for entry in settings.all("ExecStart")
        for program, arguments in run_by(entry.value)
    )


def _wants(service: Unit, socket: Unit) -> bool:
    """Return whether a service starts a socket before itself."""
    names = {socket.name, *socket.aliases}
    wanted = service.words("Unit", "Requires", "BindsTo", "Wants", "Requisite", "Upholds")
    listed = service.words("Service", "Sockets")
    return any(expand(word, service) in names for word, _ in (*wanted, *listed))
