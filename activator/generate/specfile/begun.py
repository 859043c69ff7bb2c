"""What the connections of handlers begin with: TLS, and the header of a proxy."""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from activator.errors import ActivatorError
from activator.generate.specfile import intents, names
from activator.generate.specfile.directives import Report
from activator.generate.specfile.spec import Begun, Mode, Socket
from activator.unitfile import address, quoting

# The proxies of this machine, which nobody else can pretend to be.
OWN = ("local", "unix")
_TLS = 'write tls = { cert = "/path/chain.pem", key = "/path/key.pem" }'


def read(tree: Mapping[str, Any], sockets: Sequence[Socket], report: Report) -> Begun:
    """Return what connections begin with.

    Args:
        tree: The whole spec, its keys' types already checked and reported.
        sockets: Its sockets.
        report: Called with each mistake.
    """
    handlers = any(key in tree for key in intents.HANDLERS)
    cert = key = proxies = ""
    given = tree.get("tls")
    if isinstance(given, dict):
        if not handlers:
            what = "tls is for a handler, and exec speaks for itself"
            report(ActivatorError(what, "remove it, or give a handler"), ("tls",))
        elif not any(_is_tcp(socket) for socket in sockets):
            what = "tls is for TCP, and there is no such socket"
            report(ActivatorError(what, "add ListenStream = 443, or remove it"), ("tls",))
        cert, key = _files(given, report)
    wanted = tree.get("proxy-protocol")
    if wanted and tree.get("mode") != Mode.PROXY.value:
        words = wanted if isinstance(wanted, list) else OWN
        for index, word in enumerate(words):
            if problem := _refusal(word):
                report(problem, ("proxy-protocol", index))
        proxies = ",".join(map(str, words))
    return Begun(cert, key, proxies)


def _files(given: Mapping[str, Any], report: Report) -> tuple[str, str]:
    """Return the certificate's file and the key's."""
    for name in given.keys() - {"cert", "key"}:
        report(ActivatorError(f"unknown key {name!r}", _TLS), ("tls", name))
    if "cert" not in given:
        report(ActivatorError("tls has no cert", _TLS), ("tls",))
    found = []
    for name in ("cert", "key"):
        path = given.get(name, "")
        try:
            if name in given:
                names.absolute(path if isinstance(path, str) else "")
                quoting.raw(path, "the path")
        except ActivatorError as error:
            report(error, ("tls", name))
            path = ""
        found.append(path)
    return found[0], found[1]


def _refusal(word: object) -> ActivatorError | None:
    """Return why a word names no proxy, if it does not."""
    try:
        if word not in OWN:
            ipaddress.ip_network(str(word))
    except ValueError as error:
        why = str(error) if "host bits" in str(error) else f"{word!r} is not a network"
        return ActivatorError(why, 'write "192.0.2.0/24", "2001:db8::1", "local" or "unix"')
    return None


def _is_tcp(socket: Socket) -> bool:
    """Tell whether a socket may be one of TCP; a specifier may stand for that."""
    for setting in socket.settings:
        if setting.name == "ListenStream" and setting.value:
            try:
                if "%" in setting.value or address.parse(setting.name, setting.value).is_ip:
                    return True
            except ActivatorError:
                return True  # that is told elsewhere
    return False
