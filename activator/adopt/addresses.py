"""Where a command line has its program listen, and the line without that."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from activator.common.integers import decimal

_PORT_MAX = 65535
_HOSTS = {"": "0.0.0.0", "*": "0.0.0.0", "localhost": "127.0.0.1", "::": "[::]"}
_HOST = r"(?a)[\d.]+|\[[0-9a-fA-F:.]+\]"
# Options that programs nobody knows here have for where they listen.
USUAL = {
    **dict.fromkeys(("--bind", "--listen", "--addr", "--address", "--http", "-b", "-l"), "address"),
    **dict.fromkeys(("--port", "--http-port", "-p", "-P"), "port"),
    **dict.fromkeys(("--host", "--ip", "-h"), "host"),
    **dict.fromkeys(("--socket", "--unix-socket", "--uds"), "path"),
}
_SCHEMES = r"^(?:(?:tcp|http|unix)://|unix:)"


class Found(NamedTuple):
    """What a command line says of addresses.

    Attributes:
        addresses: As ListenStream= takes them.
        rest: The words but for the options that say so.
    """

    addresses: tuple[str, ...]
    rest: tuple[str, ...]


def find(words: Sequence[str], options: dict[str, str], default: str = "") -> Found:
    """Return where a program listens, by its options.

    Args:
        words: Its arguments.
        options: Its options for addresses, each with what it takes: ``address``, ``host``,
            ``port``, ``path``, or something else that is of no interest.
        default: Where it listens without them: its host stands beside a port alone, its port
            beside a host alone.
    """
    said: dict[str, list[str]] = {}
    rest: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        name, equals, value = word.partition("=")
        kind = options.get(name)
        if kind is None and re.fullmatch(r"-[A-Za-z].+", word) and word[:2] in options:
            name, equals, value = word[:2], "=", word[2:]
            kind = options[name]
        if kind is None:
            rest.append(word)
            continue
        if not equals and position < len(words):
            value = words[position]
            position += 1
        said.setdefault(kind, []).append(value)
    return Found(tuple(_addresses(said, default)), tuple(rest))


def _addresses(said: dict[str, list[str]], default: str) -> list[str]:
    found = [normal(each) for each in said.get("address", [])]
    found += [each for each in said.get("path", []) if each.startswith("/")]
    if "port" in said or "host" in said:
        usual_host, _, usual_port = normal(default).rpartition(":")
        port = said.get("port", [usual_port])[-1]
        found += [normal(f"{host}:{port}") for host in said.get("host", [usual_host])]
    return [each for each in found if each]


def normal(text: str) -> str:
    """Return an address as ListenStream= takes it; empty for what is none.

    ``:8000``, ``*:8000`` and ``0.0.0.0:8000`` are ``0.0.0.0:8000``; what ``$`` or ``%`` stand for
    is not known.
    """
    text = re.sub(_SCHEMES, "", text)
    if "$" in text or "%" in text:
        return ""
    if text.startswith("/"):
        return text
    host, _, port = text.rpartition(":")
    number = decimal(port)
    known = number is not None and 0 < number <= _PORT_MAX
    host = _HOSTS.get(host, host)
    return f"{host}:{number}" if known and re.fullmatch(_HOST, host) else ""


def backend(address: str) -> str | int | None:
    """Return where a program behind a proxy is reached that listens at an address.

    It is in a network of its own, so that its port may be the clients' port too.

    Returns:
        None for the path of a Unix socket, which cannot be both.
    """
    if address.startswith("/"):
        return None
    host, _, port = address.rpartition(":")
    if host.startswith("127.") or host == "[::1]":
        return address
    return f"[::1]:{port}" if ":" in host and host != "[::]" else int(port)
