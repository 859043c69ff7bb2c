"""The services of mode "proxy": ``NAME-proxy.service``, and ``NAME.service`` behind it.

The program keeps the spec's name: what people look at, restart and extend is it. The proxy,
started by the sockets, pulls it in, forwards to it, and leaves when nobody is connected;
then nothing needs the program any more, and it stops as well.
"""

import posixpath
from collections.abc import Iterator, Sequence

from activator.generate.hardening import DEFAULT
from activator.generate.render import defaults, hardening, services, sockets
from activator.generate.render.lines import Line, Unit, line, sections
from activator.generate.specfile.spec import Proxy, Spec
from activator.unitfile import quadlet, quoting
from activator.unitfile.values.numbers import BOOLEANS

# Debian 12 and later, like all with a merged /usr, have it here.
PROXYD = "/usr/lib/systemd/systemd-socket-proxyd"
# Its own limit of connections, which a command line need not repeat.
PROXYD_CONNECTIONS = 256
# Descriptors: two pipes and two sockets a connection, the latter twice in systemd 262; beside
# them what it listens on, its event loop and its resolver.
PER_CONNECTION = 8
OTHERS = 64
# Who a service runs as.
_IDENTITY = ("User", "Group", "DynamicUser")


def units(spec: Spec, proxy: Proxy) -> Iterator[Unit]:
    """Yield the proxy, then the program behind it."""
    program = backend(spec, proxy)
    host = quoting.argument(proxy.backend)
    why = "the program's own user: nobody else may connect to it"
    rights = [line("Service", *pair, why) for pair in _identity(program).items()]
    yield _proxy(spec, proxy, program.name, host, rights)
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
        start.append(line("Service", "User", hardening.user(spec.name), why))
        unit = services.assemble(spec, name, conditions, start, terms)
    return unit


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


def before_container(spec: Spec, proxy: Proxy, program: str, host: str, *, foreign: bool) -> Unit:
    """Return the unit of systemd-socket-proxyd before a container.

    Args:
        spec: The spec.
        proxy: Its proxy.
        program: The container's file.
        host: Where the host finds the backend, as it stands in a unit.
        foreign: Whether the backend's socket belongs to a user that the host need not know.
    """
    own = []
    if foreign:
        why = "the backend's socket is that of a user in the container, whom the host need not know"
        own = [
            line("Service", "CapabilityBoundingSet", "CAP_DAC_OVERRIDE", why),
            line("Service", "PrivateUsers", "no", why),
        ]
    if spec.user:
        why = "the backend's socket; ProtectHome= hides all else in /run/user, systemd.exec(5)"
        own.append(line("Service", "BindReadOnlyPaths", posixpath.dirname(host), why))
    return _proxy(spec, proxy, quadlet.service(program), host, own)


def _proxy(spec: Spec, proxy: Proxy, program: str, host: str, rights: Sequence[Line]) -> Unit:
    """Return the unit of systemd-socket-proxyd; by a path it has just the rights given."""
    conditions = frozenset({"by-path" if proxy.by_path else "by-port"})
    terms = {
        "sockets": " ".join(f"{sockets.prefix(spec, socket)}.socket" for socket in spec.sockets),
        "backend": program,
        "descriptors": str(PER_CONNECTION * proxy.connections_max + OTHERS),
    }

    def own(section: str) -> list[Line]:
        return defaults.lines("proxy", section, conditions, spec.systemd, terms)

    described = line("Unit", "Description", quoting.raw(f"{spec.description} (proxy)"))
    command = f"{_command(proxy)} {host}"
    service = [line("Service", "ExecStart", command, _address(proxy)), *own("Service")]
    taken = {made.name for made in service}
    if proxy.by_path:
        service += rights
        taken |= {*_IDENTITY, *(made.name for made in rights)}
    service += [made for made in _profile(spec) if made.name not in taken]
    return Unit(
        sockets.service(spec), sections([("Unit", [described, *own("Unit")]), ("Service", service)])
    )


def _address(proxy: Proxy) -> str:
    """Return what the program learns of its clients' addresses."""
    if proxy.protocol:
        return "tells the program each client's address, by the PROXY protocol"
    return "the program sees the proxy's address instead of its clients'"


def _profile(spec: Spec) -> list[Line]:
    """Return the lines that harden the proxy, whatever the program needs."""
    strict = spec._replace(
        command=PROXYD,
        container=None,
        hardening=DEFAULT,
        needs=(),
        settings=(),
        python="",
        app_dir="",
    )
    return hardening.lines(strict, set())


def _command(proxy: Proxy) -> str:
    """Return the proxy's command line, but for its last word: where it connects to."""
    argv = [PROXYD, f"--exit-idle-time={proxy.idle_exit}"]
    if proxy.connections_max != PROXYD_CONNECTIONS:
        argv.append(f"--connections-max={proxy.connections_max}")
    if proxy.protocol:
        argv.append(f"--proxy-protocol={proxy.protocol}")
    return quoting.command(argv)
