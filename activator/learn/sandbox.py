"""The lines of a service's sandbox: what takes them off, and which forbid what was done.

What a need is closed by is in openings.tsv of the doctor, which names a few lines for each symptom,
and in closings.tsv here; which group has a system call, in call_groups.tsv.
"""

import os
import re
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from typing import NamedTuple

from activator.common import tables
from activator.learn.judge import Evidence
from activator.learn.lesson import Lesson
from activator.learn.service import Service
from activator.live.doctor.sandbox import is_below, openings
from activator.unitfile.parse import Entry
from activator.unitfile.values.numbers import BOOLEANS

# It shuts in as well, but what it makes cannot be had in another way.
_DYNAMIC = "DynamicUser"
_CALLS = "SystemCallFilter"
_CAPABILITIES = "CapabilityBoundingSet"
# Where systemd makes the directories that a unit names, and the need that names them in a spec.
_PLACES = {
    "state": ("StateDirectory", "/var/lib"),
    "cache": ("CacheDirectory", "/var/cache"),
    "logs": ("LogsDirectory", "/var/log"),
    "runtime": ("RuntimeDirectory", "/run"),
}
_SHOWN = ("ReadWritePaths", "BindPaths", "BindReadOnlyPaths")
_RUN = ("ExecPaths",)
# What ProtectSystem= has read-only; anything else, all.
_SYSTEM = {"yes": ("/usr", "/boot", "/efi"), "full": ("/usr", "/boot", "/efi", "/etc")}


class Closing(NamedTuple):
    """A row of closings.tsv, whose head describes the columns."""

    need: str
    below: str
    directive: str
    closed: str


@cache
def off() -> dict[str, str]:
    """Return the directives of sandboxes, and what takes each off."""
    return dict(row for row in tables.rows(__file__, "sandbox.tsv"))


def taken_off(service: Service, kept: Collection[str]) -> Iterator[str]:
    """Yield the lines of [Service] that take a service's sandbox off, as far as it has one.

    Args:
        service: The service.
        kept: Directives that stay.
    """
    for name, value in off().items():
        if name not in kept and service.lines(name):
            yield f"{name}={value}"


def forbidding(service: Service, found: Iterable[Evidence]) -> dict[Entry, str]:
    """Return the lines of a service that forbid what was done, each with a need that it closes."""
    lines: dict[Entry, str] = {}
    for one in found:
        for entry in _against(service, one):
            lines.setdefault(entry, one.need or one.call)
    return lines


def shut(service: Service) -> list[Entry]:
    """Return the lines that make up a service's sandbox, in order."""
    found = []
    for entry, _ in service.settings.taken:
        is_known = entry.section == "Service" and (entry.name in off() or entry.name == _DYNAMIC)
        counts = service.settings.counts(entry) or entry.name == _CAPABILITIES
        if is_known and counts and _value(entry) != (off().get(entry.name) or "no"):
            found.append(entry)
    return found


def no_programs(services: Iterable[Service]) -> tuple[str, ...]:
    """Return the directories from which services let no program run."""
    lines = (entry for each in services for entry in each.settings.all("NoExecPaths"))
    return tuple(word.lstrip("-+") for entry in lines for word in entry.value.split())


def with_lines(lesson: Lesson, services: Iterable[Service]) -> Lesson:
    """Return a lesson with the lines of services that forbid what was done, and the others."""
    closing: list[tuple[str, str]] = []
    idle: list[str] = []
    for each in services:
        found = forbidding(each, (*lesson.evidence, *lesson.impossible))
        for entry in shut(each):
            text = f"{entry.place}: {entry.name}={entry.value}"
            if entry in found:
                closing.append((text, found[entry]))
            else:
                idle.append(text)
    # There is no spec, which would lack something.
    return lesson._replace(missing=(), forbidding=tuple(closing), idle=tuple(idle))


def _against(service: Service, one: Evidence) -> Iterator[Entry]:
    """Yield the lines of a service that forbid what was done."""
    if groups := _groups().get(one.call):
        yield from _refused(service.lines(_CALLS), {one.call, *groups})
    name, _, argument = one.need.partition(":")
    path = os.path.realpath(one.what) if name == "exec" else _path(service, name, argument)
    if path and _is_shown(service, path, _RUN if name == "exec" else _SHOWN):
        return
    for row in _closings():
        if row.need != name or (row.below and not is_below(path or argument, row.below)):
            continue
        if row.directive == "ProtectSystem" and not _is_system(service, path):
            continue
        if row.directive == "IPAddressDeny" and service.lines("IPAddressAllow") and argument:
            continue  # what is allowed counts, whatever is denied
        yield from _closing(service, row, path, argument)


def _closing(service: Service, row: Closing, path: str, argument: str) -> Iterator[Entry]:
    """Yield the lines of a row's directive that close what its need opens."""
    how, what = row.closed[0], row.closed[1:].format(argument=argument)
    lines = service.lines(row.directive)
    if how == "-":
        yield from _refused(lines, set(what.lower().split()))
    elif how == "^":
        for entry in filter(service.settings.counts, lines):
            named = [word.lstrip("-+").partition(":")[0] for word in entry.value.split()]
            if any(is_below(path or argument, word) for word in named if word):
                yield entry
    else:
        last = service.settings.get(row.directive)
        if last is not None and re.fullmatch(what, _value(last)):
            yield last


def _refused(lines: Iterable[Entry], names: set[str]) -> Iterator[Entry]:
    """Yield the line by which a list of what is allowed, or forbidden, refuses one of some names.

    The first line says which of the two it is, and later ones add and take away.
    """
    refuses: Entry | None = None
    begun = False
    for entry in lines:
        words = {word.partition(":")[0].lower() for word in entry.value.lstrip("~").split()}
        inverted = entry.value.startswith("~")
        if not entry.value or entry.value == "none":
            # An empty list allows all, but for privileges.
            begun = entry.value == "none" or entry.name == _CAPABILITIES
            refuses = entry if begun else None
        elif not begun:
            begun, refuses = True, entry if bool(words & names) is inverted else None
        elif words & names:
            refuses = entry if inverted else None
    if refuses is not None:
        yield refuses


def _value(entry: Entry) -> str:
    """Return a value as systemd shows it."""
    known = BOOLEANS.get(entry.value.lower())
    return entry.value if known is None else "yes" if known else "no"


def _path(service: Service, need: str, argument: str) -> str:
    """Return the path that a need is about; empty for none."""
    if need in _PLACES:
        return f"{_PLACES[need][1]}/{argument or service.name.partition('.')[0].rstrip('@')}"
    return argument if argument.startswith("/") else ""


def _is_shown(service: Service, path: str, directives: Iterable[str]) -> bool:
    """Tell whether a line of the unit opens a path."""
    shown = [
        word.lstrip("-+").split(":")[-1 if ":" in word else 0]
        for name in directives
        for entry in service.settings.all(name)
        for word in entry.value.split()
    ]
    # What is made for a service is not for programs.
    shown += [
        f"{base}/{word.partition(':')[0]}"
        for directive, base in (_PLACES.values() if directives is _SHOWN else ())
        for entry in service.settings.all(directive)
        for word in entry.value.split()
    ]
    return any(is_below(path, each) for each in shown if each)


def _is_system(service: Service, path: str) -> bool:
    """Tell whether ProtectSystem= has a path read-only."""
    entry = service.settings.get("ProtectSystem")
    places = _SYSTEM.get(_value(entry), ("/",)) if entry else ()
    return any(place == "/" or is_below(path, place) for place in places)


@cache
def _closings() -> list[Closing]:
    """Return what closes the needs, in order."""
    more = (Closing(*row) for row in tables.rows(__file__, "closings.tsv"))
    # Which directories let no program run, is asked more closely here.
    known = (
        Closing(row.need, row.below, row.directive, row.closed)
        for row in openings()
        if row.need != "exec"
    )
    rows = dict.fromkeys((*known, *more))
    return [row for row in rows if row.directive in (*off(), _DYNAMIC) and row.directive != _CALLS]


@cache
def _groups() -> dict[str, tuple[str, ...]]:
    """Return the groups of system calls that have each of those that are judged."""
    rows = tables.rows(__file__, "call_groups.tsv")
    return {call: tuple(groups.split()) for call, groups in rows}
