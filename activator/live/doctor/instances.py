"""Per-connection services: limits reached, failures that pile up."""

import time
from collections.abc import Iterator

from activator.live import journal
from activator.live.doctor import exits
from activator.live.doctor.commands import anew, drop_in, edit, systemctl
from activator.live.doctor.finding import Finding
from activator.live.units import Situation, Socket

# So many failed instances are no accident any more.
MANY = 3
# How far back instances count, in seconds, and how many of the last.
_LATELY_S, _LATEST = 3600.0, 10


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
        (*reset, *drop_in(socket, socket.name, "Socket", MaxConnections=4 * limit), *anew(socket)),
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


def all_fail(socket: Socket, _: Situation) -> Iterator[Finding]:
    """Each instance fails: no client is served, though systemd accepts them all."""
    if not socket.accepts or not socket.up or socket.number("NAccepted") < MANY:
        return
    since = max(socket.since, time.time() - _LATELY_S)
    entries = journal.entries(socket.pattern, since, user=socket.user)
    ends = journal.outcomes(entries)[-_LATEST:]
    if len(ends) < MANY or any(ends):
        return
    run = journal.last_run(entries)
    words = journal.telling(run.unit, run.entries)
    template = socket.service_name
    failed = any(unit.failed for unit in socket.services)
    yield Finding(
        "instances-fail",
        socket.name,
        f"each of the last {len(ends)} instances of {template} has failed",
        tuple(filter(None, (f"{run.unit}: {exits.said(run.how, run.status)}", words))),
        (
            f"# {exits.cure(run.how, run.status, words)}: " + edit(socket, template),
            systemctl(socket, "daemon-reload"),
            *([systemctl(socket, "reset-failed", socket.pattern)] if failed else []),
        ),
    )


DIAGNOSES = (connections_max, failures, all_fail)
