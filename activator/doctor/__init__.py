"""Say why sockets do not serve, with the evidence and the commands that mend it.

A diagnosis is a generator: it looks at one socket and yields a finding when it has the
evidence. They stand in groups: states (what systemd says), listening (addresses and files),
serving (what the service does with the descriptors), instances (per-connection services).
"""

from collections.abc import Iterator

from activator.doctor import instances, listening, serving, states
from activator.doctor.finding import Finding
from activator.live.units import Situation

__all__ = ["DIAGNOSES", "Finding", "diagnose"]

DIAGNOSES = (*states.DIAGNOSES, *listening.DIAGNOSES, *serving.DIAGNOSES, *instances.DIAGNOSES)


def diagnose(situation: Situation) -> Iterator[Finding]:
    """Yield what is wrong with the sockets of a situation.

    Where the manager says of a unit's files that they changed since, that alone is told: what
    else there is may be gone once they are read.
    """
    for socket in situation.sockets:
        found = [finding for diagnosis in DIAGNOSES for finding in diagnosis(socket, situation)]
        yield from [finding for finding in found if finding.alone] or found
