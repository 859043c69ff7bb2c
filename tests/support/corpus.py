"""Specs of every kind of socket, in every mode: what the generator is held to."""

from typing import NamedTuple


class Listener(NamedTuple):
    """One way to listen.

    Attributes:
        directive: One of the eight Listen directives.
        address: Its value, as in a unit file.
        seen: How tests/boxes/inside/show_open.py shows it once the socket unit listens; None
            where a box cannot open it.
        since: The first systemd that knows it.
        settings: Further lines of the socket's table.
        service: Lines of the service's table.
    """

    directive: str
    address: str
    seen: str | None = None
    since: int = 0
    settings: str = ""
    service: str = ""


_USB = """\
USBFunctionDescriptors = "/etc/usb/descriptors"
USBFunctionStrings = "/etc/usb/strings"
"""
_SCTP = 'SocketProtocol = "sctp"'
_MPTCP = 'SocketProtocol = "mptcp"'
_DIR = "/run/corpus"

LISTENERS = (
    Listener("ListenStream", "7101", "tcp *:7101"),
    Listener("ListenStream", "127.0.0.1:7102", "tcp 127.0.0.1:7102"),
    Listener("ListenStream", "[::1]:7103", "tcp [::1]:7103"),
    Listener("ListenStream", "[fe80::1]:7104%%lo", "tcp [fe80::1]%lo:7104"),
    Listener("ListenStream", "[::]:7105", "tcp [::]:7105", settings='BindIPv6Only = "ipv6-only"'),
    Listener("ListenStream", f"{_DIR}/stream", f"u_str {_DIR}/stream"),
    Listener("ListenStream", "%t/corpus/specifier", f"u_str {_DIR}/specifier"),
    Listener("ListenStream", "@corpus-stream", "u_str @corpus-stream"),
    # Not every kernel has these; that systemd takes them is shown by the units alone.
    Listener("ListenStream", "vsock:2:7106"),
    Listener("ListenStream", "vsock::7107"),
    Listener("ListenStream", "7108", settings=_SCTP),
    Listener("ListenStream", "127.0.0.1:7109", "mptcp 127.0.0.1:7109", 257, _MPTCP),
    Listener("ListenDatagram", "7110", "udp *:7110"),
    Listener("ListenDatagram", "127.0.0.1:7111", "udp 127.0.0.1:7111"),
    Listener("ListenDatagram", "[::1]:7112", "udp [::1]:7112"),
    Listener("ListenDatagram", f"{_DIR}/datagram", f"u_dgr {_DIR}/datagram"),
    Listener("ListenDatagram", "@corpus-datagram", "u_dgr @corpus-datagram"),
    Listener("ListenDatagram", "vsock::7113"),
    Listener("ListenDatagram", "127.0.0.1:7114", settings='SocketProtocol = "udplite"'),
    Listener("ListenSequentialPacket", f"{_DIR}/seqpacket", f"u_seq {_DIR}/seqpacket"),
    Listener("ListenSequentialPacket", "@corpus-seqpacket", "u_seq @corpus-seqpacket"),
    Listener("ListenFIFO", f"{_DIR}/fifo", f"open {_DIR}/fifo", settings='PipeSize = "64K"'),
    Listener("ListenSpecial", "/dev/random", "open /dev/random"),
    Listener("ListenSpecial", "/proc/uptime", "open /proc/uptime"),
    Listener("ListenNetlink", "kobject-uevent 1", "netlink 15 00000001"),
    Listener("ListenNetlink", "route 1361", "netlink 0 00000551"),
    Listener(
        "ListenMessageQueue",
        "/corpus",
        "open /corpus",
        settings='MessageQueueMaxMessages = 4\nMessageQueueMessageSize = "256"',
    ),
    Listener("ListenUSBFunction", "/run/corpus-usb", service=_USB),
)

# Name → the rest of a spec.
SPECS = {
    "mixed": """
        exec = "/usr/bin/sleep infinity"
        hardening = "none"
        [sockets.http]
        ListenStream = [7201, "127.0.0.1:7202", "/run/corpus/mixed"]
        [sockets.admin]
        mode = "per-connection"
        ListenStream = "@corpus-admin"
        MaxConnections = 4
        [sockets.packets]
        ListenDatagram = "127.0.0.1:7203"
        ListenFIFO = "/run/corpus/mixed-fifo"
        """,
    "handlers": """
        needs = ["network"]
        [handler]
        a = "activator.examples.echo:echo"
        b = "activator.examples.echo:echo"
        [sockets.a]
        ListenStream = 7204
        [sockets.b]
        ListenStream = 7205
        """,
    "idle": """
        handler = "activator.examples.echo:echo"
        idle-exit = "5min"
        drain = 5
        [environment]
        GREETING = 'a "quoted" 100% $HOME \\\\'
        [sockets.echo]
        ListenStream = "/run/corpus/idle"
        SocketMode = "0600"
        Symlinks = ["/run/corpus/idle-1", "/run/corpus/idle-2"]
        [unit]
        Documentation = "man:systemd.socket(5)"
        """,
    "each": """
        mode = "per-connection"
        exec = ["/usr/bin/printf", "%s\\\\n", "$HOME", ";", "a b", ""]
        [sockets.each]
        ListenStream = "/run/corpus/each"
        [service]
        StandardInput = "socket"
        """,
    "warm": """
        mode = "per-connection"
        isolation = "process"
        handler = "activator.examples.echo:echo"
        [sockets.warm]
        ListenStream = "/run/corpus/warm"
        """,
    "proxied-path": """
        mode = "proxy"
        exec = "/usr/bin/sleep infinity"
        backend = "/run/proxied-path/backend"
        [sockets.http]
        ListenStream = "127.0.0.1:7206"
        """,
    "proxied-port": """
        mode = "proxy"
        exec = "/usr/bin/python3 -m http.server 8080"
        backend = 8080
        idle-exit = "1min"
        connections-max = 10
        [sockets.http]
        ListenStream = [7207, "/run/corpus/proxied"]
        """,
    "proxied-notify": """
        mode = "proxy"
        exec = "/usr/bin/sleep infinity"
        backend = 8081
        ready = "notify"
        idle-exit = "infinity"
        hardening = "none"
        [sockets.http]
        ListenStream = 7208
        """,
    **{
        f"{mode}-{profile}-{kind}": f"""
        mode = "{mode}"
        hardening = "{profile}"
        {program}
        needs = [{needs}]
        [sockets.s]
        ListenStream = "/run/corpus/{mode}-{profile}-{kind}"
        """
        for mode in ("shared", "per-connection")
        for profile in ("strict", "standard", "none")
        for kind, program, needs in (
            ("exec", 'exec = "/usr/bin/cat"', '"network", "write:/srv", "state"'),
            ("handler", 'handler = "activator.examples.echo:echo"', ""),
        )
        if not (profile == "none" and needs)
    },
}


def texts(version: int) -> dict[str, str]:
    """Return every spec for a version of systemd, by name."""
    found = {name: _text(name, version, rest) for name, rest in SPECS.items()}
    for listener, name in listeners(version).items():
        rest = f"""
        exec = "/usr/bin/sleep infinity"
        hardening = "none"
        [sockets.s]
        {listener.directive} = '{listener.address}'
        {listener.settings}
        [service]
        {listener.service}
        """
        found[name] = _text(name, version, rest)
    return found


def listeners(version: int) -> dict[Listener, str]:
    """Return every way to listen that a version knows, each with its spec's name."""
    return {
        listener: f"corpus-{number}"
        for number, listener in enumerate(LISTENERS)
        if listener.since <= version
    }


def _text(name: str, version: int, rest: str) -> str:
    return f'name = "{name}"\nsystemd = {version}\n{rest}'
