"""What mode "proxy" takes beside the rest of a spec, checked.

systemd-socket-proxyd(8) connects to what the spec calls the backend: a Unix socket in a
runtime directory, or a port in a network namespace that only the proxy shares.
"""

import ipaddress
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from activator.errors import ActivatorError
from activator.generate.specfile import intents
from activator.generate.specfile.directives import Report
from activator.generate.specfile.spec import Mode, Proxy, Setting, Socket
from activator.unitfile import quoting
from activator.unitfile.address import MAX_PATH_BYTES
from activator.unitfile.kinds import KINDS
from activator.unitfile.values.numbers import BOOLEANS
from activator.unitfile.values.times import to_microseconds

# The first systemd whose systemd-socket-proxyd speaks the PROXY protocol.
PROTOCOL_SINCE = 261
# Seconds: how long a backend may take to accept connections, unless TimeoutStartSec= tells;
# shorter than systemd's own limit of 90 s, so that it is our message that is seen.
READY_TIMEOUT = 60.0
# How much shorter than TimeoutStartSec=, for the same reason: seconds, or a part of it.
_MARGIN = 1.0
_MARGIN_PART = 0.1
# Every connection takes descriptors; the kernel's own limit, fs.nr_open, is 1048576.
CONNECTIONS_MAX = 100_000
_PORT_MAX = 65535
_FORMS = 'write "/run/NAME/backend.sock", 8080 or "127.0.0.1:8080"'
# Needs and directives of another network than that.
_NETWORK_NEEDS = frozenset({"network", "listen", "family"})
_NETWORK_SETTINGS = frozenset({"PrivateNetwork", "NetworkNamespacePath"})
# Every service may have its own, with PrivateTmp=.
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - named to refuse them


def read(
    tree: Mapping[str, Any],
    sockets: Sequence[Socket],
    settings: Sequence[Setting],
    version: int,
    report: Report,
) -> Proxy | None:
    """Return what mode "proxy" needs.

    Args:
        tree: The whole spec, its keys' types already checked and reported.
        sockets: Its sockets.
        settings: The directives given for the service.
        version: The systemd version it is for.
        report: Called with each mistake.
    """
    get = _Values(tree, report)
    if get("mode") != Mode.PROXY.value:
        _others(tree, report)
        return None
    for key in intents.HANDLERS:
        if key in tree:
            hint = f'give exec = "/path/program"; {key} needs no proxy'
            report(ActivatorError(f"a proxy has no {key}", hint), (key,))
    if "backend" not in tree:
        hint = f"say where the program listens: {_FORMS}"
        report(ActivatorError("the spec has no backend", hint), ("mode",))
    backend = get.checked("backend", endpoint) or ""
    directory = runtime_directory(backend)
    if backend and not backend.startswith("/"):
        _check_network(tree, settings, report)
    _check_sockets(sockets, backend, directory, report)
    if tree.get("ready") == "healthy" and "image" not in tree:
        hint = 'write ready = "accepts" or "notify"'
        report(ActivatorError('ready = "healthy" is for a container', hint), ("ready",))
    return Proxy(
        backend=backend,
        idle_exit=get.checked("idle-exit", timespan) or "",
        ready=get("ready"),
        ready_timeout=_ready_timeout(settings),
        connections_max=get.checked("connections-max", connections) or 0,
        protocol=get.checked("proxy-protocol", lambda wanted: protocol(version, wanted=wanted))
        or "",
        directory=directory,
    )


class _Values:
    """The keys' values: the table's default where one is missing or was reported already.

    Args:
        tree: The whole spec.
        report: Called with each mistake.
    """

    def __init__(self, tree: Mapping[str, Any], report: Report) -> None:
        self.tree = tree
        self.report = report

    def __call__(self, key: str) -> Any:
        """Return a key's value."""
        try:
            intents.check(key, self.tree[key])
        except (KeyError, ActivatorError):
            return intents.intents()[key].default
        return self.tree[key]

    def checked(self, key: str, step: Callable[[Any], str | int]) -> Any:
        """Return what a step makes of a value, or None after reporting its error."""
        try:
            value = self(key)
            return None if value is None else step(value)
        except ActivatorError as error:
            self.report(error, (key,))
            return None


def endpoint(value: str | int) -> str:
    """Return a backend as systemd-socket-proxyd takes it: a path, or ``HOST:PORT``.

    Raises:
        ActivatorError: It is neither a path of its own nor a port of loopback.
    """
    text = str(value).strip()
    if text.startswith("/"):
        return _path(text)
    if text.startswith("@"):
        hint = "everybody may connect to an abstract socket; use /run/NAME/backend.sock"
        raise ActivatorError(f"backend = {text!r} is an abstract socket", hint)
    host, colon, port = text.rpartition(":")
    digits = re.fullmatch("0*([0-9]{1,5})", port, re.ASCII)
    if digits is None or not 0 < int(digits[1]) <= _PORT_MAX:
        raise ActivatorError(f"backend = {text!r} names no place to connect to", _FORMS)
    host = host if colon else "127.0.0.1"
    try:
        bare = re.fullmatch(r"\[(.*:.*)\]|([^:]*)", host)
        found = ipaddress.ip_address((bare[1] or bare[2]) if bare else "")
    except ValueError:
        hint = "a name would have to be looked up; write 127.0.0.1 or [::1]"
        raise ActivatorError(f"backend = {text!r} holds no IP address", hint) from None
    if not found.is_loopback:
        hint = "the program runs in a network namespace of its own; write 127.0.0.1 or [::1]"
        raise ActivatorError(f"backend = {text!r} is not a loopback address", hint)
    return f"{f'[{found}]' if found.version == 6 else found}:{int(digits[1])}"  # noqa: PLR2004


def _path(text: str) -> str:
    """Return a backend's path, if it can be one."""
    path = posixpath.normpath(text)
    if path.startswith("/var/run/"):
        path = path.removeprefix("/var")
    if len(path.encode()) > MAX_PATH_BYTES or text.endswith("/"):
        hint = f"write /run/NAME/backend.sock, of at most {MAX_PATH_BYTES} bytes"
        raise ActivatorError(f"backend = {text!r} is not the path of a Unix socket", hint)
    quoting.raw(path, "the backend's path")
    parent = posixpath.dirname(path)
    if parent in ("/", "//", "/run"):
        hint = "only root may write there; write /run/NAME/backend.sock"
        raise ActivatorError(f"backend = {text!r} has no directory of its own", hint)
    if parent.startswith(_TEMPORARY):
        hint = "each service has its own there; write /run/NAME/backend.sock"
        raise ActivatorError(f"backend = {text!r} is in a directory for temporary files", hint)
    return path


def timespan(value: str | float) -> str:
    """Return a time span, if it is one.

    Raises:
        ActivatorError: It is not.
    """
    text = str(value).strip()
    if to_microseconds(text) is None:
        hint = 'write a time span, as "10min" or "infinity"'
        raise ActivatorError(f"idle-exit = {text!r} is not a time span", hint)
    return text


def connections(value: int) -> int:
    """Return how many connections there may be, if that is a sensible number.

    Raises:
        ActivatorError: It is not.
    """
    if not 1 <= value <= CONNECTIONS_MAX:
        hint = f"give a number from 1 to {CONNECTIONS_MAX}"
        raise ActivatorError(f"connections-max = {value} is out of range", hint)
    return value


def protocol(version: int, *, wanted: bool | list[str]) -> str:
    """Return the version of the PROXY protocol that systemd-socket-proxyd is to speak.

    Raises:
        ActivatorError: That of this systemd version speaks none, or it is not asked for it.
    """
    if isinstance(wanted, list):
        what = "a proxy tells the program of all its clients"
        raise ActivatorError(what, "give true; a list is for a handler behind another proxy")
    if wanted and version < PROTOCOL_SINCE:
        hint = f"proxy-protocol needs systemd = {PROTOCOL_SINCE} or later"
        what = f"systemd {version} cannot tell the backend its clients' addresses"
        raise ActivatorError(what, hint)
    return "v1" if wanted else ""


def runtime_directory(backend: str) -> str:
    """Return RuntimeDirectory= that holds a backend's path, or nothing if it is elsewhere."""
    parent = posixpath.dirname(backend)
    return parent.removeprefix("/run/") if parent.startswith("/run/") else ""


def _others(tree: Mapping[str, Any], report: Report) -> None:
    """Report keys that only mode "proxy" understands."""
    for key, row in intents.intents().items():
        if key in tree and row.modes == (Mode.PROXY.value,):
            error = ActivatorError(f'{key} is for mode = "proxy" alone', "remove it")
            if row.handler:
                handlers = any(key in tree for key in intents.HANDLERS)
                if row.handler == "any" and handlers:
                    continue
                if tree.get("isolation") == "process" or (
                    handlers and tree.get("mode") != Mode.PER_CONNECTION.value
                ):
                    continue
                what = f'{key} is for mode = "proxy", and for a handler that stays'
                hint = 'remove it, or write isolation = "process"'
                error = ActivatorError(what, hint)
            report(error, (key,))


def _check_network(tree: Mapping[str, Any], settings: Sequence[Setting], report: Report) -> None:
    """Report what contradicts a backend's own network namespace."""
    what = "a backend on a port has no network but a loopback of its own"
    hint = 'give it a Unix socket: backend = "/run/NAME/backend.sock"'
    needs = tree.get("needs")
    for index, need in enumerate(needs if isinstance(needs, list) else ()):
        if str(need).partition(":")[0] in _NETWORK_NEEDS:
            report(ActivatorError(what, hint), ("needs", index))
    for setting in settings:
        private = setting.name == "PrivateNetwork" and BOOLEANS.get(setting.value.lower())
        if setting.section == "Service" and setting.name in _NETWORK_SETTINGS and not private:
            report(ActivatorError(what, hint), setting.path)


def _check_sockets(sockets: Sequence[Socket], backend: str, directory: str, report: Report) -> None:
    """Report sockets that a proxy cannot serve, or that the backend would break."""
    for setting in (setting for socket in sockets for setting in socket.settings):
        if setting.name not in KINDS or not setting.value:
            continue
        path = posixpath.normpath(setting.value.replace("%%", "%"))
        if setting.name != "ListenStream":
            message = f"a proxy cannot forward {setting.name}="
            hint = "use ListenStream=, or a program that takes descriptors itself"
        elif path == backend and path.startswith("/"):  # a port is in a network of its own
            message = "the clients' socket and the backend's are the same"
            hint = "give the backend a path of its own, as /run/NAME/backend.sock"
        elif directory and path.startswith(f"/run/{directory}/"):
            message = f"the socket is in the backend's RuntimeDirectory=, /run/{directory}"
            hint = "that directory is removed when the backend stops; put the socket elsewhere"
        else:
            continue
        report(ActivatorError(message, hint), setting.path)


def _ready_timeout(settings: Sequence[Setting]) -> float:
    """Return how long to wait for the backend: seconds."""
    for setting in reversed(settings):
        if setting.section == "Service" and setting.name in ("TimeoutStartSec", "TimeoutSec"):
            span = to_microseconds(setting.value)
            if span in (0, float("inf")):  # systemd.service(5): no limit
                return float("inf")
            if span is not None:
                seconds = span / 1e6
                return round(max(seconds - max(_MARGIN, seconds * _MARGIN_PART), 0.1), 1)
    return READY_TIMEOUT
