"""What a template may write besides what a unit must say."""

from activator.errors import ActivatorError, combine
from activator.generate.render.lines import Unit
from activator.generate.specfile.reader import RESERVED
from activator.unitfile import directives
from activator.unitfile.parse import Entry, UnitFile
from activator.unitfile.values import check as check_value

# Kind of unit → the sections that systemd reads in it.
_SECTIONS = {
    "socket": ("Unit", "Socket", "Install"),
    "service": ("Unit", "Service", "Install"),
    "container": ("Unit", "Quadlet", "Container", "Service", "Install"),
}
# systemd.unit(5): sections and directives that begin so are for others, and ignored.
_FOREIGN = "X-"


def check(text: str, unit: Unit, version: int, place: str, *, allowed: bool) -> None:
    """Check that a text says all that a unit must say, in order, and what else it says.

    A template of the user's own may add directives that systemd takes, as long as none of
    them replaces what the spec and the generator decided: one that is there already is added
    to if its repeats add up, and not set anew or emptied.

    Args:
        text: The unit's text.
        unit: What it must say.
        version: The systemd version it is for.
        place: The template's file, for messages.
        allowed: Whether anything may be added at all.

    Raises:
        ActivatorError: A line is missing, or one that was added is wrong.
    """
    parsed = UnitFile.parse(text, unit.name)
    added, missing = _compare(parsed, unit)
    if missing or parsed.problems or (added and not allowed):
        what = f"it does not write {missing} of {unit.name}" if missing else "it adds lines"
        if not missing and parsed.problems:
            what = f"{unit.name} would not be a unit file"
        hint = "write each line as {{ line.name }}={{ line.value }}"
        raise ActivatorError(f"the template is wrong: {what}", hint, place=place)
    given: dict[tuple[str, str], str] = {}
    for section, name, value in unit.entries:
        given[section, name] = value
    kind = unit.name.rpartition(".")[2]
    problems = []
    for entry in added:
        try:
            _check(entry, kind, given, version)
        except ActivatorError as error:
            error.message = f"the template adds a wrong line: {error.message}"
            problems.append(error.at(place))
    if problems:
        raise combine(problems)


def _compare(parsed: UnitFile, unit: Unit) -> tuple[list[Entry], str]:
    """Return the entries that were added, and the first line that is missing."""
    expected = iter(unit.entries)
    wanted = next(expected, None)
    added = []
    for entry in parsed.entries:
        if (entry.section, entry.name, entry.value) == wanted:
            wanted = next(expected, None)
        else:
            added.append(entry)
    return added, f"{wanted[1]}={wanted[2]}" if wanted else ""


def _check(entry: Entry, kind: str, given: dict[tuple[str, str], str], version: int) -> None:
    """Check one line that a template adds.

    Raises:
        ActivatorError: systemd would not take it, or it changes what is decided elsewhere.
    """
    section, name = entry.section, entry.name
    if section.startswith(_FOREIGN) or name.startswith(_FOREIGN):
        return
    if section not in _SECTIONS[kind]:
        hint = f"a .{kind} has {', '.join(f'[{known}]' for known in _SECTIONS[kind])}"
        raise ActivatorError(f"{name}= stands in [{section}]", hint)
    directive = directives.lookup(section, name)
    if directive is None:
        raise ActivatorError(
            f"[{section}] has no directive {name!r}", directives.suggest(section, name)
        )
    if reserved := RESERVED.get((section, name)):
        raise ActivatorError(f"{name}= is not set here", reserved)
    adds = directive.repeat in ("lines", "words", "words-kept") and entry.value
    # What is empty is meant to stay so.
    if (section, name) in given and not (adds and given[section, name]):
        raise ActivatorError(f"{name}={entry.value} changes what is set", "set it in the spec")
    check_value(directive, entry.value, version)
