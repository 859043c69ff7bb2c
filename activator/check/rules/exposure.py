"""Rules about who may reach a socket, and what its service may reach."""

from collections.abc import Iterator

from activator.check.listeners import is_wildcard, listeners
from activator.check.units import INFO, Pair, Problem, Unit, World
from activator.unitfile.effective import Settings
from activator.unitfile.values.numbers import BOOLEANS

_OTHERS_WRITE = 0o002
_ACCESS = ("IPAddressAllow", "IPAddressDeny", "BindToDevice", "RestrictNetworkInterfaces")
_NETWORK_UNITS = ("network-online.target", "nss-lookup.target", "remote-fs.target")


def everybody_may_connect(pair: Pair, world: World) -> Iterator[Problem]:
    """Find Unix sockets of a service that runs as root, to which every user may connect.

    SocketMode= is 0666 unless it is set. If that is what you want, say so with SocketMode=0666;
    then it is reported as an info only. An abstract socket has no mode: everybody may connect.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=/run/echo.sock

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server

    Good::

        # echo.socket
        [Socket]
        ListenStream=/run/echo.sock
        SocketMode=0660
        SocketGroup=users

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    if world.user or pair.socket.user or not _is_root(pair.service.settings):
        return
    mode = pair.socket.settings.get("SocketMode")
    bits = int(mode.value, 8) if mode is not None else 0o666
    for entry, address in listeners(pair.socket):
        if not address.path or address.kind not in ("stream", "datagram", "seqpacket", "fifo"):
            continue
        # Written so in units for users' managers, where nobody else gets into the directory.
        if entry.value.startswith(("%t/", "%h/")) and not world.complete:
            continue
        if address.is_abstract:
            message = f"every user may connect to {address.path}, and the service runs as root"
            yield Problem(message, "use a path with SocketMode=", entry, severity=INFO)
        elif bits & _OTHERS_WRITE:
            message = f"every user may connect to {address.path}, and the service runs as root"
            severity = INFO if mode is not None else ""
            yield Problem(message, "set SocketMode=, or User=", mode or entry, severity=severity)


def owner_without_mode(unit: Unit, _: World) -> Iterator[Problem]:
    """Find an owner or group of a socket's file that keeps nobody out.

    SocketMode= is 0666 unless it is set, so that everybody may connect whoever owns the file.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=/run/echo.sock
        SocketGroup=www-data

    Good::

        # echo.socket
        [Socket]
        ListenStream=/run/echo.sock
        SocketGroup=www-data
        SocketMode=0660

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    settings = unit.settings
    owner = settings.get("SocketGroup") or settings.get("SocketUser")
    if owner is None or not owner.value or settings.get("SocketMode") is not None:
        return
    if any(address.has_node for _, address in listeners(unit)):
        message = f"{owner.name}= keeps nobody out: everybody may connect without SocketMode="
        yield Problem(message, "add SocketMode=0660", owner, on_name=True)


def needless_network(pair: Pair, world: World) -> Iterator[Problem]:
    """Find services that could go without the network, since their sockets are passed in.

    A service that only serves its sockets keeps working with PrivateNetwork=yes, and somebody
    who takes it over can connect to nothing.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
        PrivateNetwork=yes
    """
    settings = pair.service.settings
    if world.triggers[pair.service.name][0] is not pair or pair.service.is_dropin_only:
        return
    named = " ".join(entry.value for name in ("After", "Wants") for entry in settings.all(name))
    closed = (
        BOOLEANS.get(settings.value("PrivateNetwork").lower())
        or settings.get("NetworkNamespacePath")
        or settings.get("RestrictAddressFamilies")
        or "any" in settings.value("IPAddressDeny").split()
        or any(unit in named.split() for unit in _NETWORK_UNITS)
    )
    starts = settings.all("ExecStart")
    if not closed and starts and "proxyd" not in starts[0].value:
        message = "the service can reach the network, and its sockets are passed in"
        yield Problem(message, "add PrivateNetwork=yes if it opens none", starts[0])


def open_to_the_world(unit: Unit, world: World) -> Iterator[Problem]:
    """Find sockets on every address of the machine, with nothing that limits who connects.

    IPAddressAllow= with IPAddressDeny=any, BindToDevice= or a concrete address limit it. A
    public service is meant to be reachable; silence the rule there.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777
        IPAddressDeny=any
        IPAddressAllow=192.0.2.0/24

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    del world
    if unit.type != "socket" or any(unit.settings.get(name) for name in _ACCESS):
        return
    for entry, address in listeners(unit):
        if is_wildcard(address):
            message = f"everybody who reaches the machine reaches port {address.port}"
            hint = "name an address, or add IPAddressDeny=any and IPAddressAllow="
            yield Problem(message, hint, entry)


def _is_root(settings: Settings) -> bool:
    """Return whether a service runs with all rights."""
    return not settings.on("DynamicUser") and settings.value("User", "root") in ("root", "0")
