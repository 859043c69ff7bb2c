"""The services of a spec with an image: ``NAME.container``, of which Quadlet makes NAME.service.

With sockets from outside the container needs no network, and it is the sandbox: of what systemd
could close around it, podman, which has to make the container first, bears next to nothing.
"""

import math
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from activator.common import tables
from activator.errors import ActivatorError
from activator.generate.hardening import containers
from activator.generate.render import defaults, proxy, services, sockets
from activator.generate.render.lines import Line, Unit, line, sections
from activator.generate.specfile.spec import Container, Mode, Proxy, Socket, Spec
from activator.unitfile import quadlet, quoting
from activator.unitfile.quadlet.versions import Version, parsed

SECTION = "Container"


class Row(NamedTuple):
    """One row of the table."""

    section: str
    name: str
    value: str
    when: frozenset[str]
    since: Version
    until: Version | None
    why: str


@cache
def _table() -> tuple[Row, ...]:
    return tuple(
        Row(
            section,
            name,
            value,
            frozenset(when.split()),
            parsed(since or "0.0"),
            parsed(until) if until else None,
            why,
        )
        for section, name, value, when, since, until, why in tables.rows(__file__, "container.tsv")
    )


def units(spec: Spec, container: Container) -> Iterator[Unit]:
    """Yield the container, after its proxy if it has one; or one for each way to be served."""
    if spec.proxy:
        _check_user(spec, container, spec.proxy)
        unit = _behind(spec, container, spec.proxy)
        foreign = bool(_owner(spec, container))
        yield proxy.before_container(spec, spec.proxy, unit.name, host(spec.proxy), foreign=foreign)
        yield unit
        return
    shared = [socket for socket in spec.sockets if socket.mode is Mode.SHARED]
    if shared:
        names = " ".join(f"{sockets.prefix(spec, socket)}.socket" for socket in shared)
        why = "it has nothing to serve without its sockets; restarting them restarts it, in order"
        required = line("Unit", "Requires", names, why)
        yield _assemble(
            spec, container, f"{spec.name}.container", {"shared"}, bonds=[required], terms={}
        )
    for socket in spec.sockets:
        if socket.mode is Mode.PER_CONNECTION:
            yield _instance(spec, container, socket)


def _check_user(spec: Spec, container: Container, found: Proxy) -> None:
    """Raise for what podman cannot do for a user other than root.

    Raises:
        ActivatorError: The backend is on a port, or belongs to another user than the proxy.
    """
    if spec.user and not found.by_path:
        what = "a user's container shares no network with its proxy, so the backend is on no port"
        hint = 'give it a Unix socket: backend = "/run/NAME/backend.sock"'
        raise ActivatorError(what, hint, place=spec.place(("backend",)))
    given = {item.name: item for item in container.settings}
    if spec.user and "User" in given and "UserNS" not in given:
        number = given["User"].value
        what = f"User={number} in a user's container is another user than the proxy"
        hint = f'add UserNS = "keep-id:uid={number},gid={number}" to [container]'
        raise ActivatorError(what, hint, place=spec.place(given["User"].path))


def host(found: Proxy) -> str:
    """Return where the host finds the backend, as it stands in a unit."""
    if not found.by_path or not found.directory:
        return quoting.raw(found.backend)
    # %t is /run, or what a user's manager has in its place.
    name = posixpath.basename(found.backend)
    return f"%t/{quoting.raw(found.directory)}/{quoting.raw(name)}"


def _owner(spec: Spec, container: Container) -> str:
    """Return the number of the user that the backend's directory belongs to; empty for ours."""
    given = [item.value for item in container.settings if item.name == "User"]
    return given[-1] if given and not spec.user else ""


def _instance(spec: Spec, container: Container, socket: Socket) -> Unit:
    """Return the template whose instances are the containers of one connection each."""
    prefix = sockets.prefix(spec, socket)
    terms = {"name": quoting.raw(prefix.replace("\\", "_"))}
    name = f"{prefix}@.container"
    return _assemble(spec, container, name, {"per-connection"}, terms=terms)


def _behind(spec: Spec, container: Container, found: Proxy) -> Unit:
    """Return the container behind a proxy, with readiness and a place to listen in."""
    conditions = {"shared", "backend", "by-path" if found.by_path else "by-port"}
    start = []
    if found.ready == "accepts":
        why = "it is ready, and the proxy starts, once it accepts connections"
        start.append(line("Service", "ExecStartPost", _wait(found), why))
    else:
        conditions.add(found.ready)
    owner = _owner(spec, container)
    if found.by_path and owner:
        conditions.add("user")
    elif found.directory:
        conditions.add("runtime-directory")
    terms = {
        "directory": quoting.word(found.directory),
        "host": posixpath.dirname(host(found)),
        "socket": host(found),
        "user": owner,
        "inside": quoting.raw(posixpath.dirname(found.backend)),
    }
    name = f"{spec.name}.container"
    return _assemble(spec, container, name, conditions, start=start, terms=terms)


def _wait(found: Proxy) -> str:
    """Return the command that waits until the program accepts connections."""
    timeout = f"{found.ready_timeout:g}".replace("inf", "infinity")
    waiting = quoting.command(["activator", "wait-for", "--timeout", timeout])
    return f"{waiting} {host(found)}"


def _assemble(
    spec: Spec,
    container: Container,
    name: str,
    conditions: set[str],
    *,
    bonds: Sequence[Line] = (),
    start: Sequence[Line] = (),
    terms: Mapping[str, str],
) -> Unit:
    """Return one ``.container``: the generator's lines, then the spec's."""
    given = {(item.section, item.name) for item in (*spec.settings, *container.settings)}
    given.add(("Service", "Type"))  # Quadlet decides it
    own = conditions | _hardening(spec)
    drain = math.ceil(spec.ending.drain)
    stop = f"{drain + services.STOP_MARGIN}s"
    filled = {"name": spec.name, **terms, "drain": str(drain), "stop": stop}
    # Readiness is told in [Container].
    plain = frozenset({*conditions, "drains"} - {"notify"})

    def section(name: str, *first: Line) -> tuple[str, list[Line]]:
        lines = [made for made in first if (name, made.name) not in given]
        lines += defaults.lines("service", name, plain, spec.systemd, filled, given=given)
        if name == "Service":
            lines += _added(name, container, own, filled, given)
        mine = (item for item in spec.settings if item.section == name)
        return name, lines + [line(name, item.name, item.value) for item in mine]

    described = line("Unit", "Description", quoting.raw(spec.description))
    return Unit(
        name,
        sections(
            [
                section("Unit", described, *bonds),
                ("Quadlet", list(_added("Quadlet", container, own, filled, given))),
                (SECTION, list(_container(spec, container, own, filled, given))),
                section("Service", *start),
                section("Install"),
            ]
        ),
    )


def _hardening(spec: Spec) -> set[str]:
    """Return the conditions that the profile and the needs make."""
    found = set()
    if spec.hardening != "none":
        found |= {"hardened", spec.hardening}
    if "network" not in spec.needs:
        found.add("closed")
    return found


def _container(
    spec: Spec,
    container: Container,
    conditions: set[str],
    terms: Mapping[str, str],
    given: set[tuple[str, str]],
) -> Iterator[Line]:
    """Yield the lines of [Container]."""
    yield _line(SECTION, "Image", quoting.raw(container.image))
    for pair in spec.environment:
        text = quoting.assignment(pair[0], pair[1].replace("$", "$$"))
        yield _line(SECTION, "Environment", text)
    yield from _added(SECTION, container, conditions, terms, given)
    for need in spec.needs:
        key, value = containers.key_of(need)
        if key:
            yield _line(SECTION, key, value, f"the need {need}")
    for item in container.settings:
        yield _line(SECTION, item.name, item.value)
    if spec.command:
        yield _line(SECTION, "Exec", spec.command)


def _added(
    section: str,
    container: Container,
    conditions: set[str],
    terms: Mapping[str, str],
    given: set[tuple[str, str]],
) -> Iterator[Line]:
    """Yield the table's lines for a section that hold."""
    found: dict[tuple[str, str], Line] = {}
    for row in _table():
        if row.section != section or not row.when <= conditions or row.since > container.podman:
            continue
        if row.until and row.until <= container.podman:
            continue
        key = quadlet.lookup(section, row.name)
        adds = key.repeat != "single" if key else row.name.startswith("Exec")
        if (section, row.name) in given and not (adds and row.name != "Network"):
            continue
        # Of several rows of one name, the last holds, but for arguments, which add up.
        several = row.value if row.name == "PodmanArgs" else ""
        found[row.name, several] = _line(
            row.section, row.name, row.value.format_map(terms), row.why
        )
    yield from found.values()


def _line(section: str, name: str, value: str, why: str = "") -> Line:
    made = line(section, name, value, why)
    return made if made.man else made._replace(man=quadlet.MANUAL)
