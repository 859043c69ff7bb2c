"""The ``.socket`` units of a spec."""

from collections.abc import Iterator

from activator.generate.render import defaults
from activator.generate.render.lines import Line, Unit, line, sections
from activator.generate.specfile.names import escape
from activator.generate.specfile.spec import Mode, Setting, Socket, Spec
from activator.unitfile import address, quoting, specifiers

# Listen directives that bind a network address, and those that make a node in the file system.
_BINDING = frozenset({"ListenStream", "ListenDatagram", "ListenSequentialPacket"})
_LIMITS = {"MaxConnections": "--max-connections", "MaxConnectionsPerSource": "--max-per-source"}
_NODES = frozenset({"ListenFIFO"})
_WILDCARDS = frozenset({"", "0.0.0.0", "::"})


def prefix(spec: Spec, socket: Socket) -> str:
    """Return the name of a socket's unit without its suffix.

    The only socket has the spec's name. Of several, each has its own as well, but for the
    only per-connection one: systemd names its instances after the socket.
    """
    if len(spec.sockets) == 1:
        return spec.name
    each = [other for other in spec.sockets if other.mode is Mode.PER_CONNECTION]
    if each == [socket] and len(each) < len(spec.sockets):
        return spec.name
    return f"{spec.name}-{escape(socket.fdname)}"


def service(spec: Spec) -> str:
    """Return the name of the unit that the shared sockets start.

    With a proxy, NAME.service is still the program: what `systemctl status NAME` and
    `journalctl -u NAME` are asked for, and where drop-ins for it go.
    """
    return f"{spec.name}-proxy.service" if spec.proxy else f"{spec.name}.service"


def unit(spec: Spec, socket: Socket) -> Unit:
    """Return the unit of one socket."""
    name = prefix(spec, socket)
    given = {(setting.section, setting.name) for setting in socket.settings}
    conditions = _conditions(socket)
    if spec.proxy:
        conditions |= {"proxied"}
    elif _is_inetd_wait(spec, socket):
        conditions |= {"inetd-wait"}
    kept = limits(socket)

    def section(name: str, *own: Line) -> tuple[str, list[Line]]:
        lines = [*_shared_conditions(spec)] if name == "Unit" else []
        lines += [
            line(name, setting.name, setting.value)
            for setting in socket.settings
            if setting.section == name and setting not in kept
        ]
        lines += [made for made in own if (name, made.name) not in given]
        return name, lines + defaults.lines(
            "socket", name, conditions, spec.systemd, {}, given=given
        )

    shared = socket.mode is not Mode.PER_CONNECTION
    warm = socket.mode is Mode.WARM
    own = [
        line("Socket", "FileDescriptorName", quoting.raw(socket.fdname), "names the descriptors"),
        line("Socket", "Accept", "no" if shared else "yes", _accept(socket.mode)),
    ]
    if shared and not warm and f"{name}.service" != service(spec):
        why = "the proxy takes the connections" if spec.proxy else "all sockets, one service"
        own.append(line("Socket", "Service", service(spec), why))
    described = line("Unit", "Description", quoting.raw(_description(spec, socket)))
    return Unit(
        f"{name}.socket",
        sections([section("Unit", described), section("Socket", *own), section("Install")]),
    )


def _shared_conditions(spec: Spec) -> Iterator[Line]:
    """Yield the conditions that the spec gives its service."""
    why = "without it the socket would start what is skipped, again and again, until it fails"
    for setting in spec.settings:
        if setting.section == "Unit" and setting.name.startswith(("Condition", "Assert")):
            yield line("Unit", setting.name, setting.value, why)


def _is_inetd_wait(spec: Spec, socket: Socket) -> bool:
    """Tell whether a program gets the listening socket itself as its standard input."""
    given = (item.value for item in spec.settings if item.name == "StandardInput")
    return socket.mode is Mode.SHARED and list(given)[-1:] == ["socket"]


def _description(spec: Spec, socket: Socket) -> str:
    """Return what the socket is, in words."""
    what = f"socket {socket.fdname}" if len(spec.sockets) > 1 else "socket"
    return f"{spec.description} ({what})"


def limits(socket: Socket) -> dict[Setting, str]:
    """Return the limits that the runtime keeps in place of systemd, and its options for them."""
    if socket.mode is not Mode.WARM:
        return {}
    return {item: _LIMITS[item.name] for item in socket.settings if item.name in _LIMITS}


def _accept(mode: Mode) -> str:
    """Return what Accept= means."""
    if mode is Mode.WARM:
        return "one service gets all connections, and gives each a process of its own"
    if mode is Mode.SHARED:
        return "one service gets the listening descriptors and all connections"
    return "each connection gets an instance of its own"


def _conditions(socket: Socket) -> frozenset[str]:
    """Return what holds for a socket, for the table of defaults."""
    found = {socket.mode.value}
    for setting in socket.settings:
        if setting.name in _NODES and setting.value:
            found.add("path-node")
        elif setting.name in _BINDING and setting.value:
            found |= _address_conditions(setting)
    if "network" in found and "local" not in found:
        found.add("network-alone")
    return frozenset(found)


def _address_conditions(setting: Setting) -> set[str]:
    """Return what holds for an address."""
    text = specifiers.sample(setting.value) if "%" in setting.value else setting.value
    if text.startswith("/"):
        return {"path-node", "local"}
    parsed = address.parse(setting.name, text)
    if not parsed.is_ip:
        return {"local"}
    return {"network"} if parsed.host in _WILDCARDS else {"network", "concrete-address"}
