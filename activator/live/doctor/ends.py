"""Why a service ended: what systemd and the journal say of it, and what mends that."""

import time
from typing import NamedTuple

from activator.live import journal
from activator.live.conditions import unmet
from activator.live.doctor import exits
from activator.live.doctor.commands import drop_in, edit
from activator.live.doctor.results import meaning
from activator.live.unit_lines import lines_of
from activator.live.units import Socket, Unit

# How far back the journal is asked: seconds.
_LATELY_S = 600.0
# So many of the last ends make a pace.
_PACE = 5
_CODES = {1: "exited", 2: "killed", 3: "dumped"}  # CLD_EXITED and so on, of sigaction(2)
_IN_BACKGROUND = {"--daemon", "--daemonize", "--background", "--fork", "-daemon", "-D"}


class Account(NamedTuple):
    """Why a service ended.

    Attributes:
        evidence: What shows it, a line each.
        commands: What mends it, a line each; what is to be done by hand begins with ``#``.
        clean: Whether it ended with status 0, by itself.
        name: The finding that its Result= stands for; empty where the end of its process tells.
        what: What happened, for ``NAME.service ...``; empty likewise.
    """

    evidence: tuple[str, ...]
    commands: tuple[str, ...]
    clean: bool = False
    name: str = ""
    what: str = ""


def account(socket: Socket, unit: Unit) -> Account:
    """Return why a service of a socket ended last.

    Raises:
        ActivatorError: The journal or the manager does not answer.
    """
    by = edit(socket, unit.name)
    if missed := skipped(unit):
        evidence = tuple(f"{unit.name}: ConditionResult=no, {condition}" for condition in missed)
        return Account(evidence, (f"# have {' and '.join(missed)} met, or take it out: {by}",))
    entries = journal.entries(unit.name, time.time() - _LATELY_S, user=socket.user)
    run = journal.last_run(entries)
    # Of one that runs again systemd has no end any more, and of a good one it logs no status.
    clean = unit.number("ExecMainCode") <= 0 and journal.outcomes(entries)[-1:] == [True]
    how, status = ("exited", 0) if clean else last(unit, run)
    words = journal.telling(unit.name, run.entries) or unit.reason
    # Of one that is started again, Result= is that of the new start.
    result = unit["Result"]
    if result == "success" and not clean:
        result = run.result or "success"
    told = meaning(result, unit["Type"], journal.manager_messages(unit.name, run.entries))
    end = exits.end(how, status)
    directives = (*(told.lines if told else ()), *(end.lines if not told or told.ends else ()))
    # The end of a process is logged before the result of its unit.
    ended = [f"Result={result}"] * (result != "success") + [exits.said(how, status)] * bool(how)
    found = [f"{unit.name}: {', '.join(ended)}", words]
    found += [f"it was {run.beside}= that ended so"] * bool(run.beside)
    found += lines_of(unit, (*directives, run.beside), words)
    found += pace(entries)
    if told and not (told.ends and how):
        by_hand = f"# {told.cure}: {by}"
        until = drop_in(socket, unit.name, "Service", **told.settings) if told.settings else ()
        commands = (by_hand, *(("# until then:", *until) if until else ()))
        return Account(tuple(filter(None, found)), commands, False, told.name, told.what)
    if not how:
        return Account((words,) if words else (), (f"# mend what its last words tell: {by}",))
    name, what = (told.name, told.what) if told else ("", "")
    if (how, status) == ("exited", 0):
        limits = (found[0], *lines_of(unit, told.lines)) if told else ()
        lasted = f"{unit.name} ended with status 0{_lasted(unit)}"
        return Account((*limits, lasted, *pace(entries)), _ended(unit, by), True, name, what)
    commands = (f"# {exits.cure(how, status, words)}: {by}",)
    return Account(tuple(dict.fromkeys(filter(None, found))), commands, False, name, what)


def last_reload(unit: Unit) -> str:
    """Return the line that tells best why a unit's last reload failed; empty if none does.

    Raises:
        ActivatorError: The journal does not answer.
    """
    entries = journal.entries(unit.name, max(unit.changed - _LATELY_S, 0.0), user=unit.user)
    return journal.telling(unit.name, journal.last_reload(entries))


def skipped(unit: Unit) -> list[str]:
    """Return which conditions kept a unit from its last start."""
    if unit.up or unit["ConditionTimestampMonotonic"] in ("", "0"):
        return []
    if unit["ConditionResult"] == "yes" and unit["AssertResult"] != "no":
        return []
    return unmet(unit.name, user=unit.user)


def pace(entries: list[dict[str, object]]) -> list[str]:
    """Return how often a unit's processes ended lately, and how fast; nothing for a single end."""
    times = journal.ends(entries)[-_PACE:]
    if len(times) < 2:  # noqa: PLR2004 - a pace needs two
        return []
    every = (times[-1] - times[0]) / (len(times) - 1)
    return [f"the last {len(times)} ends came once in {every:.1f} s"]


def last(unit: Unit, run: journal.Run) -> tuple[str, int]:
    """Return how its process ended last: the first of a run, of which the journal tells."""
    how = _CODES.get(unit.number("ExecMainCode"), "")
    if run.how and (not how or run.invocation == unit["InvocationID"]):
        return run.how, run.status
    return (how, unit.number("ExecMainStatus")) if how else ("", 0)


def _lasted(unit: Unit) -> str:
    began, ended = (unit.number(f"ExecMain{what}TimestampMonotonic") for what in ("Start", "Exit"))
    return f", {(ended - began) / 1e6:.1f} s after its start" if 0 < began <= ended else ""


def _ended(unit: Unit, by: str) -> tuple[str, ...]:
    forks = (
        "it goes into the background"
        if set(unit.arguments) & _IN_BACKGROUND
        else ("if it goes into the background")
    )
    return (
        f"# {forks}: have it stay, or set Type=forking and PIDFile=: {by}",
        "# if it serves one client and ends: let it go on, or use Accept=yes with a template",
    )
