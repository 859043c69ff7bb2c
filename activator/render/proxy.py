"""The services of mode "proxy": ``NAME-proxy.service``, and ``NAME.service`` behind it.

The program keeps the spec's name: what people look at, restart and extend is it. The proxy,
started by the sockets, pulls it in, forwards to it, and leaves when nobody is connected;
then nothing needs the program any more, and it stops as well.
"""

import hashlib
import re
from collections.abc import Iterator

from activator import quoting
from activator.render import defaults, services, sockets
from activator.render.model import Line, Unit, line, sections
from activator.spec.model import Proxy, Spec
from activator.values.numbers import BOOLEANS

# Debian 12 and later, like all with a merged /usr, have it here.
PROXYD = "/usr/lib/systemd/systemd-socket-proxyd"
# Its own limit of connections, which a command line need not repeat.
PROXYD_CONNECTIONS = 256
# Descriptors: two sockets and two pipes a connection; beside them what it listens on,
# its event loop and its resolver.
PER_CONNECTION = 6
OTHERS = 64
# Who a service runs as.
_IDENTITY = ("User", "Group", "DynamicUser")
# What systemd takes for a user's name in every version (systemd.exec(5)).
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,30}")


def units(spec: Spec, proxy: Proxy) -> Iterator[Unit]:
    """Yield the proxy, then the program behind it."""
    program = backend(spec, proxy)
    yield _proxy(spec, proxy, program)
    yield program


def backend(spec: Spec, proxy: Proxy) -> Unit:
    """Return the unit of the program, with readiness and a place to listen in."""
    conditions = {"shared", "backend", "by-path" if proxy.by_path else "by-port"}
    conditions.add("notify" if proxy.ready == "notify" else "exec")
    if proxy.directory:
        conditions.add("runtime-directory")
    start = [line("Service", "ExecStart", spec.command)]
    if proxy.ready == "accepts":
        why = "it is ready, and the proxy starts, once it accepts connections"
        start.append(line("Service", "ExecStartPost", _wait(spec, proxy), why))
    terms = {"directory": quoting.word(proxy.directory)}
    name = f"{spec.name}.service"
    unit = services.assemble(spec, name, conditions, start, terms)
    identity = _identity(unit)
    if proxy.by_path and "User" not in identity and _is_true(identity.get("DynamicUser", "no")):
        why = "the proxy runs as the same user, so that it may connect"
        start.append(line("Service", "User", _user(spec.name), why))
        unit = services.assemble(spec, name, conditions, start, terms)
    return unit


def _user(name: str) -> str:
    """Return a name for a dynamic user of two units: the spec's name if it can be one."""
    if _USER.fullmatch(name):
        return name
    return f"_activator-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def _identity(unit: Unit) -> dict[str, str]:
    """Return who a service runs as: directive → value."""
    return {
        name: value
        for section, name, value in unit.entries
        if section == "Service" and name in _IDENTITY and value
    }


def _is_true(value: str) -> bool:
    """Tell whether systemd takes a value for yes."""
    return BOOLEANS.get(value.lower(), False)


def _wait(spec: Spec, proxy: Proxy) -> str:
    """Return the command that waits until the program accepts connections."""
    argv = [spec.python, "-m", "activator"] if spec.python else ["activator"]
    timeout = f"{proxy.ready_timeout:g}".replace("inf", "infinity")
    return quoting.command([*argv, "wait-for", "--timeout", timeout, proxy.backend])


def _proxy(spec: Spec, proxy: Proxy, program: Unit) -> Unit:
    """Return the unit of systemd-socket-proxyd."""
    conditions = frozenset({"by-path" if proxy.by_path else "by-port"})
    terms = {
        "sockets": " ".join(f"{sockets.prefix(spec, socket)}.socket" for socket in spec.sockets),
        "backend": program.name,
        "descriptors": str(PER_CONNECTION * proxy.connections_max + OTHERS),
    }

    def section(name: str, *first: Line) -> tuple[str, list[Line]]:
        rest = defaults.lines("proxy", name, conditions, spec.systemd, terms)
        return name, [*first, *rest]

    described = line("Unit", "Description", quoting.raw(f"{spec.description} (proxy)"))
    start = [line("Service", "ExecStart", _command(proxy))]
    if proxy.by_path:
        why = "the program's own user: nobody else may connect to it"
        start += [line("Service", *pair, why) for pair in _identity(program).items()]
    return Unit(
        sockets.service(spec), sections([section("Unit", described), section("Service", *start)])
    )


def _command(proxy: Proxy) -> str:
    """Return the proxy's command line."""
    argv = [PROXYD, f"--exit-idle-time={proxy.idle_exit}"]
    if proxy.connections_max != PROXYD_CONNECTIONS:
        argv.append(f"--connections-max={proxy.connections_max}")
    if proxy.protocol:
        argv.append(f"--proxy-protocol={proxy.protocol}")
    return quoting.command([*argv, proxy.backend])
