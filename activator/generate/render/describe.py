"""Units as plain values, for other programs."""

from typing import Any

from activator.generate.render.lines import Line, Section, Unit


def describe(unit: Unit) -> dict[str, Any]:
    """Return a unit's name and its sections, every entry with its reason and manual page."""
    return {"name": unit.name, "sections": [_section(section) for section in unit.sections]}


def _section(section: Section) -> dict[str, Any]:
    return {"name": section.name, "entries": [_entry(line) for line in section.lines]}


def _entry(line: Line) -> dict[str, str]:
    return {"name": line.name, "value": line.value, "why": line.why, "man": line.man}
