"""What happens when a service takes too long, by state.

Source: systemd.service(5), TimeoutStartSec= and its kin, TimeoutStartFailureMode=.
"""

from typing import NamedTuple

from activator.local.services.states import RELOADING, ROWS, STARTING, State
from activator.local.units.service_model import ServiceUnit

_FORCE = {"terminate": State.STOP_SIGTERM, "abort": State.STOP_WATCHDOG, "kill": State.STOP_SIGKILL}
_SILENT = (State.STOP_SIGKILL, State.STOP_POST, State.FINAL_SIGKILL)


class Late(NamedTuple):
    """What to do.

    Attributes:
        next: The next state; the result is ``timeout``.
        kind: The event that tells of it; empty for none.
        text: What happened, and what to do.
    """

    next: State
    kind: str = ""
    text: str = ""


def after(state: State, unit: ServiceUnit) -> Late:
    """Return what follows when the time limit of a state is over."""
    row = ROWS[state]
    directive = f"{row.limit}Sec="
    limit = f"{unit.limits.get(row.limit, 0):g}s"
    if state in STARTING:
        what = f"{row.commands}= took over {limit}; raise {directive}, or see why it waits"
        if state is State.START and unit.waits_for_ready:
            what = f"no READY=1 within {limit}; let it notify, or raise {directive}"
        return Late(_FORCE[unit.late_start], "failed", what)
    if state is State.RUNNING:
        return Late(row.late, "note", f"has run for {limit} ({directive}): stopping")
    if state in RELOADING:
        return Late(row.late, "failed", f"did not reload within {limit}; raise {directive}")
    if state in _SILENT:
        return Late(row.late)
    return _to_stop(state, unit, limit)


def _to_stop(state: State, unit: ServiceUnit, limit: str) -> Late:
    """Return what follows when a service takes too long to stop."""
    row = ROWS[state]
    if state is State.STOP:
        what = f"ExecStop= took over {limit}: going on without"
        return Late(_FORCE[unit.late_stop], "note", what)
    if state is State.STOP_SIGTERM and unit.late_stop == "abort":
        return Late(State.STOP_WATCHDOG, "note", f"still there after {limit}: aborted")
    what = f"still there {limit} after it was asked to end"
    if unit.killing.send_sigkill:
        return Late(row.late, "note", f"{what}: killed")
    return Late(row.done, "note", f"{what}: left alone")


def hung(limit: float, *, asked: bool) -> str:
    """Return what to say of a service that its watchdog ends, or that has asked for it."""
    if asked:
        return "said WATCHDOG=trigger (watchdog); see why it gave itself up"
    what = f"no WATCHDOG=1 within {limit:g}s (watchdog)"
    return f"{what}; see why it hangs, or raise WatchdogSec="
