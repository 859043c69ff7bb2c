"""Say why a text is no address, and give the right form of it."""

import _socket as socket  # as in address.py
import re


class RefusedError(Exception):
    """The text is no address: what is wrong, and the right form.

    It does not leave :mod:`activator.address`.
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


def explained(  # noqa: PLR0911 - one return a shape
    text: str, rest: str, host: str, port: str
) -> RefusedError:
    """Say why a text is no IP address, by its shape."""
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
            "a star is no address", f"write {port} for every address, or 0.0.0.0:{port}"
        )
    if re.fullmatch(r"[0-9.]+", host):
        return RefusedError(
            "this is no IPv4 address", "write four numbers from 0 to 255 without a leading 0"
        )
    if "/" in text:
        return RefusedError("the path is not absolute", f"write /run/{text.rsplit('/', 1)[-1]}")
    if host and ":" not in host and "[" not in host:
        local = "127.0.0.1" if host == "localhost" else "ADDRESS"
        return RefusedError(
            "systemd takes no host names",
            f"write the number, such as {local}:{port}, or {port} for every address",
        )
    return RefusedError(
        "this is no address", "give /PATH, @NAME, PORT, a.b.c.d:PORT, [v6]:PORT or vsock:CID:PORT"
    )
