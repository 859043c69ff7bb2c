"""Say why a text is no address, and give the right form of it."""

import _socket as socket  # as in address.py
import re

from activator.errors import ActivatorError

# The schemes of URLs that people write here: what they mean, and the usual port.
_SCHEMES = {
    **dict.fromkeys(("unix", "local", "unixgram", "file", "http+unix", "uds"), ("unix", "")),
    **dict.fromkeys(("tcp", "tcp4", "tcp6", "inet", "inet4", "inet6"), ("tcp", "")),
    **dict.fromkeys(("ssl", "tls", "grpc", "redis", "mqtt"), ("tcp", "")),
    **dict.fromkeys(("udp", "udp4", "udp6", "dns"), ("udp", "")),
    **dict.fromkeys(("http", "ws"), ("tcp", "80")),
    **dict.fromkeys(("https", "wss"), ("tcp", "443")),
}
_EVERY = ("", "*")


class AddressError(ActivatorError):
    """The value of a Listen*= line is no address.

    Attributes:
        what: What is wrong, without the line.
    """

    def __init__(self, message: str, hint: str = "", *, what: str = "", place: str = "") -> None:
        super().__init__(message, hint, place=place)
        self.what = what


class RefusedError(Exception):
    """The text is no address: what is wrong, and the right form.

    It does not leave :mod:`activator.unitfile.address`.
    """

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


def packed(family: int, text: str) -> bytes | None:
    """Return an address's bytes, or None for what is no address."""
    try:
        return socket.inet_pton(family, text)
    except (OSError, ValueError):
        return None


def refuse_misplaced_scope(text: str) -> None:
    """Refuse ``[fe80::1%eth0]:80``: systemd wants the scope after the port."""
    host, bracket, port = text.partition("]:")
    host, percent, scope = host.removeprefix("[").partition("%")
    if text[0] == "[" and bracket and percent and "]" not in host + scope:
        raise RefusedError(
            "the scope follows the port", f"write [{host}]:{port}%{scope} (in a unit, %%{scope})"
        )


def refuse_url(text: str) -> None:
    """Refuse ``tcp://127.0.0.1:80`` and the like."""
    if meant := _from_url(text):
        raise RefusedError("systemd takes no URLs", f"write {meant}")


def explained(  # noqa: PLR0911 - one return a shape
    text: str, rest: str, host: str, port: str
) -> RefusedError:
    """Say why a text is no IP address, by its shape."""
    if not host and port.isdecimal() and text.startswith(":"):
        return RefusedError("the address is missing", f"write {port} for every address")
    if packed(socket.AF_INET6, rest):
        return RefusedError("an IPv6 address needs brackets and a port", f"write [{rest}]:PORT")
    if packed(socket.AF_INET6, host):
        return RefusedError("an IPv6 address needs brackets", f"write [{host}]:{port}")
    if packed(socket.AF_INET, rest) or re.fullmatch(r"\[[^]]*\]", rest):
        return RefusedError("the port is missing", f"write {rest}:PORT")
    if host.startswith("[") and packed(socket.AF_INET, host[1:-1]):
        return RefusedError("brackets are for IPv6", f"write {host[1:-1]}:{port}")
    if host == "*":
        return RefusedError(
            "a star is not an address", f"write {port} for every address, or 0.0.0.0:{port}"
        )
    if re.fullmatch(r"[0-9.]+", host):
        return RefusedError(
            "this is not an IPv4 address", "write four numbers from 0 to 255 without a leading 0"
        )
    if "/" in text:
        return RefusedError("the path is not absolute", f"write /run/{text.rsplit('/', 1)[-1]}")
    if host and ":" not in host and "[" not in host:
        local = _numeric(host)
        return RefusedError(
            "systemd takes no host names",
            f"write the number, such as {local}:{port}, or {port} for every address",
        )
    return RefusedError(
        "this is not an address",
        "give /PATH, @NAME, PORT, a.b.c.d:PORT, [v6]:PORT or vsock:CID:PORT",
    )


def _from_url(text: str) -> str:
    """Return the line or value that a URL or Docker's PORT/tcp stands for; empty for others."""
    scheme, colon, rest = text.partition(":")
    known = _SCHEMES.get(scheme.lower()) if colon else None
    if match := re.fullmatch(r"(.*\d)/(tcp|udp)", text):
        known, rest = (match[2], ""), match[1]
    if known is None:
        return ""
    kind, usual = known
    rest = rest.removeprefix("//")
    if kind == "unix":
        return rest if rest[:1] in ("/", "@") else f"/run/{rest or 'NAME.sock'}"
    place = rest.partition("/")[0]
    host, _, port = place.rpartition(":") if re.search(r":\d*$", place) else (place, "", usual)
    if place.isdecimal():
        host, port = "", place
    address = f"{_numeric(host)}:{port or 'PORT'}" if host not in _EVERY else port or "PORT"
    return f"ListenDatagram={address}" if kind == "udp" else address


def _numeric(host: str) -> str:
    """Return the address to write for a host, as far as that is known."""
    if host == "localhost":
        return "127.0.0.1"
    bare = host.removeprefix("[").removesuffix("]")
    if packed(socket.AF_INET6, bare):
        return f"[{bare}]"
    return host if packed(socket.AF_INET, host) else "ADDRESS"
