"""A draft proves itself: its text is read back, and what its units say is compared."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from activator.adopt import toml
from activator.adopt.model import Adopted, Draft, Kind, Line, Note, Socket
from activator.adopt.renaming import canonical
from activator.adopt.unit_files import counted
from activator.check.units import Unit
from activator.errors import ActivatorError
from activator.generate import render, specfile
from activator.unitfile import directives
from activator.unitfile.values import judge
from activator.unitfile.values.verdict import OK

Entry = tuple[str, str, str]  # section, name, value

# What the generator writes for a spec's names and mode, whatever the units say.
_DECIDED = {
    ("Socket", "Accept"),
    ("Socket", "FileDescriptorName"),
    ("Socket", "Service"),
    ("Unit", "Description"),
}
# Defaults that the catalogue has in words: of a manager that nobody configured.
_DEFAULTS = {
    ("Unit", "StartLimitIntervalSec"): "10s",
    ("Service", "Type"): "simple",
    ("Install", "WantedBy"): "",
}


def written(draft: Draft) -> tuple[Draft, str, specfile.Spec]:
    """Return a draft with the systemd it needs, its text, and the spec that it is.

    Raises:
        ActivatorError: No systemd takes it.
    """
    for version in range(directives.OLDEST, directives.NEWEST + 1):
        named = draft
        if version > directives.OLDEST:
            line = Line("systemd", version, why="the oldest that knows all of it")
            named = draft._replace(keys=(*draft.keys, line))
        text = toml.text(named)
        try:
            return named, text, specfile.loads(text, f"{draft.name}.toml")
        except ActivatorError:
            if version == directives.NEWEST:
                raise
    raise AssertionError


def proven(adopted: Adopted) -> Adopted:
    """Return what was adopted with its text, or refused if the text would not be a spec."""
    if adopted.draft is None:
        return adopted
    try:
        draft, text, spec = written(adopted.draft)
        render.render(spec)
    except ActivatorError as error:
        lines = [
            Note(Kind.REFUSED, "", re.sub(r"^\S+?\.toml:\d+: ", "", line)) for line in error.lines()
        ]
        return adopted._replace(draft=None, notes=(*adopted.notes, *lines))
    notes = [Note(Kind.CHANGED, "", note) for note in spec.notes]
    return adopted._replace(draft=draft, text=text, notes=(*adopted.notes, *notes))


def proven_units(adopted: Adopted, service: Unit, sockets: Sequence[Unit]) -> Adopted:
    """Return what was adopted of units, with systemd's own defaults where the generator's differ.

    What the units say otherwise in the end is noted.
    """
    made = proven(adopted)
    if made.draft is None or adopted.draft is None:
        return made
    draft = adopted.draft
    for unit, (own, mine) in enumerate(_pairs(made.draft, service, sockets)):
        extra = _more(own, mine)
        draft = _with_defaults(draft, unit - 1, extra, mine)
    made = proven(adopted._replace(draft=draft))
    if made.draft is None:
        return made
    notes = list(made.notes)
    names = [service.name, *(unit.name for unit in sockets)]
    for name, (own, mine) in zip(names, _pairs(made.draft, service, sockets), strict=True):
        notes += _told(name, own, mine)
    return made._replace(notes=tuple(notes))


def _pairs(
    draft: Draft, service: Unit, sockets: Sequence[Unit]
) -> Iterator[tuple[list[Entry], list[Entry]]]:
    """Yield what the units of a draft say, and what the old ones said: the service's first."""
    _, _, spec = written(draft._replace(keys=tuple(k for k in draft.keys if k.name != "systemd")))
    *news, last = render.units(spec)
    for new, old in zip([last, *news], [service, *sockets], strict=True):
        was = [(*canonical(entry, known), entry.value) for entry, known in counted(old)]
        yield list(new.entries), was


def _more(own: Iterable[Entry], mine: Iterable[Entry]) -> list[Entry]:
    """Return the lines of the new unit that the old one has not set at all."""
    had = {(section, name) for section, name, _ in mine}
    return [each for each in own if each[:2] not in had and each[:2] not in _DECIDED]


def _with_defaults(draft: Draft, index: int, extra: list[Entry], mine: list[Entry]) -> Draft:
    """Return a draft in which the defaults of systemd stand; index -1 is the service."""
    lines: dict[str, list[Line]] = {"Unit": [], "Install": [], "Socket": [], "Service": []}
    for section, name, value in extra:
        default = _default(section, name, mine)
        if default is not None:
            why = f"as systemd has it without this line; the generator writes {value}"
            lines[section].append(Line(name, default, why=why))
    if index < 0:
        return draft._replace(
            unit=(*draft.unit, *lines["Unit"]), service=(*draft.service, *lines["Service"])
        )
    sockets = list(draft.sockets)
    old = sockets[index]
    sockets[index] = Socket(
        old.name,
        (*old.lines, *lines["Socket"]),
        (*old.unit, *lines["Unit"]),
        (*old.install, *lines["Install"]),
    )
    return draft._replace(sockets=tuple(sockets))


def _default(section: str, name: str, mine: list[Entry]) -> str | None:
    """Return what systemd takes where a directive is not set; None if no value says that."""
    if (section, name) == ("Service", "Type") and any(e[1] == "BusName" for e in mine):
        return "dbus"
    if (known := _DEFAULTS.get((section, name))) is not None:
        return known
    directive = directives.lookup(section, name)
    if directive is None or not directive.default:
        return None
    return directive.default if judge(directive, directive.default).outcome == OK else None


def _told(name: str, own: list[Entry], mine: list[Entry]) -> Iterator[Note]:
    """Yield notes on what the new unit says otherwise."""
    more = Counter(own) - Counter(mine)
    less = Counter(mine) - Counter(own)
    for section, directive, value in more:
        default = _default(section, directive, mine)
        if (section, directive) in _DECIDED - {("Unit", "Description")} or value == default:
            continue
        yield Note(Kind.CHANGED, "", f"{name}: [{section}] {directive}={value} is new")
    for section, directive, value in less:
        if (section, directive) not in _DECIDED:
            yield Note(Kind.CHANGED, "", f"{name}: [{section}] {directive}={value} is not there")
