"""Services that are on their way from one state to another and do not get there."""

import time
from collections.abc import Iterator

from activator.live.doctor.commands import drop_in, edit, reread, systemctl
from activator.live.doctor.ends import last_reload
from activator.live.doctor.finding import Finding
from activator.live.doctor.waiting import waiting
from activator.live.escapes import words
from activator.live.processes import look
from activator.live.unit_lines import lines_of
from activator.live.units import Situation, Socket, Unit

# How long a state may last while clients wait, and while none does: seconds.
_LONG_S, _LONG_ALONE_S = 5.0, 60.0
# SubState → the directives that say what is done in it.
_COMMANDS = {
    "condition": ("ExecCondition",),
    "start-pre": ("ExecStartPre",),
    "start": ("Type", "PIDFile", "BusName", "NotifyAccess"),
    "start-post": ("ExecStartPost",),
    "reload": ("ExecReload",),
    "reload-signal": ("Type", "ReloadSignal"),
    "reload-notify": ("Type",),
}
# Type= → what its start waits for.
_FOR = {
    "notify": "READY=1",
    "notify-reload": "READY=1",
    "forking": "its first process to end",
    "dbus": "its bus name",
    "oneshot": "its commands to end",
}
_STOPPED = "T"


def starting(socket: Socket, _: Situation) -> Iterator[Finding]:
    """The service does not get up: what it waits for is told."""
    for unit in _lasting(socket, "activating"):
        state = unit["SubState"]
        if state.startswith("auto-restart"):
            continue
        what = (
            _FOR.get(unit["Type"], "its start to end")
            if state == "start"
            else f"{_COMMANDS[state][0]}="
        )
        command = look(unit.number("ControlPID")) if unit.number("ControlPID") > 0 else None
        runs = (f"it runs {' '.join(command.arguments)} [{command.pid}]",) if command else ()
        by = edit(socket, unit.name)
        yield Finding(
            "stuck-starting",
            socket.name,
            f"{unit.name} has been starting for {_lasts(unit):.0f} s, and waits for {what}",
            (
                f"{unit.name}: {state}, TimeoutStartSec={unit['TimeoutStartUSec']}",
                *runs,
                *lines_of(unit, _COMMANDS[state]),
                *waiting(socket),
            ),
            (
                f"# have {what} come, or the unit not wait for it: {by}",
                *reread(socket, "restart", unit.name),
            ),
        )


def restarting(socket: Socket, _: Situation) -> Iterator[Finding]:
    """The service waits for its next start, and clients wait with it."""
    for unit in socket.served_by:
        if not unit["SubState"].startswith("auto-restart") or not waiting(socket):
            continue
        every = unit["RestartUSecNext"] or unit["RestartUSec"]
        if _seconds(every) < _LONG_S:
            continue
        yield Finding(
            "stuck-restarting",
            socket.name,
            f"{unit.name} waits {every} for its next start, and clients wait with it",
            (
                f"{unit.name}: {unit['SubState']}, {unit['NRestarts']} restarts",
                *lines_of(unit, ("RestartSec", "RestartSteps", "RestartMaxDelaySec")),
                *waiting(socket),
            ),
            (
                *drop_in(socket, unit.name, "Service", RestartSec="1s"),
                systemctl(socket, "restart", unit.name),
            ),
        )


def reloading(socket: Socket, _: Situation) -> Iterator[Finding]:
    """A reload does not come to an end, or has failed: the old settings are in force."""
    for unit in socket.served_by:
        by = edit(socket, unit.name)
        directives = ("Type", "ExecReload", "ReloadSignal", "TimeoutStartSec")
        if unit in _lasting(socket, "reloading", "refreshing"):
            waits = "READY=1" if unit["SubState"] in ("reload-signal", "reload-notify") else ""
            yield Finding(
                "stuck-reloading",
                socket.name,
                f"{unit.name} has been reloading for {_lasts(unit):.0f} s, and waits for "
                f"{waits or 'ExecReload='}",
                (f"{unit.name}: {unit['SubState']}", *lines_of(unit, directives)),
                (
                    f"# have it answer: RELOADING=1 with MONOTONIC_USEC=, then READY=1; or: {by}",
                    *reread(socket, "restart", unit.name),
                ),
            )
        elif unit.settled and unit["ReloadResult"] not in ("success", ""):
            yield Finding(
                "reload-failed",
                socket.name,
                f"{unit.name} could not be reloaded, and goes on with its old settings",
                (
                    f"{unit.name}: ReloadResult={unit['ReloadResult']}",
                    *filter(None, (last_reload(unit),)),
                    *lines_of(unit, directives),
                ),
                (
                    f"# mend what ExecReload= calls, or its configuration: {by}",
                    *reread(socket, "reload-or-restart", unit.name),
                ),
            )


def frozen(socket: Socket, _: Situation) -> Iterator[Finding]:
    """The service is frozen, or its processes are stopped: nobody is served until they go on."""
    for unit in socket.served_by:
        if unit["FreezerState"] in ("frozen", "freezing", "frozen-by-parent"):
            yield Finding(
                "service-frozen",
                socket.name,
                f"{unit.name} is frozen, and serves nobody",
                (f"{unit.name}: FreezerState={unit['FreezerState']}", *waiting(socket)),
                (systemctl(socket, "thaw", unit.name),),
            )
            continue
        stopped = [one for one in unit.processes if one.state == _STOPPED] if unit.up else []
        if stopped and any(one.pid == unit.number("MainPID") for one in stopped):
            yield Finding(
                "service-frozen",
                socket.name,
                f"{unit.name} was stopped by a signal, and serves nobody",
                (
                    *(f"{one.name}[{one.pid}] is in state T (stopped)" for one in stopped),
                    *waiting(socket),
                ),
                (systemctl(socket, "kill", "--signal=SIGCONT", unit.name),),
            )


def queued(socket: Socket, situation: Situation) -> Iterator[Finding]:
    """The start of the service has to wait for another unit's."""
    own = {unit.name for unit in socket.served_by}
    for unit in socket.served_by:
        if unit["Job"] in ("", "0") or unit["ActiveState"] not in ("inactive", "failed"):
            continue
        if not waiting(socket):
            continue
        # What is stuck of its own is told by itself.
        before = set(words(unit["After"])) - own
        running = [job for job in situation.manager.jobs() if job.unit in before]
        names = [job.unit for job in running]
        if not running:
            continue
        yield Finding(
            "start-waits",
            socket.name,
            f"the start of {unit.name} waits for {', '.join(names)}",
            (
                *(f"job {job.number}: {job.kind} {job.unit} is {job.state}" for job in running),
                *lines_of(unit, ("After", "Requires", "BindsTo", "Wants")),
                *waiting(socket),
            ),
            (
                "# see why these do not come to an end: " + systemctl(socket, "status", *names),
                systemctl(socket, "stop", *names),
            ),
        )


def stopping(socket: Socket, _: Situation) -> Iterator[Finding]:
    """The service does not come to an end, and nobody is served until it has."""
    for unit in _lasting(socket, "deactivating"):
        left = [f"{process.name}[{process.pid}] is left" for process in unit.processes]
        yield Finding(
            "stuck-stopping",
            socket.name,
            f"{unit.name} has been stopping for {_lasts(unit):.0f} s, and clients wait for that",
            (
                f"{unit.name}: {unit['SubState']}, TimeoutStopSec={unit['TimeoutStopUSec']}",
                *left,
                *waiting(socket),
            ),
            (
                "# this ends what it still does, and the connections that it still serves",
                systemctl(socket, "kill", "--signal=SIGKILL", unit.name),
            ),
        )


def _lasting(socket: Socket, *states: str) -> list[Unit]:
    """Return the services that have been in a state for too long."""
    limit = _LONG_S if waiting(socket) else _LONG_ALONE_S
    return [
        unit for unit in socket.served_by if unit["ActiveState"] in states and _lasts(unit) >= limit
    ]


def _lasts(unit: Unit) -> float:
    return time.time() - unit.changed


def _seconds(text: str) -> float:
    """Return a time span as systemctl writes it, in seconds; -1 if it is none or has no end."""
    units = {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
    total = 0.0
    for word in text.split():
        number = word.rstrip("abcdefghijklmnopqrstuvwxyz")
        unit = word[len(number) :]
        if not number or unit not in units:
            return float("inf") if text == "infinity" else 0.0
        total += float(number) * units[unit]
    return total


DIAGNOSES = (starting, restarting, reloading, frozen, queued, stopping)
