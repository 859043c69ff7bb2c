"""What a socket unit listens on, as addresses."""

from activator.check.units import Unit
from activator.errors import ActivatorError
from activator.unitfile import specifiers
from activator.unitfile.address import Address, parse
from activator.unitfile.parse import Entry

_WILDCARDS = ("", "0.0.0.0", "::")
# Instances that make an address of one, where it is no path.
_INSTANCES = ("1", "127.0.0.1", "127.0.0.1:1", "/x")
_LOOPBACK = ("127.", "::1")


def listeners(unit: Unit) -> list[tuple[Entry, Address]]:
    """Return the addresses of a socket unit with their lines; unreadable ones are left out.

    Specifiers that depend on the machine have their usual values.
    """
    known = unit.notes.get("listeners")
    if known is None:
        known = unit.notes["listeners"] = []
        for entry in unit.settings.all("Listen") if unit.type == "socket" else ():
            # Of a template, what its instances listen on is not known.
            instances = ("%i", *_INSTANCES) if unit.is_template else (unit.instance,)
            for instance in instances:
                text = specifiers.sample(_named(entry.value, unit, instance))
                try:
                    known.append((entry, parse(entry.name, text)))
                except ActivatorError:
                    continue
                break
    return known


def _named(value: str, unit: Unit, instance: str) -> str:
    """Expand the specifiers of a value that stand for the unit's own name."""
    if "%" not in value:
        return value
    table = {"n": unit.name, "N": unit.stem, "p": unit.prefix, "i": instance, "I": instance}
    for letter, text in table.items():
        value = value.replace(f"%{letter}", text.replace("%", "%%"))
    return value


def words(unit: Unit) -> set[str]:
    """Return what the listeners of a unit are, in the words of the catalogue's column "kinds"."""
    found: set[str] = set()
    for _, address in listeners(unit):
        found.add(address.kind)
        if address.is_ip:
            found.add("ip")
            # A bare port is both; so is [::], unless BindIPv6Only= says otherwise.
            dual = address.host in ("", "::") and not only_ipv6(unit)
            found |= {"ipv4", "ipv6"} if dual else {"ipv4" if "." in address.host else "ipv6"}
            found.add("tcp" if address.kind == "stream" else "udp")
        elif address.kind in ("stream", "datagram", "seqpacket") and address.path:
            found |= {"unix"} if address.is_abstract else {"unix", "path"}
    if found:
        found.add("accept" if unit.settings.on("Accept") else "shared")
    return found


def only_ipv6(unit: Unit) -> bool:
    """Return whether an IPv6 socket of the unit takes no IPv4."""
    value = unit.settings.value("BindIPv6Only")
    return value in ("ipv6-only", "yes", "true", "1", "on", "y", "t")


def is_wildcard(address: Address) -> bool:
    """Tell whether an IP address stands for every address of the machine."""
    return address.is_ip and address.host in _WILDCARDS


def is_loopback(address: Address) -> bool:
    """Tell whether only this machine reaches an IP address."""
    return address.is_ip and address.host.startswith(_LOOPBACK)
