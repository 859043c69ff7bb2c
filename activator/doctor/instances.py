"""Per-connection services: limits reached, failures that pile up."""

from collections.abc import Iterator

from activator.doctor.commands import anew, drop_in, systemctl
from activator.doctor.finding import Finding
from activator.live.units import Situation, Socket

# So many failed instances are no accident any more.
MANY = 3


def connections_max(socket: Socket, _: Situation) -> Iterator[Finding]:
    """MaxConnections= is reached: further clients are let in and closed at once."""
    limit, now = socket.number("MaxConnections"), socket.number("NConnections")
    if not socket.accepts or not socket.up or now < limit:
        return
    failed = sum(unit.failed for unit in socket.services)
    evidence = [f"NConnections={now}, MaxConnections={limit}, NRefused={socket['NRefused']}"]
    reset: tuple[str, ...] = ()
    if failed:
        evidence.append(f"{failed} of them have failed, and count as well")
        reset = (systemctl(socket, "reset-failed", socket.pattern),)
    yield Finding(
        "connections-max",
        socket.name,
        "as many connections are open as MaxConnections= allows; others are closed at once",
        tuple(evidence),
        (
            *reset,
            *drop_in(socket, socket.name, "Socket", MaxConnections=4 * limit),
            *anew(socket),
        ),
    )


def failures(socket: Socket, _: Situation) -> Iterator[Finding]:
    """Failed instances pile up, and count against the limits."""
    failed = [unit for unit in socket.services if unit.failed]
    if not socket.accepts or len(failed) < MANY:
        return
    template = socket.service_name
    yield Finding(
        "failed-instances",
        socket.name,
        f"{len(failed)} instances of {template} have failed, and stay loaded",
        tuple(unit.reason or f"{unit.name}: Result={unit['Result']}" for unit in failed[-2:]),
        (
            systemctl(socket, "reset-failed", socket.pattern),
            *drop_in(socket, template, "Unit", CollectMode="inactive-or-failed"),
        ),
    )


DIAGNOSES = (connections_max, failures)
