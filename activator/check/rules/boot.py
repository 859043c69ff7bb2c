"""Rules about the start of the system: what a socket waits for, and what may not be there."""

from collections.abc import Iterator

from activator.check.listeners import is_loopback, is_wildcard, listeners
from activator.check.ordering import Step, cycle, is_started
from activator.check.units import Problem, Unit, World, expand, service_name

# Reached after basic.target, which itself waits for all sockets.
_ONLINE = "network-online.target"
_LATE_TARGETS = (
    "sockets.target",
    "basic.target",
    "multi-user.target",
    "graphical.target",
    "default.target",
)


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
    if unit.type != "socket" or unit.settings.on("FreeBind") or _waits_for_network(unit):
        return
    for entry, address in listeners(unit):
        if address.is_ip and not is_wildcard(address) and not is_loopback(address):
            message = f"{address.host} may be absent at boot, which fails the whole socket"
            yield Problem(message, "add FreeBind=yes", entry)


def _waits_for_network(unit: Unit) -> bool:
    """Return whether a socket waits until the network has its addresses."""
    named = {
        name: {word for word, _ in unit.words("Unit", name)}
        for name in ("After", "Wants", "Requires", "BindsTo")
    }
    pulled = named["Wants"] | named["Requires"] | named["BindsTo"]
    return _ONLINE in named["After"] & pulled


def boot_cycle(unit: Unit, world: World) -> Iterator[Problem]:
    """Find sockets that wait for a unit which itself waits for all sockets.

    Sockets are started before sockets.target, which comes before basic.target, which comes
    before ordinary services and targets such as multi-user.target. systemd breaks such a cycle
    by leaving out one of the units at boot, often the socket.

    Bad::

        # echo.socket
        [Unit]
        After=multi-user.target

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
    # What is started later, by hand or by another unit, waits for nothing any more.
    if not is_started(unit, world):
        return
    for way in cycle(unit, world):
        first = way[0]
        late = next((step.name for step in way[1:] if step.name in _LATE_TARGETS), "")
        if first.name in _LATE_TARGETS or late:
            late = "basic.target" if late in ("", "sockets.target") else late
            message = f"{first.name} comes after {late}, which comes after all sockets"
        else:
            message = f"{first.name} comes after {unit.name}, which waits for it"
        hint = "order the service after it in place of the socket; FreeBind=yes listens before it"
        if first.unit is not None and first.unit is not unit:
            message = f"{unit.name} waits for it in a cycle: {message}"
            hint = f"write Before={service_name(unit)}, or add DefaultDependencies=no"
        yield Problem(message, hint, first.entry, focus=_word(first, unit))


def _word(step: Step, unit: Unit) -> str:
    """Return the word of a step's line that makes it."""
    if step.entry is None or step.unit is None:
        return ""
    name = step.name if step.unit is unit else unit.name
    words = step.entry.value.split()
    return next((word for word in words if expand(word, step.unit) == name), "")
