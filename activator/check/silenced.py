"""What comments silence: ``# activator: ignore=ACT101 REASON`` holds for its whole unit."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from activator.check import places
from activator.check.registry import Found, named, rules
from activator.check.units import Unit, World

_COMMENT = r"(?m)^[ \t]*[#;][ \t]*activator:[ \t]*ignore=(\S*)[ \t]*(.*?)[ \t\r]*$"
_VAIN = "ACT903"


class Mark(NamedTuple):
    """A comment that silences rules.

    Attributes:
        words: The rules' identifiers or names, in lower case.
        reason: Why; may be empty.
        file: The file it stands in.
        line: Its line.
    """

    words: tuple[str, ...]
    reason: str
    file: str
    line: int


def heard(found: Iterable[Found], world: World) -> Iterator[Found]:
    """Yield what no comment of the same unit silences, and the comments that silence nothing."""
    everywhere = [mark for text in world.comments for mark in _read(text, "", 0)]
    by_file: dict[str, list[Mark]] = {}
    for unit in (*filter(None, world.units.values()), *world.quadlets):
        for file in unit.files if marks(unit) else ():
            by_file.setdefault(file.name, []).extend(marks(unit))
    used: set[Mark] = set()
    for one in found:
        names = {one.rule.id.lower(), one.rule.name}
        near = [*everywhere, *by_file.get(one.finding.file, ())]
        silencing = [mark for mark in near if names & set(mark.words)]
        used.update(silencing)
        if not silencing:
            yield one
    known = {word for rule in rules() for word in (rule.id.lower(), rule.name)}
    for unit in world.checked:
        for mark in marks(unit):
            if mark not in used and known.intersection(mark.words):
                rule = named(_VAIN)
                for problem in rule.function(mark, world):
                    yield Found(places.finding(rule, problem, (unit,), world), rule, problem, unit)


def marks(unit: Unit) -> list[Mark]:
    """Return the comments of a unit that silence rules."""
    known = unit.notes.get("marks")
    if known is None:
        known = unit.notes["marks"] = [
            mark
            for file in unit.files
            for chunk in file.chunks
            if chunk.entry is None and "activator:" in chunk.raw
            for mark in _read(chunk.raw, file.name, chunk.line - 1)
        ]
    found: list[Mark] = known
    return found


def _read(text: str, file: str, before: int) -> Iterator[Mark]:
    if "activator:" not in text:
        return
    for match in re.finditer(_COMMENT, text):
        line = before + text.count("\n", 0, match.start()) + 1
        words = tuple(word.lower() for word in match[1].split(",") if word)
        yield Mark(words, match[2], file, line)
