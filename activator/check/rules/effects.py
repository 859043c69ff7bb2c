"""Settings of sockets that do nothing with what the unit listens on."""

from collections.abc import Iterator

from activator.check.catalogue import lookup
from activator.check.listeners import listeners, words
from activator.check.units import Problem, Unit, World
from activator.unitfile.directives import Directive
from activator.unitfile.kinds import KINDS
from activator.unitfile.parse import Entry

# Directive → the switch without which it does nothing.
_SWITCHES = {
    "KeepAliveTimeSec": "KeepAlive",
    "KeepAliveIntervalSec": "KeepAlive",
    "KeepAliveProbes": "KeepAlive",
    "DeferTriggerMaxSec": "DeferTrigger",
}
_TWINS = {
    "MessageQueueMaxMessages": "MessageQueueMessageSize",
    "MessageQueueMessageSize": "MessageQueueMaxMessages",
}


def without_effect(unit: Unit, _: World) -> Iterator[Problem]:
    """Find settings of a socket that do nothing with what it listens on.

    systemd accepts SocketMode= for a TCP socket, or MaxConnections= without Accept=yes, and says
    nothing: a setting that was meant to protect the socket does not.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777
        SocketMode=0600

    Good::

        # echo.socket
        [Socket]
        ListenStream=/run/echo.sock
        SocketMode=0600

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    if unit.type != "socket" or unit.is_dropin_only:
        return
    known = words(unit)
    if not known:
        return
    for entry in unit.entries:
        if entry.section != "Socket" or entry.name in KINDS or not _counts(entry, unit):
            continue
        directive = lookup("Socket", entry.name)
        if directive is None or directive.man != "systemd.socket(5)":
            continue
        reason = _idle(directive, known, unit)
        if reason:
            yield Problem(f"{entry.name}= does nothing: {reason}", "remove it", entry, on_name=True)


def _idle(directive: Directive, known: set[str], unit: Unit) -> str:
    """Return why a directive does nothing in a socket unit, or nothing if it does something."""
    kinds = set(directive.kinds.split())
    if kinds and not kinds & known:
        # What says no more than the default hurts nobody.
        if unit.settings.value(directive.name) in ("no", "false", "0", directive.default):
            return ""
        if kinds == {"accept"}:
            return "it is for Accept=yes"
        from activator.generate.explain import concern  # noqa: PLC0415 - it loads all that is known of values

        return f"it is for {concern(directive)}, and there are none"
    switch = _SWITCHES.get(directive.name)
    off = ("", "0", "no", "false", "off", "n", "f")
    if switch and unit.settings.value(switch).lower() in off:
        return f"it needs {switch}=yes"
    twin = _TWINS.get(directive.name)
    if twin and unit.settings.get(twin) is None:
        return f"it needs {twin}= beside it"
    return ""


def protocol_not_applied(unit: Unit, _: World) -> Iterator[Problem]:
    """Find a SocketProtocol= that does not fit the listener: systemd silently leaves it out.

    sctp and mptcp go with ListenStream=, udplite with ListenDatagram=.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777
        SocketProtocol=udplite

    Good::

        # echo.socket
        [Socket]
        ListenDatagram=7777
        SocketProtocol=udplite

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    entry = unit.settings.get("SocketProtocol") if unit.type == "socket" else None
    if entry is None or not entry.value:
        return
    kind = "datagram" if entry.value == "udplite" else "stream"
    for line, address in listeners(unit):
        if address.is_ip and address.kind != kind:
            message = f"SocketProtocol={entry.value} does not apply to {line.name}={line.value}"
            directive = "ListenDatagram=" if kind == "datagram" else "ListenStream="
            yield Problem(message, f"it is for {directive}", entry)


def _counts(entry: Entry, unit: Unit) -> bool:
    """Return whether a line is one of those that count in the end."""
    return bool(entry.value) and unit.settings.counts(entry)
