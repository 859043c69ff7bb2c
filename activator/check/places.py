"""Where a problem stands: from a line of a unit to file, line and column."""

from collections.abc import Iterable

from activator.check.model import Finding, Problem, Unit
from activator.check.rules import Rule
from activator.unit import Chunk, Entry


def finding(rule: Rule, problem: Problem, units: Iterable[Unit]) -> Finding:
    """Return a problem with its place.

    Args:
        rule: The rule that found it.
        problem: What it found.
        units: The units it may stand in; the first one counts if there is no line.
    """
    severity = problem.severity or rule.severity
    file, line, column = _place(problem, units)
    return Finding(file, line, column, rule.id, severity, problem.message, problem.hint)


def _place(problem: Problem, units: Iterable[Unit]) -> tuple[str, int, int]:
    """Return the file, line and column of a problem."""
    if problem.place is not None:
        file, line = problem.place
        return file, line, 1
    entry = problem.entry
    if entry is None:
        return next(iter(units)).path, 1, 1
    chunk = chunk_of(entry, units)
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


def chunk_of(entry: Entry, units: Iterable[Unit]) -> Chunk | None:
    """Return the piece of a file that makes an assignment."""
    for unit in units:
        for file in unit.files:
            if file.name == entry.file:
                for chunk in file.chunks:
                    if chunk.line == entry.line:
                        return chunk
    return None
