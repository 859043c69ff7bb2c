"""From a .socket file to its model, refusing what systemd refuses.

Source: systemd.socket(5).
"""

import math

from activator.errors import ActivatorError
from activator.local.units.command_unit import read_commands
from activator.local.units.conditions_unit import read_conditions
from activator.local.units.exec_unit import read_execution
from activator.local.units.models import Listen, NodeOptions, Rate, SocketOptions, SocketUnit
from activator.local.units.reader import Reader
from activator.local.units.relations import read_relations
from activator.local.units.service_model import DEFAULT_TIMEOUT
from activator.unitfile import read, refusals
from activator.unitfile.address import parse
from activator.unitfile.directives import NEWEST
from activator.unitfile.kinds import KINDS

_COMMANDS = ("ExecStartPre", "ExecStartPost", "ExecStopPre", "ExecStopPost")
# systemd's own: as long as listen(2) can be told.
_BACKLOG = 0x7FFFFFFF
# systemd's own, of a limit's burst that is not set.
_UNSET = 0xFFFFFFFF
# The kernel's largest number of seconds, for spans such as infinity.
_LONGEST = 0x7FFFFFFF
_TOS = {"low-delay": 0x10, "throughput": 0x08, "reliability": 0x04, "low-cost": 0x02}
_PROTOCOLS = {
    **dict.fromkeys(("udplite", "136"), ("datagram", 136)),
    **dict.fromkeys(("sctp", "132"), ("stream", 132)),
    **dict.fromkeys(("mptcp", "262"), ("stream", 262)),
}


def _type_of_service(text: str) -> int:
    """Read IPTOS=."""
    return _TOS[text] if text in _TOS else read.integer(text)


_BOOLEANS = (
    "KeepAlive",
    "NoDelay",
    "Broadcast",
    "PassCredentials",
    "PassPIDFD",
    "PassSecurity",
    "PassPacketInfo",
    "ReusePort",
    "FreeBind",
    "Transparent",
)
_NUMBERS = {
    "KeepAliveProbes": read.integer,
    "Priority": read.integer,
    "Mark": read.integer,
    "IPTTL": read.integer,
    "IPTOS": _type_of_service,
    "ReceiveBuffer": read.size,
    "SendBuffer": read.size,
}
_SECONDS = ("KeepAliveTimeSec", "KeepAliveIntervalSec", "DeferAcceptSec")
_TIMESTAMPS = dict.fromkeys(("us", "usec", "μs", "µs"), "us") | dict.fromkeys(("ns", "nsec"), "ns")


def read_socket(reader: Reader) -> SocketUnit:
    """Make the model of a socket unit.

    Raises:
        ActivatorError: systemd would refuse the unit, or cannot listen there.
    """
    reader.refuse(refusals.socket(reader.settings, NEWEST))
    accept = reader.value("Socket", "Accept", read.boolean, default=False)
    default = "connection" if accept else reader.name
    trigger = _rate(reader, "TriggerLimit", 200 if accept else 20)
    return SocketUnit(
        name=reader.name,
        place=reader.place,
        listens=_listens(reader),
        service=_service(reader, accept=accept),
        accept=accept,
        fdname=reader.text("Socket", "FileDescriptorName", default),
        node=_node(reader),
        options=_options(reader),
        trigger=trigger,
        poll=_poll(reader, trigger, accept=accept),
        max_connections=reader.value("Socket", "MaxConnections", read.integer, 64),
        max_per_source=reader.value("Socket", "MaxConnectionsPerSource", read.integer, 0),
        flush=reader.value("Socket", "FlushPending", read.boolean, default=False),
        commands=read_commands(reader, "Socket", _COMMANDS),
        execution=read_execution(reader, "Socket"),
        timeout=reader.value("Socket", "TimeoutSec", read.seconds, DEFAULT_TIMEOUT) or math.inf,
        pass_descriptors=reader.value(
            "Socket", "PassFileDescriptorsToExec", read.boolean, default=False
        ),
        relations=read_relations(reader),
        conditions=read_conditions(reader),
    )


def _listens(reader: Reader) -> tuple[Listen, ...]:
    """Return what the unit listens on; an empty line of any kind clears them all."""
    listens = []
    for entry in reader.entries("Socket", *KINDS):
        try:
            listens.append(Listen(parse(entry.name, reader.expand(entry)), entry.place))
        except ActivatorError as error:
            raise error.at(entry.place)  # noqa: B904 - the same error, with its place
    return tuple(listens)


def _poll(reader: Reader, trigger: Rate, *, accept: bool) -> Rate:
    """Return PollLimit*=, which systemd knows since 255.

    By default it would slow every service down that leaves its clients waiting, and hide the
    trigger limit, which older versions run into. So the default counts only where no trigger
    limit keeps the service from being started in a loop.
    """
    rate = _rate(reader, "PollLimit", 150 if accept else 15)
    given = reader.entries("Socket", "PollLimitIntervalSec", "PollLimitBurst")
    unlimited = trigger.interval <= 0 or trigger.burst <= 0
    return rate if given or (unlimited and not accept) else Rate()


def _rate(reader: Reader, name: str, burst: int) -> Rate:
    """Return a limit; what stands for none in systemd stands for its default there, too."""
    interval = reader.value("Socket", f"{name}IntervalSec", read.seconds, 2.0)
    most = reader.value("Socket", f"{name}Burst", read.integer, burst)
    return Rate(2.0 if math.isinf(interval) else interval, burst if most == _UNSET else most)


def _service(reader: Reader, *, accept: bool) -> str:
    """Return the service's name; the template's for Accept=yes."""
    stem = reader.name.removesuffix(".socket")
    if accept:
        return reader.canonical(f"{stem.partition('@')[0]}@.service")
    return reader.canonical(reader.text("Socket", "Service", f"{stem}.service"))


def _node(reader: Reader) -> NodeOptions:
    """Return how the files are made."""
    return NodeOptions(
        mode=reader.value("Socket", "SocketMode", read.mode, 0o666),
        directory_mode=reader.value("Socket", "DirectoryMode", read.mode, 0o755),
        user=reader.text("Socket", "SocketUser"),
        group=reader.text("Socket", "SocketGroup"),
        symlinks=reader.paths("Socket", "Symlinks"),
        pipe_size=reader.value("Socket", "PipeSize", read.size, 0),
        writable=reader.value("Socket", "Writable", read.boolean, default=False),
        queue_messages=reader.value("Socket", "MessageQueueMaxMessages", read.integer, 0),
        queue_message_size=reader.value("Socket", "MessageQueueMessageSize", read.size, 0),
    )


def _options(reader: Reader) -> SocketOptions:
    """Return what is set on the sockets; what is unset stays with the kernel."""
    # Files are always removed at the end here, so RemoveOnStop= is as good as honoured.
    reader.entries("Socket", "RemoveOnStop")
    # What DeferTrigger= excludes has been refused.
    reader.entries("Socket", "DeferTrigger")
    found: dict[str, int | str] = {}
    for name in _BOOLEANS:
        if reader.value("Socket", name, read.boolean, default=False):
            found[name] = 1
    if not reader.value("Socket", "AcceptFileDescriptors", read.boolean, default=True):
        found["AcceptFileDescriptors"] = 0
    for name, meaning in _NUMBERS.items():
        number = reader.value("Socket", name, meaning, -1)
        # To systemd 0 is an unset buffer and a negative priority or mark is unset.
        if number > 0 or (number == 0 and name in ("Priority", "Mark", "IPTOS")):
            found[name] = number
    for name in _SECONDS:
        if span := reader.value("Socket", name, read.seconds, 0.0):
            found[name] = int(min(span, _LONGEST))  # whole seconds: fractions are cut
    if stamp := reader.value("Socket", "Timestamping", _timestamping, ""):
        found[f"Timestamping:{stamp}"] = 1
    if congestion := reader.text("Socket", "TCPCongestion"):
        found["TCPCongestion"] = congestion
    return SocketOptions(
        values=found,
        bind_ipv6_only=reader.value("Socket", "BindIPv6Only", _bind_ipv6_only, "default"),
        device=reader.value("Socket", "BindToDevice", _device, ""),
        backlog=reader.value("Socket", "Backlog", read.integer, _BACKLOG),
        protocols=reader.value("Socket", "SocketProtocol", _protocol, {}),
    )


def _timestamping(text: str) -> str:
    """Read Timestamping=."""
    if text == "off":
        return ""
    return _TIMESTAMPS.get(text) or ("ns" if read.boolean(text) else "")


def _bind_ipv6_only(text: str) -> str:
    """Read BindIPv6Only=, where booleans are understood, too."""
    if text in ("default", "both", "ipv6-only"):
        return text
    return "ipv6-only" if read.boolean(text) else "both"


def _device(text: str) -> str:
    """Read BindToDevice=."""
    return "" if text == "*" else text


def _protocol(text: str) -> dict[str, int]:
    """Read SocketProtocol=: kind → protocol; other kinds keep the usual one."""
    kind, number = _PROTOCOLS[text.lower()]
    return {kind: number}
