"""Addresses to listen on, and filters on the network."""

import _socket as socket  # without the enumerations that the rest of it makes when imported
import re

from activator.common.integers import to_integer
from activator.unitfile.unquoting import CUNESCAPE, RETAIN, fields, words
from activator.unitfile.values.enums import known
from activator.unitfile.values.paths import absolute, below_api_tree
from activator.unitfile.values.verdict import BROKEN, LEGACY_PATH, Context, Rejected, Verdict, note

_VSOCK_TYPES_SINCE = 254
_API_TREES_SINCE = 257
_PORT_MAX = 65535
_NFT_NAME = r"[A-Za-z][A-Za-z0-9/\\_.]{0,30}"
_VAR_RUN_SINCE = 257
_ZERO_PORT_SINCE = 257
_UNIX_PATH_MAX = 107
_LOCALHOST = r"(?i)(.*\.)?localhost(\.localdomain)?\.?"
_SHORTCUTS = ("any", "link-local", "multicast")


# Their paths are opened when the unit starts; the root directory is found out then.
_OPENED = ("ListenFIFO", "ListenSpecial", "ListenMessageQueue", "ListenUSBFunction")


def address(value: str, context: Context) -> Verdict | None:
    """Check what a Listen*= directive listens on."""
    # Imported here: not every set of values holds an address.
    from activator.unitfile.address import parse  # noqa: PLC0415 - see above
    from activator.unitfile.address_refusal import AddressError  # noqa: PLC0415

    name, version = context.directive.name, context.version
    if version < _VSOCK_TYPES_SINCE and re.match(r"vsock-[a-z]+:", value):
        raise Rejected(f"systemd {version} takes no type here", "write vsock:CID:PORT")
    if name == "ListenMessageQueue":
        simple = absolute(value)
        if version >= _API_TREES_SINCE and below_api_tree(simple):
            raise Rejected("the path is below /proc, /sys or /dev", "write /NAME")
        if "/" in simple[1:]:
            hint = f"write /{simple.rsplit('/', 1)[1]}"
            return note("the kernel takes one slash, in front", hint, BROKEN)
    text = value
    if name in ("ListenFIFO", "ListenUSBFunction") and version < _API_TREES_SINCE:
        simple = absolute(value)
        text = "/run" + simple if below_api_tree(simple) else value
    try:
        parse(name, text)
    except AddressError as error:
        if _is_unix_path(name, value) or (name in _OPENED and not value.strip("/")):
            return note(error.what, error.hint, BROKEN)
        raise Rejected(error.what, error.hint) from None
    if version >= _VAR_RUN_SINCE and re.match(r"/+var/+run/+.", value):
        changed = re.sub(r"^/+var/+run", "/run", value)
        return note("/var/run is a legacy directory", f"write {changed}", code=LEGACY_PATH)
    return None


def ip_prefixes(value: str, _: Context) -> Verdict | None:
    """Check a list of ADDRESS[/LENGTH], ``any``, ``localhost`` and the like."""
    for word in words(value, "plain"):
        if word not in _SHORTCUTS and not re.fullmatch(_LOCALHOST, word) and not _is_prefix(word):
            hint = "write 192.0.2.0/24, 2001:db8::/32, any, localhost, link-local or multicast"
            raise Rejected(f"{word!r} is neither an address nor a network", hint)
    return None


def socket_bind(value: str, context: Context) -> Verdict | None:
    """Check ``[FAMILY:][PROTOCOL:]PORTS``, ``any`` for all ports."""
    rest = fields(value)
    for taken in (("ipv4", "ipv6"), ("tcp", "udp")):
        if rest and (rest[0] if "ipv4" in taken else rest[0].lower()) in taken:
            del rest[0]
    lowest = 0 if context.version >= _ZERO_PORT_SINCE else 1
    if len(rest) > 1 or (rest and rest[0] != "any" and not _is_port_range(rest[0], lowest)):
        raise Rejected("this is not a rule", "write PORT, LOW-HIGH, any, tcp:PORT or ipv6:udp:PORT")
    return None


def nft_sets(value: str, context: Context) -> Verdict | None:
    """Check a list of ``SOURCE:FAMILY:TABLE:SET``."""
    families = known("nft-family", context.version)
    for word in words(value, RETAIN):
        parts = fields(word, coalesce=True, mode=CUNESCAPE)
        if len(parts) != 4:  # noqa: PLR2004 - four parts
            raise Rejected(f"{word!r} has not four parts", "write cgroup:inet:TABLE:SET")
        if parts[0] not in ("cgroup", "user", "group"):
            raise Rejected(f"{parts[0]!r} is not a source", "write cgroup, user or group")
        if parts[1] not in families:
            raise Rejected(f"{parts[1]!r} is not a family", f"write {', '.join(sorted(families))}")
        for name in parts[2:]:
            if not re.fullmatch(_NFT_NAME, name):
                raise Rejected(f"{name!r} is not a name", "use letters, digits and _, 31 at most")
    return None


def bpf_program(value: str, context: Context) -> Verdict | None:
    """Check ``ATTACH-TYPE:PATH`` of a BPF program."""
    kind, *rest = fields(value, coalesce=True)
    types = known("bpf-attach", context.version)
    if not rest or not ":".join(rest):
        raise Rejected("the program's path is missing", "write ingress:/sys/fs/bpf/NAME")
    if kind not in types:
        raise Rejected(f"{kind!r} is not a type", "write ingress, egress, bind4...")
    absolute(":".join(rest))
    return None


def _is_prefix(word: str) -> bool:
    """Return whether a word is an address, with a length or without."""
    host, slash, length = word.partition("/")
    for family, bits in ((socket.AF_INET, 32), (socket.AF_INET6, 128)):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        number = to_integer(length) if slash else 0
        return number is not None and 0 <= number <= bits
    return False


def _is_unix_path(name: str, value: str) -> bool:
    """Return whether systemd takes a value as a Unix socket's path, as it stands."""
    return name in ("ListenStream", "ListenDatagram", "ListenSequentialPacket") and (
        value.startswith("/") and 1 < len(value.encode(errors="replace")) <= _UNIX_PATH_MAX
    )


def _is_port_range(text: str, lowest: int) -> bool:
    """Return whether a text is a port or a range of them."""
    low, dash, high = text.partition("-")
    first = to_integer(low)
    last = to_integer(high) if dash else first
    if first is None or last is None:
        return False
    return lowest <= first <= last <= _PORT_MAX
