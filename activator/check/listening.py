"""Rules about addresses: what cannot be bound, is bound twice, or is cut by the kernel."""

from collections.abc import Iterator
from itertools import combinations

from activator.address import Address
from activator.check.listeners import is_loopback, is_wildcard, listeners, only_ipv6
from activator.check.model import INFO, Problem, Unit, World
from activator.unit import Entry
from activator.values.numbers import to_integer
from activator.values.sizes import to_bytes

# What Linux has unless somebody changes it.
_SOMAXCONN = 4096
_BUFFER = {"ReceiveBuffer": ("rmem_max", 212_992), "SendBuffer": ("wmem_max", 212_992)}
_FIRST_FREE_PORT = 1024
_INT_MAX = 2**31 - 1
_UINT_MAX = 2**32 - 1
# Reached after basic.target, which itself waits for all sockets.
_LATE_TARGETS = (
    "basic.target",
    "multi-user.target",
    "graphical.target",
    "default.target",
    "network-online.target",
)

Listener = tuple[Unit, Entry, Address]


def same_address(world: World) -> Iterator[Problem]:
    """Find two sockets that cannot both listen: the second one fails to start.

    A bare port and [::] take IPv4, too, unless BindIPv6Only=ipv6-only; every address takes in
    each single one. ReusePort=yes in both units, different devices of BindToDevice= and
    Conflicts= between the units make it right. With UDP, FIFOs and Unix paths nothing fails,
    which is worse: the later socket takes over.

    Bad::

        # web.socket
        [Socket]
        ListenStream=80
        ListenStream=0.0.0.0:80

    Good::

        # web.socket
        [Socket]
        ListenStream=[::]:80
        ListenStream=0.0.0.0:80
        BindIPv6Only=ipv6-only

        # web.service
        [Service]
        ExecStart=/usr/bin/web
    """
    groups: dict[tuple[object, ...], list[Listener]] = {}
    for unit in world.sockets:
        if unit.is_template and not unit.is_dropin_only:
            continue
        for entry, address in listeners(unit):
            groups.setdefault(_group(address, unit), []).append((unit, entry, address))
    for group in groups.values():
        for first, second in combinations(group, 2):
            if (how := _clash(first, second)) and not _apart(first[0], second[0]):
                unit, entry, address = first
                other = "" if second[0] is unit else f" of {unit.name}"
                message = f"{second[1].name}={second[1].value} {how} {address.human()}{other}"
                hint = _hint(first, second)
                # What is not enabled takes no address.
                quiet = world.complete and not (world.enabled(unit) and world.enabled(second[0]))
                severity = INFO if quiet and unit is not second[0] else ""
                yield Problem(message, hint, second[1], severity=severity)


def _group(address: Address, unit: Unit) -> tuple[object, ...]:
    """Return a key that only those addresses share which may clash."""
    if address.is_ip:
        protocol = unit.settings.value("SocketProtocol")
        return address.kind, protocol, address.port
    if address.path:
        return address.kind == "mqueue", address.path
    return address.kind, address.port, address.protocol, address.group


def _clash(first: Listener, second: Listener) -> str:
    """Return how two addresses of a group get into each other's way; empty if they do not."""
    one = first[2]
    if one.is_ip:
        if not _same_packets(first, second):
            return ""
        return "takes packets of" if one.kind == "datagram" else "cannot be bound beside"
    if one.kind in ("special", "netlink"):
        return ""
    if one.kind in ("fifo", "usb", "mqueue"):
        return "shares its messages with"
    return "cannot be bound beside" if one.is_abstract or not one.path else "takes over from"


def _same_packets(first: Listener, second: Listener) -> bool:
    """Return whether two IP sockets with the same port may get the same packets."""
    one, other = first[2], second[2]
    units = first[0], second[0]
    if not _families(first) & _families(second):
        return False
    if len({unit.settings.value("BindToDevice") for unit in units}) > 1:
        return False
    if all(unit.settings.on("ReusePort") for unit in units):
        return False
    wide = is_wildcard(one) or is_wildcard(other)
    return wide or (one.host, one.scope) == (other.host, other.scope)


def _families(listener: Listener) -> set[str]:
    """Return the families of addresses that a listener takes."""
    unit, _, address = listener
    if "." in address.host:
        return {"ipv4"}
    if address.host in ("", "::") and not only_ipv6(unit):
        return {"ipv4", "ipv6"}
    return {"ipv6"}


def _apart(first: Unit, second: Unit) -> bool:
    """Return whether two units never run at the same time, or not on the same network."""
    if first is second:
        return False
    for one, other in ((first, second), (second, first)):
        conflicts = " ".join(entry.value for entry in one.lines("Unit", "Conflicts")).split()
        if {other.name, *other.aliases} & set(conflicts):
            return True
    networks = ("PrivateNetwork", "NetworkNamespacePath")
    return any(unit.settings.get(name) for unit in (first, second) for name in networks)


def _hint(first: Listener, second: Listener) -> str:
    """Return what to do about two addresses that clash."""
    hosts = {first[2].host, second[2].host}
    if first[2].is_ip and _families(first) != _families(second) and hosts & {"", "::"}:
        return "write BindIPv6Only=ipv6-only, or leave the IPv4 address out"
    return "leave one out, or choose another address"


def absent_at_boot(unit: Unit, world: World) -> Iterator[Problem]:
    """Find addresses that may not be there yet when the socket starts.

    Sockets start early, before the network has its addresses. One address that cannot be bound
    makes the whole socket unit fail, and nothing tries again. FreeBind=yes binds it anyway.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=192.0.2.7:7777

    Good::

        # echo.socket
        [Socket]
        ListenStream=192.0.2.7:7777
        FreeBind=yes

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    del world
    if unit.type != "socket" or unit.settings.on("FreeBind"):
        return
    for entry, address in listeners(unit):
        if address.is_ip and not is_wildcard(address) and not is_loopback(address):
            message = f"{address.host} may be absent at boot, which fails the whole socket"
            yield Problem(message, "add FreeBind=yes", entry)


def backlog_cut(unit: Unit, world: World) -> Iterator[Problem]:
    """Find a Backlog= that the kernel cuts: net.core.somaxconn is the most.

    That is 4096 unless somebody changes it; on the machine itself its own value counts.
    Without Backlog= the most is asked for anyway.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777
        Backlog=65535

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    entry = unit.settings.get("Backlog") if unit.type == "socket" else None
    if entry is None:
        return
    most = _kernel("core/somaxconn", _SOMAXCONN, world)
    asked = to_integer(entry.value)
    if asked is not None and most < asked < _UINT_MAX:
        message = f"the kernel cuts Backlog={entry.value} to {most}"
        yield Problem(message, "raise net.core.somaxconn, or remove the line", entry)


def buffer_cut(unit: Unit, world: World) -> Iterator[Problem]:
    """Find buffers that the kernel does not give.

    The system's manager may go beyond net.core.rmem_max and wmem_max, but not beyond 2 GiB;
    a user's manager may not, and gets 212992 bytes unless somebody changes these.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777
        ReceiveBuffer=4G

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777
        ReceiveBuffer=8M

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    if unit.type != "socket":
        return
    for name, (knob, usual) in _BUFFER.items():
        entry = unit.settings.get(name)
        size = to_bytes(entry.value) if entry is not None else None
        if entry is None or size is None:
            continue
        most = _kernel(f"core/{knob}", usual, world) if unit.user else _INT_MAX
        if size > most:
            hint = f"raise net.core.{knob}" if unit.user else "write 2047M or less"
            message = f"the kernel gives at most {most} bytes for {name}={entry.value}"
            yield Problem(message, hint, entry)


def privileged_port(unit: Unit, world: World) -> Iterator[Problem]:
    """Find ports below 1024 in a user's unit, which only root may bind.

    Bad::

        # echo.socket (of a user)
        [Socket]
        ListenStream=80

    Good::

        # echo.socket (of a user)
        [Socket]
        ListenStream=8080

        # echo.service (of a user)
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    if unit.type != "socket" or not unit.user:
        return
    first = _kernel("ipv4/ip_unprivileged_port_start", _FIRST_FREE_PORT, world)
    for entry, address in listeners(unit):
        if address.is_ip and address.port < first:
            message = f"a user may not bind port {address.port}"
            hint = f"choose {first} or more, or lower net.ipv4.ip_unprivileged_port_start"
            yield Problem(message, hint, entry)


def boot_cycle(unit: Unit, world: World) -> Iterator[Problem]:
    """Find sockets that wait for what itself waits for all sockets.

    Sockets are started before sockets.target, that before basic.target, and that before
    ordinary services and targets such as network-online.target. systemd breaks such a cycle
    by leaving out one of the units at boot, often the socket.

    Bad::

        # echo.socket
        [Unit]
        After=network-online.target

        [Socket]
        ListenStream=192.0.2.7:7777
        FreeBind=yes

        [Install]
        WantedBy=sockets.target

    Good::

        # echo.socket
        [Socket]
        ListenStream=192.0.2.7:7777
        FreeBind=yes

        [Install]
        WantedBy=sockets.target

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    if not unit.settings.on("DefaultDependencies", default=True):
        return
    # What is started later, by hand or by another unit, waits for nothing any more.
    if not unit.lines("Install", "WantedBy") and not world.enabled(unit):
        return
    for entry in unit.lines("Unit", "After"):
        for word in entry.value.split():
            late = word in _LATE_TARGETS
            other = world.find(word) if word.endswith(".service") else None
            if other is not None and not other.masked:
                late = other.settings.on("DefaultDependencies", default=True)
            if late:
                message = f"{word} comes after basic.target, and that after all sockets"
                hint = "let the service wait for it, and use FreeBind=yes for an address"
                yield Problem(message, hint, entry, focus=word)


def _kernel(knob: str, usual: int, world: World) -> int:
    """Return a limit of the kernel: this machine's if the units are for it."""
    if world.root != "":
        return usual
    try:
        with open(f"/proc/sys/net/{knob}", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return usual
