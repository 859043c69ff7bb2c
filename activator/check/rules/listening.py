"""Rules about addresses: what cannot be bound, is bound twice, or is cut by the kernel."""

from collections.abc import Iterator
from itertools import combinations

from activator.check.listeners import is_wildcard, listeners, only_ipv6
from activator.check.units import INFO, Problem, Unit, World
from activator.common.integers import to_integer
from activator.unitfile.address import Address
from activator.unitfile.parse import Entry
from activator.unitfile.values.sizes import to_bytes

# What Linux has unless somebody changes it.
_SOMAXCONN = 4096
_BUFFER = {"ReceiveBuffer": ("rmem_max", 212_992), "SendBuffer": ("wmem_max", 212_992)}
_FIRST_FREE_PORT = 1024
_INT_MAX = 2**31 - 1
_UINT_MAX = 2**32 - 1
Listener = tuple[Unit, Entry, Address]


def same_address(world: World) -> Iterator[Problem]:
    """Find two sockets that cannot both listen: the second one fails to start.

    A bare port and [::] take IPv4, too, unless BindIPv6Only=ipv6-only; every address takes in
    each single one. ReusePort=yes in both units, different devices of BindToDevice= and
    Conflicts= between the units avoid the conflict. With UDP, FIFOs and Unix paths nothing fails,
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


def ipv4_left_out(unit: Unit, world: World) -> Iterator[Problem]:
    """Find ports at which IPv4 is refused because BindIPv6Only=ipv6-only stands elsewhere.

    A bare port is [::], which takes IPv4, too, but not with BindIPv6Only=ipv6-only: then an
    IPv4 address is needed beside it. A drop-in that sets a new port inherits that line.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=0.0.0.0:7777
        ListenStream=[::]:7777
        BindIPv6Only=ipv6-only

        # echo.socket.d/port.conf
        [Socket]
        ListenStream=
        ListenStream=8888

    Good::

        # echo.socket
        [Socket]
        ListenStream=0.0.0.0:7777
        ListenStream=[::]:7777
        BindIPv6Only=ipv6-only

        # echo.socket.d/port.conf
        [Socket]
        ListenStream=
        ListenStream=0.0.0.0:8888
        ListenStream=[::]:8888

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    del world
    switch = unit.settings.get("BindIPv6Only") if unit.type == "socket" else None
    if switch is None or not only_ipv6(unit):
        return
    known = listeners(unit)
    ipv4 = {(one.kind, one.port) for _, one in known if "." in one.host}
    files = [file.name for file in unit.files]
    for entry, address in known:
        if not address.is_ip or address.host not in ("", "::"):
            continue
        elsewhere = files.index(entry.file) > files.index(switch.file)
        # Who writes both lines, or [::], into one file knows what they do.
        if (address.kind, address.port) not in ipv4 and (elsewhere or not address.host):
            message = f"IPv4 clients are refused here, since BindIPv6Only={switch.value}"
            hint = f"add {entry.name}=0.0.0.0:{address.port}, or BindIPv6Only=both"
            severity = "" if elsewhere else INFO
            yield Problem(message, hint, entry, severity=severity)


def backlog_cut(unit: Unit, world: World) -> Iterator[Problem]:
    """Find a Backlog= that the kernel cuts: net.core.somaxconn is the most.

    The limit is 4096 unless somebody changes it; on the machine itself, its own value counts.
    Without Backlog=, systemd asks for the longest queue anyway.

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


def _kernel(knob: str, usual: int, world: World) -> int:
    """Return a limit of the kernel: this machine's if the units are for it."""
    if world.root != "":
        return usual
    try:
        with open(f"/proc/sys/net/{knob}", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return usual
