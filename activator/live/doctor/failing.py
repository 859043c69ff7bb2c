"""Services that fail, or that are skipped, and units without which they are not started."""

import time
from collections.abc import Iterator

from activator.common.counted import counted
from activator.live.doctor.commands import again, edit, systemctl
from activator.live.doctor.ends import account, skipped
from activator.live.doctor.finding import Finding
from activator.live.doctor.waiting import waiting
from activator.live.escapes import words
from activator.live.unit_lines import lines_of
from activator.live.units import Situation, Socket, Unit

# Restarts that are no accident, and how long a service must run to count as started: seconds.
_MANY, _SETTLED_S = 3, 10.0
# Results of a socket that tell of its service by themselves.
LIMITS = ("trigger-limit-hit", "service-start-limit-hit")
# Where the manager skips a service without a failure.
_SKIPPED = "exec-condition"
_NEEDED = ("Requires", "BindsTo", "Requisite")


def service_fails(socket: Socket, _: Situation) -> Iterator[Finding]:
    """The service, or the program behind it, fails at each start."""
    if socket.accepts or not socket.service:
        return
    # A proxy fails with the program behind it, which is the cause, also of a limit that is hit.
    units = (*socket.backends, socket.service) if socket.up else socket.backends
    for unit in filter(fails, units if socket.up or socket["Result"] in LIMITS else ()):
        restarts = unit.number("NRestarts")
        found = account(socket, unit)
        evidence = [
            *found.evidence,
            *([f"{unit.name}: {counted(restarts, 'restart')}"] * (restarts > 0)),
        ]
        often = "fails at each start" if restarts > 0 else "has failed"
        yield Finding(
            found.name or ("service-ends" if found.clean else "service-fails"),
            socket.name,
            f"{unit.name} {found.what or ('ends by itself' if found.clean else often)}",
            (*evidence, *waiting(socket)),
            (*found.commands, systemctl(socket, "daemon-reload"), *_once_more(socket, unit)),
        )
        return


def fails(unit: Unit) -> bool:
    """Tell whether a service fails: at each start, or for good."""
    restarts = unit.number("NRestarts")
    if unit.failed or unit["SubState"].startswith("auto-restart") or unit["Result"] == _SKIPPED:
        return True
    if unit["ActiveState"] == "activating":
        return restarts > 0
    if unit["ActiveState"] == "deactivating":  # ExecStopPost= of what has ended
        return unit["Result"] not in ("", "success")
    return unit.up and restarts >= _MANY and time.time() - unit.since < _SETTLED_S


def _once_more(socket: Socket, unit: Unit) -> tuple[str, ...]:
    if unit.up:
        return (systemctl(socket, "restart", unit.name),)
    first = () if unit in socket.services else (systemctl(socket, "reset-failed", unit.name),)
    return (*first, *again(socket))


def condition_unmet(socket: Socket, situation: Situation) -> Iterator[Finding]:
    """A condition keeps the service, or the socket, from being started."""
    wanted = situation.asked or socket["Result"] in LIMITS or waiting(socket)
    units = [unit for unit in (socket, *socket.services[:1], *socket.backends) if wanted]
    for unit in units:
        if missed := skipped(unit):
            by = edit(socket, unit.name)
            yield Finding(
                "condition-unmet",
                socket.name,
                f"{unit.name} is skipped: {' and '.join(missed)} does not hold",
                (f"{unit.name}: ConditionResult=no", *missed, *waiting(socket)),
                (f"# have it hold, or take it out: {by}", *again(socket)),
            )


def dependency_fails(socket: Socket, situation: Situation) -> Iterator[Finding]:
    """A unit without which the service is not started has failed, or is not there."""
    if socket.accepts or not socket.service or socket.service.up:
        return
    wanted = {
        name: unit
        for unit in (socket, *socket.served_by)
        for kind in _NEEDED
        for name in words(unit[kind])
    }
    own = {socket.name, *(unit.name for unit in socket.served_by)}
    others = situation.others([name for name in wanted if name not in own])
    for other in others:
        gone = other["LoadState"] in ("not-found", "masked", "bad-setting", "error")
        if not gone and not other.failed:
            continue
        by = wanted[other.name]
        found = account(socket, other) if other.failed else None
        state = other["LoadState"] if gone else other["ActiveState"]
        mend = f"# install it, unmask it, or take it out: {systemctl(socket, 'edit', by.name)}"
        yield Finding(
            "dependency-fails",
            socket.name,
            f"{by.name} is not started without {other.name}, which is {state}",
            (
                f"{other.name}: {'LoadState' if gone else 'ActiveState'}={state}",
                *(found.evidence if found else ()),
                *lines_of(by, _NEEDED, other.name),
                *waiting(socket),
            ),
            (
                *(found.commands if found else (mend,)),
                systemctl(socket, "daemon-reload"),
                *([systemctl(socket, "reset-failed", other.name)] if other.failed else []),
                *again(socket),
            ),
        )


DIAGNOSES = (service_fails, condition_unmet, dependency_fails)
