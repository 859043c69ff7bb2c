"""Lines of a unit's sandbox that stop its program, and the need that opens each.

What the program said, and how it ended, is looked up in symptoms.tsv; a symptom counts only where
the unit has a line, by openings.tsv, that closes what the need opens.
"""

import re
import time
from collections.abc import Iterator
from stat import S_IWOTH
from typing import NamedTuple

from activator.common import tables
from activator.common.symptoms import Symptom, symptoms
from activator.live import journal
from activator.live.doctor import exits
from activator.live.doctor.commands import again, drop_in, systemctl
from activator.live.doctor.ends import last
from activator.live.doctor.evidence import Terms, terms
from activator.live.doctor.finding import Finding
from activator.live.doctor.waiting import waiting
from activator.live.paths import status
from activator.live.unit_lines import lines_of
from activator.live.units import Situation, Socket, Unit

# How far back the journal is asked: seconds.
_LATELY_S = 600.0
_MORE = 4
# Needs for a directory of the service's own, whatever its name → what makes it.
_DIRECTORIES = {
    "state": "StateDirectory",
    "cache": "CacheDirectory",
    "logs": "LogsDirectory",
    "runtime": "RuntimeDirectory",
}


class Opening(NamedTuple):
    """A row of openings.tsv, whose head describes the columns."""

    need: str
    below: str
    directive: str
    closed: str
    opening: str


class Shown(NamedTuple):
    """A symptom that was found.

    Attributes:
        symptom: Its row.
        line: The line that shows it; empty if the end of the process does.
        about: What its need is about.
        closed: The rows of lines that close what the need opens.
    """

    symptom: Symptom
    line: str
    about: Terms
    closed: list[Opening]

    @property
    def need(self) -> str:
        """Return the need, with its argument."""
        return self.symptom.need.format_map(self.about)


def openings() -> list[Opening]:
    """Return the table of what needs open, in order."""
    return [Opening(*row) for row in tables.rows(__file__, "openings.tsv")]


def sandbox(socket: Socket, situation: Situation) -> Iterator[Finding]:
    """A line of the service's sandbox stops its program."""
    for unit in (*socket.backends, *socket.services[-1:]):
        # What a service that works has said is worth a look to those alone who ask for it.
        if not (situation.asked if unit.settled else unit.up or unit.failed):
            continue
        said, ended = _words(unit)
        if not said and not ended:
            continue
        closed = unit.more([row.directive for row in openings()])
        for symptom in symptoms():
            if not re.fullmatch(symptom.ends or ".*", ended):
                continue
            if (symptom.sure == "possible" and unit.settled) or not (symptom.words or ended):
                continue
            if (found := _found(symptom, said, unit, closed)) is not None:
                yield _finding(socket, unit, found)
                break


def _words(unit: Unit) -> tuple[list[str], str]:
    """Return what a unit's program said in its last run, or says, and by what signal it ended."""
    entries = journal.entries(unit.name, time.time() - _LATELY_S, user=unit.user)
    if unit.settled:
        wanted = unit["InvocationID"]
        return journal.program_messages(
            entry for entry in entries if journal.invocation(entry) == wanted
        ), ""
    run = journal.last_run(entries)
    how, status = last(unit, run)
    words = journal.program_messages(run.entries)
    return words, exits.signal_name(status) if how in ("killed", "dumped") else ""


def _found(symptom: Symptom, said: list[str], unit: Unit, closed: dict[str, str]) -> Shown | None:
    """Return how a symptom shows, if something closes what its need opens."""
    for line, path in symptom.shown(said):
        about = terms(unit, "\n".join(said), path, symptom.given)
        if about is None:
            continue
        lines = [row for row in openings() if _closes(row, symptom, about, closed)]
        if lines:
            return Shown(symptom, line.strip(), about, lines)
    return None


def _closes(row: Opening, symptom: Symptom, about: Terms, values: dict[str, str]) -> bool:
    """Tell whether a line of the unit closes what a symptom's need opens."""
    name, _, argument = symptom.need.format_map(about).partition(":")
    if row.need != name or (row.below and not is_below(argument, row.below)):
        return False
    value = values.get(row.directive, "")
    how, what = row.closed[0], row.closed[1:].format(argument=argument.lstrip("@"))
    if how == "=":
        return bool(re.fullmatch(what, value))
    # A list of what is allowed, or with "~" of what is forbidden.
    words, wanted = set(value.lower().lstrip("~").split()), set(what.lower().split())
    return bool(wanted & words) if value.startswith("~") else not wanted <= words


def is_below(path: str, directories: str) -> bool:
    """Tell whether a path lies in one of some directories; with "!" before, in none of them."""
    inside = any(f"{path}/".startswith(f"{each}/") for each in directories.lstrip("!").split())
    return inside is not directories.startswith("!")


def _finding(socket: Socket, unit: Unit, shown: Shown) -> Finding:
    sure, need = shown.symptom.sure, shown.need
    names = list(dict.fromkeys(row.directive for row in shown.closed))
    values = unit.more(names)
    written = lines_of(unit, names) or [f"{name}={values[name]}" for name in names]
    by = f'needs = ["{need}"]' if need else "[service]"
    how = "is refused something" if unit.settled else "is stopped"
    own = _own_directory(unit, need)
    return Finding(
        "sandbox",
        socket.name,
        f"{unit.name} {how} by its sandbox: {', '.join(names)} ({sure})",
        (
            f"{sure}: {shown.symptom.symptom}",
            *((shown.line,) if shown.line else ()),
            *written,
            *waiting(socket),
        ),
        (
            *own,
            *_foreign(unit, shown),
            *(
                ()
                if own
                else (
                    f"# in a spec: {by}, and install it anew; or here:",
                    *drop_in(socket, unit.name, "Service", **_settings(shown, values)),
                )
            ),
            *([systemctl(socket, "restart", unit.name)] if unit.up else again(socket)),
        ),
    )


def _own_directory(unit: Unit, need: str) -> tuple[str, ...]:
    """Return what to do where it has the directory that is needed: its program looks elsewhere."""
    directive = _DIRECTORIES.get(need, "")
    has = unit.more([directive])[directive] if directive else ""
    if not has:
        return ()
    variable = directive.replace("D", "_D").upper()
    return (f"# it has {directive}={has}: have it open its files below ${variable}",)


def _foreign(unit: Unit, shown: Shown) -> tuple[str, ...]:
    """Return a word on a directory that is not the user's that the service runs as."""
    place = shown.about["place"]
    found = status(place) if shown.need.startswith("write:") else None
    if found is None or found.st_mode & S_IWOTH:
        return ()
    if unit.more(["DynamicUser"])["DynamicUser"] != "yes":
        return ()
    better = 'a directory of its own is better: in a spec needs = ["state"]'
    return (f"# {place} belongs to a user that the service does not run as; {better}",)


def _settings(shown: Shown, values: dict[str, str]) -> dict[str, str]:
    """Return what a drop-in sets to open what is closed."""
    found = {}
    for row in shown.closed:
        limit = values[row.directive]
        more = str(int(limit) * _MORE) if limit.isdecimal() else ""
        filling = {**shown.about, "argument": shown.need.partition(":")[2], "more": more}
        name, _, value = row.opening.format_map(filling).partition("=")
        found[name] = value
    return found


DIAGNOSES = (sandbox,)
