"""Where a problem stands: from a line of a unit to file, line and column."""

from collections.abc import Sequence

from activator.check.registry import Rule
from activator.check.units import Finding, Problem, Unit, World
from activator.unitfile.parse import Chunk, Entry


def finding(rule: Rule, problem: Problem, units: Sequence[Unit], world: World) -> Finding:
    """Return a problem with its place.

    Args:
        rule: The rule that found it.
        problem: What it found.
        units: The units it may stand in; the first one counts if there is no line.
        world: All units, for a problem that stands elsewhere.
    """
    severity = problem.severity or rule.severity
    file, line, column = _place(problem, units, world)
    return Finding(file, line, column, rule.id, severity, problem.message, problem.hint)


def _place(problem: Problem, units: Sequence[Unit], world: World) -> tuple[str, int, int]:
    """Return the file, line and column of a problem."""
    if problem.place is not None:
        file, line = problem.place
        return file, line, 1
    entry = problem.entry
    if entry is None:
        return (units or world.checked)[0].path, 1, 1
    chunk = _chunk_of(entry, units, world)
    if chunk is None:
        return entry.file, entry.line, 1
    offset = _offset(chunk.raw, entry, problem)
    before = chunk.raw[:offset]
    line = entry.line + before.count("\n")
    return entry.file, line, offset - (before.rfind("\n") + 1) + 1


def _offset(raw: str, entry: Entry, problem: Problem) -> int:
    """Return where in a line the problem stands."""
    name = raw.find(entry.name)
    if problem.on_name:
        return max(name, 0)
    value = raw.find("=", name + len(entry.name)) + 1
    if problem.focus and (focus := raw.find(problem.focus, value)) >= 0:
        return focus
    rest = raw[value:]
    if not entry.value:
        return value
    return value + len(rest) - len(rest.lstrip(" \t"))


def _chunk_of(entry: Entry, units: Sequence[Unit], world: World) -> Chunk | None:
    """Return the piece of a file that makes an assignment."""
    near = (file for unit in units for file in unit.files if file.name == entry.file)
    file = next(near, None) or world.files.get(entry.file)
    return file.by_line.get(entry.line) if file is not None else None
