"""The sections that each type of unit may have."""

from collections.abc import Iterator

from activator.common.suggest import nearest
from activator.errors import ActivatorError
from activator.unitfile.parse import BrokenFileError, UnitFile

# Unit type → the section that belongs to it alone; [Unit] and [Install] are for all.
OWN_SECTION = {
    "automount": "Automount",
    "device": "Device",
    "mount": "Mount",
    "path": "Path",
    "scope": "Scope",
    "service": "Service",
    "slice": "Slice",
    "socket": "Socket",
    "swap": "Swap",
    "target": "Target",
    "timer": "Timer",
}
_TYPES = {section: kind for kind, section in OWN_SECTION.items()}


def sections_of(kind: str) -> tuple[str, ...]:
    """Return the sections that a unit of a type may have."""
    own = OWN_SECTION.get(kind)
    return ("Unit", "Install", own) if own else ("Unit", "Install")


def skipped(section: str, kind: str) -> tuple[str, str] | None:
    """Return why systemd skips a section in a unit of a type, and what to do; None if it reads it.

    Those that begin with ``X-`` are for other programs.
    """
    known = sections_of(kind)
    if section in known or section.startswith("X-"):
        return None
    if home := _TYPES.get(section):
        what = f"[{section}] belongs in a .{home}, and systemd skips it in a .{kind}"
        return what, f"move it to a .{home}, or write [{known[-1]}]"
    near = nearest(section, known)
    hint = f"did you mean [{near}]?" if near else "name it [X-...] if it is not for it"
    return f"systemd skips the unknown section [{section}]", hint


def unread(file: UnitFile, kind: str) -> Iterator[tuple[int, ActivatorError]]:
    """Yield the lines of a unit's file that systemd cannot read, and why, in front of all values.

    What stands in a section that is skipped is not looked at.
    """
    known = sections_of(kind)
    section = known[0]
    for chunk in file.chunks:
        section = chunk.section or section
        problem = chunk.problem
        if problem is not None and (section in known or isinstance(problem, BrokenFileError)):
            yield chunk.line, problem
