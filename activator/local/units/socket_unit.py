"""From a .socket file to its model, refusing what systemd refuses.

Source: systemd.socket(5).
"""

import math
import re

from activator.address import KINDS, parse
from activator.errors import ActivatorError
from activator.local.units import values
from activator.local.units.command_unit import read_commands
from activator.local.units.conditions_unit import read_conditions
from activator.local.units.exec_unit import read_execution
from activator.local.units.models import Listen, NodeOptions, Rate, SocketOptions, SocketUnit
from activator.local.units.reader import Reader, one_of
from activator.local.units.relations import read_relations
from activator.local.units.service_model import DEFAULT_TIMEOUT
from activator.unit import Entry

_COMMANDS = ("ExecStartPre", "ExecStartPost", "ExecStopPre", "ExecStopPost")
_LONGEST_FDNAME = 255
_PROTOCOLS = {"udplite": ("datagram", 136), "sctp": ("stream", 132), "mptcp": ("stream", 262)}
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
    "KeepAliveProbes": values.unsigned,
    "Priority": values.integer,
    "Mark": values.integer,
    "IPTTL": values.integer,
    "IPTOS": values.type_of_service,
    "ReceiveBuffer": values.size,
    "SendBuffer": values.size,
}
_SECONDS = ("KeepAliveTimeSec", "KeepAliveIntervalSec", "DeferAcceptSec")
_TIMESTAMPS = dict.fromkeys(("us", "usec", "μs", "µs"), "us") | dict.fromkeys(("ns", "nsec"), "ns")


def read_socket(reader: Reader) -> SocketUnit:
    """Make the model of a socket unit.

    Raises:
        ActivatorError: systemd would refuse the unit or skip a line of it.
    """
    accept = reader.value("Socket", "Accept", values.boolean, default=False)
    listens = _listens(reader)
    node = _node(reader)
    _check(reader, listens, node, accept=accept)
    default = "connection" if accept else reader.name
    trigger = Rate(
        reader.value("Socket", "TriggerLimitIntervalSec", values.seconds, 2.0),
        reader.value("Socket", "TriggerLimitBurst", values.unsigned, 200 if accept else 20),
    )
    return SocketUnit(
        name=reader.name,
        place=reader.place,
        listens=listens,
        service=_service(reader, accept=accept),
        accept=accept,
        fdname=reader.value("Socket", "FileDescriptorName", _fdname, default),
        node=node,
        options=_options(reader),
        trigger=trigger,
        poll=_poll(reader, trigger, accept=accept),
        max_connections=_max_connections(reader),
        max_per_source=reader.value("Socket", "MaxConnectionsPerSource", values.unsigned, 0),
        flush=reader.value("Socket", "FlushPending", values.boolean, default=False),
        commands=read_commands(reader, "Socket", _COMMANDS),
        execution=read_execution(reader, "Socket"),
        timeout=reader.value("Socket", "TimeoutSec", values.seconds, DEFAULT_TIMEOUT) or math.inf,
        pass_descriptors=reader.value(
            "Socket", "PassFileDescriptorsToExec", values.boolean, default=False
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


def _check(reader: Reader, listens: tuple[Listen, ...], node: NodeOptions, *, accept: bool) -> None:
    """Refuse the combinations that systemd refuses."""
    if not listens:
        raise ActivatorError(
            "the unit listens on nothing", "add ListenStream= to [Socket]", place=reader.place
        )
    if accept:
        for listen in listens:
            if not listen.address.accepts:
                raise ActivatorError(
                    f"Accept=yes does not go with {listen.address.directive}=",
                    "set Accept=no, or move the line to a socket of its own",
                    place=listen.place,
                )
        for name in ("Service", "DeferTrigger"):
            for entry in reader.entries("Socket", name):
                raise ActivatorError(
                    f"Accept=yes does not go with {name}=", f"remove {name}=", place=entry.place
                )
    nodes = sum(listen.address.has_node for listen in listens)
    if node.symlinks and nodes != 1:
        raise ActivatorError(
            f"Symlinks= needs one path to point to, and the unit has {nodes}",
            "remove it, or keep one Unix socket or FIFO",
            place=reader.place,
        )


def _poll(reader: Reader, trigger: Rate, *, accept: bool) -> Rate:
    """Return PollLimit*=, which systemd knows since 255.

    By default it would slow every service down that leaves its clients waiting, and hide the
    trigger limit, which older versions run into. So the default counts only where no trigger
    limit keeps the service from being started in a loop.
    """
    interval = reader.value("Socket", "PollLimitIntervalSec", values.seconds, 2.0)
    burst = reader.value("Socket", "PollLimitBurst", values.unsigned, 150 if accept else 15)
    given = reader.entries("Socket", "PollLimitIntervalSec", "PollLimitBurst")
    unlimited = trigger.interval <= 0 or trigger.burst <= 0
    return Rate(interval, burst) if given or (unlimited and not accept) else Rate()


def _service(reader: Reader, *, accept: bool) -> str:
    """Return the service's name; the template's for Accept=yes."""
    stem = reader.name.removesuffix(".socket")
    if accept:
        return f"{stem.partition('@')[0]}@.service"
    return reader.value("Socket", "Service", _service_name, f"{stem}.service")


def _service_name(text: str) -> str:
    """Check Service=."""
    if not text.endswith(".service"):
        raise ActivatorError(f"'{text}' is no service", f"write {text}.service")
    if text.endswith("@.service"):
        raise ActivatorError(
            f"{text} is a template", f"name an instance, {text.replace('@.', '@NAME.')}"
        )
    return text


def _max_connections(reader: Reader) -> int:
    """Return MaxConnections=, which must let somebody in."""
    number = reader.value("Socket", "MaxConnections", values.unsigned, 64)
    if number == 0:
        entry = reader.entries("Socket", "MaxConnections")[-1]
        raise ActivatorError("MaxConnections=0 lets nobody in", "give 1 or more", place=entry.place)
    return number


def _node(reader: Reader) -> NodeOptions:
    """Return how the files are made."""
    return NodeOptions(
        mode=reader.value("Socket", "SocketMode", values.mode, 0o666),
        directory_mode=reader.value("Socket", "DirectoryMode", values.mode, 0o755),
        user=reader.text("Socket", "SocketUser"),
        group=reader.text("Socket", "SocketGroup"),
        symlinks=tuple(_absolute(*word) for word in reader.words("Socket", "Symlinks")),
        pipe_size=reader.value("Socket", "PipeSize", values.size, 0),
        writable=reader.value("Socket", "Writable", values.boolean, default=False),
        queue_messages=reader.value("Socket", "MessageQueueMaxMessages", values.integer, 0),
        queue_message_size=reader.value("Socket", "MessageQueueMessageSize", values.size, 0),
    )


def _absolute(text: str, entry: Entry) -> str:
    """Check a path of Symlinks=."""
    if not text.startswith("/"):
        raise ActivatorError(f"{text} is no absolute path", f"write /run/{text}", place=entry.place)
    return text


def _options(reader: Reader) -> SocketOptions:
    """Return what is set on the sockets; what is unset stays with the kernel."""
    # Files are always removed at the end here, so RemoveOnStop= is as good as honoured.
    reader.entries("Socket", "RemoveOnStop")
    found: dict[str, int | str] = {}
    for name in _BOOLEANS:
        if reader.value("Socket", name, values.boolean, default=False):
            found[name] = 1
    if not reader.value("Socket", "AcceptFileDescriptors", values.boolean, default=True):
        found["AcceptFileDescriptors"] = 0
    for name, read in _NUMBERS.items():
        number = reader.value("Socket", name, read, -1)
        # To systemd 0 is an unset buffer and a negative priority or mark is unset.
        if number > 0 or (number == 0 and name in ("Priority", "Mark", "IPTOS")):
            found[name] = number
    for name in _SECONDS:
        if span := reader.value("Socket", name, values.seconds, 0.0):
            found[name] = int(min(span, values.LONGEST))  # whole seconds: fractions are cut
    if stamp := reader.value("Socket", "Timestamping", _timestamping, ""):
        found[f"Timestamping:{stamp}"] = 1
    if congestion := reader.text("Socket", "TCPCongestion"):
        found["TCPCongestion"] = congestion
    return SocketOptions(
        values=found,
        bind_ipv6_only=reader.value("Socket", "BindIPv6Only", _bind_ipv6_only, "default"),
        device=reader.value("Socket", "BindToDevice", _device, ""),
        backlog=reader.value("Socket", "Backlog", values.unsigned, 0xFFFFFFFF),
        protocols=reader.value("Socket", "SocketProtocol", _protocol, {}),
    )


def _timestamping(text: str) -> str:
    """Read Timestamping=."""
    if text == "off":
        return ""
    return _TIMESTAMPS[one_of("off", *_TIMESTAMPS)(text)]


def _bind_ipv6_only(text: str) -> str:
    """Read BindIPv6Only=, where booleans are understood, too."""
    if text in ("default", "both", "ipv6-only"):
        return text
    return "ipv6-only" if values.boolean(text) else "both"


def _device(text: str) -> str:
    """Read BindToDevice=."""
    return "" if text == "*" else text


def _protocol(text: str) -> dict[str, int]:
    """Read SocketProtocol=: kind → protocol; other kinds keep the usual one."""
    kind, number = _PROTOCOLS[one_of(*_PROTOCOLS)(text)]
    return {kind: number}


def _fdname(text: str) -> str:
    """Read FileDescriptorName=."""
    if not re.fullmatch(r"[ -9;-~]+", text) or len(text) > _LONGEST_FDNAME:
        raise ActivatorError(
            f"'{text}' is no name for a descriptor",
            f"use up to {_LONGEST_FDNAME} printable ASCII characters without a colon",
        )
    return text
