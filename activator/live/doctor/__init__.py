"""Say why sockets do not serve, with the evidence and the commands that mend it.

A diagnosis is a generator: it looks at one socket and yields a finding when it has the
evidence. They stand in groups: states (what systemd says), sandbox (what a unit closes), failing
(services that fail or are skipped), stuck (those on their way for too long), limits, opening and
listening (sockets that are not open), files, proxied (programs behind a proxy), serving (what the
service does with the descriptors), instances (per-connection services). What was not installed to
its end, or left outside its sandbox, comes before them (installations, traced).
"""

from collections.abc import Iterator

from activator.live.doctor import (
    failing,
    files,
    installations,
    instances,
    limits,
    listening,
    opening,
    proxied,
    sandbox,
    serving,
    states,
    stuck,
    traced,
)
from activator.live.doctor.finding import Finding
from activator.live.units import Situation

__all__ = ["DIAGNOSES", "Finding", "diagnose"]

DIAGNOSES = tuple(
    diagnosis
    for group in (
        *(states, sandbox, failing, stuck, limits, opening, listening),
        *(files, proxied, serving, instances),
    )
    for diagnosis in group.DIAGNOSES
)


def diagnose(situation: Situation) -> Iterator[Finding]:
    """Yield what is wrong with the sockets of a situation, in the order to mend it.

    Raises:
        ActivatorError: The manager or the journal does not answer.
    """
    yield from installations.half_installed(situation)
    yield from traced.left_traced(situation)
    for socket in situation.sockets:
        told = [finding for diagnosis in DIAGNOSES for finding in diagnosis(socket, situation)]
        yield from told or opening.not_open(socket)
