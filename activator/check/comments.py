"""Comments that silence a rule: ``# activator: ignore=ACT101 reason``."""

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from activator.check.model import World

if TYPE_CHECKING:
    from activator.check import Found

_COMMENT = re.compile(
    r"^[ \t]*[#;][ \t]*activator:[ \t]*ignore=(\S*)[ \t]*(.*?)[ \t\r]*$", re.MULTILINE
)


def ignored(text: str) -> Iterator[tuple[str, str, int]]:
    """Yield the rules that a text silences: identifier or name, reason and line."""
    if "activator:" not in text:
        return
    for match in _COMMENT.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        for word in match[1].split(","):
            yield word, match[2], line


def heard(found: Iterable["Found"], world: World) -> Iterator["Found"]:
    """Yield what no comment of the same unit silences."""
    silent: dict[str, set[str]] = {}
    everywhere = {word.lower() for text in world.comments for word, _, _ in ignored(text)}
    for unit in world.units.values():
        if unit is None:
            continue
        words = {
            word.lower()
            for file in unit.files
            for chunk in file.chunks
            if chunk.entry is None
            for word, _, _ in ignored(chunk.raw)
        }
        if words:
            for file in unit.files:
                silent.setdefault(file.name, set()).update(words)
    for one in found:
        words = everywhere | silent.get(one.finding.file, set())
        if not words & {one.rule.id.lower(), one.rule.name}:
            yield one
