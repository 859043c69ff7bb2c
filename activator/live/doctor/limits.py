"""Limits of a running service that are reached, or nearly so."""

from collections.abc import Iterator

from activator.live.doctor.commands import drop_in, systemctl
from activator.live.doctor.finding import Finding
from activator.live.doctor.waiting import waiting
from activator.live.unit_lines import lines_of
from activator.live.units import Situation, Socket

# So few descriptors left are none: a client takes one, and the files that it asks for more.
_LEFT = 2
_MORE = 4


def descriptors(socket: Socket, _: Situation) -> Iterator[Finding]:
    """A service has as many descriptors open as LimitNOFILE= allows."""
    for unit in socket.served_by:
        full = [
            (one, one.descriptors, one.descriptors_max)
            for one in unit.processes
            if one.descriptors_max > 0 and one.descriptors > one.descriptors_max - _LEFT
        ]
        if not full:
            continue
        process, count, limit = full[0]
        yield Finding(
            "descriptors-max",
            socket.name,
            f"{process.name}[{process.pid}] may open no more descriptors: it takes no client",
            (
                f"{count} are open, LimitNOFILE= allows {limit}",
                *lines_of(unit, ("LimitNOFILE",)),
                *waiting(socket),
            ),
            (
                *drop_in(socket, unit.name, "Service", LimitNOFILE=_MORE * limit),
                systemctl(socket, "restart", unit.name),
            ),
        )


DIAGNOSES = (descriptors,)
