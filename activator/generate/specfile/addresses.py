"""No address is listened on twice."""

from activator.errors import ActivatorError
from activator.generate.specfile.directives import Report
from activator.generate.specfile.spec import Path, Socket, Spec
from activator.unitfile import address, kinds
from activator.unitfile.values.numbers import BOOLEANS


def check(spec: Spec, report: Report) -> None:
    """Note addresses that two lines of a spec listen on: the second bind(2) fails.

    Args:
        spec: The spec.
        report: Called with each mistake.
    """
    if sum(map(len, (socket.settings for socket in spec.sockets))) < 2:  # noqa: PLR2004 - one line
        return
    seen: dict[tuple[object, ...], tuple[Path, bool]] = {}
    for socket in spec.sockets:
        shares = _shares_ports(socket)
        for setting in socket.settings:
            key = _key(setting.name, setting.value)
            if key is None:
                continue
            before, shared = seen.setdefault(key, (setting.path, False))
            # SO_REUSEPORT is for the addresses of IP, and both must ask for it: socket(7).
            if before != setting.path and not (shares and shared and key[0] == "ip"):
                place = spec.place(before)
                what = f"{setting.name}={setting.value} is already listened on by {place}"
                report(ActivatorError(what, "remove one of the two"), setting.path)
            seen[key] = (before, shares)


def _key(directive: str, value: str) -> tuple[object, ...] | None:
    """Return what an address has in common with all others that it cannot stand beside."""
    if directive not in kinds.KINDS or not value:
        return None
    if "%" in value:
        # Whatever the specifiers stand for, they do so twice; no path is two nodes.
        return ("path" if value[0] in "%/@" else directive), value
    try:
        found = address.parse(directive, value)
    except ActivatorError:
        return None
    if found.is_ip:
        host = "" if found.host == "::" else found.host
        return "ip", found.kind, host, found.port, found.scope
    if found.path:
        return "path", found.path
    return "other", *found


def _shares_ports(socket: Socket) -> bool:
    """Tell whether a socket has ReusePort=yes."""
    values = [setting.value for setting in socket.settings if setting.name == "ReusePort"]
    return bool(values) and BOOLEANS.get(values[-1].lower(), False)
