"""Units as plain values, for other programs."""

from collections.abc import Sequence
from typing import Any

from activator.generate.render.lines import Line, Section, Unit
from activator.unitfile.quadlet import kind_of


def describe(unit: Unit, *, user: bool = False) -> dict[str, Any]:
    """Return a unit's name, its file, whether it is to be enabled, and its sections.

    Every entry of a section has its reason and its manual page.

    Args:
        unit: The unit.
        user: Whether it is for the managers of all users, else for the system's.
    """
    return {
        "name": unit.name,
        "file": {
            "path": f"{_directory(unit, user=user)}/{unit.name}",
            "owner": "root",
            "group": "root",
            "mode": "0644",
        },
        "enable": _is_enabled(unit),
        "sections": [_section(section) for section in unit.sections],
    }


def commands(units: Sequence[Unit], *, user: bool = False) -> list[list[str]]:
    """Return what is run, in this order, where units are new and none of them runs.

    Args:
        units: The units, whose files are in their places.
        user: Whether they are for a user's manager, who then runs it.
    """
    systemctl = ["systemctl", "--user"] if user else ["systemctl"]
    enabled = [unit.name for unit in units if _is_enabled(unit)]
    sockets = [unit.name for unit in units if unit.name.endswith(".socket")]
    made = [[*systemctl, "daemon-reload"]]
    if enabled:
        made.append([*systemctl, "enable", *enabled])
    return [*made, [*systemctl, "start", *sockets]]


def _directory(unit: Unit, *, user: bool) -> str:
    if kind_of(unit.name):
        return f"/etc/containers/systemd{'/users' if user else ''}"
    return f"/etc/systemd/{'user' if user else 'system'}"


def _is_enabled(unit: Unit) -> bool:
    # Quadlet heeds [Install] itself, and systemctl enables no unit that a generator has made.
    if kind_of(unit.name):
        return False
    return any(section.name == "Install" and section.lines for section in unit.sections)


def _section(section: Section) -> dict[str, Any]:
    return {"name": section.name, "entries": [_entry(line) for line in section.lines]}


def _entry(line: Line) -> dict[str, str]:
    return {"name": line.name, "value": line.value, "why": line.why, "man": line.man}
