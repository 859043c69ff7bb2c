"""Comments that silence a rule in their unit: ``# activator: ignore=ACT101 REASON``."""

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from activator.check.model import Problem, Unit, World
from activator.errors import UsageError

if TYPE_CHECKING:
    from activator.check import Found

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


def ignored_without_reason(unit: Unit, _: World) -> Iterator[Problem]:
    """Find comments that silence a rule, but do not say why.

    The next reader has to know whether the reason still holds.

    Bad::

        # echo.service
        # activator: ignore=ACT504
        [Service]
        ExecStart=/usr/bin/gunicorn web:app
        TimeoutStopSec=5

    Good::

        # echo.service
        # activator: ignore=ACT504 no request takes longer than 2 s
        [Service]
        ExecStart=/usr/bin/gunicorn web:app
        TimeoutStopSec=5
    """
    for mark in _marks(unit):
        if not mark.reason:
            message = "the comment does not say why the rule is silenced"
            yield Problem(message, "write the reason behind it", place=(mark.file, mark.line))


def ignored_unknown(unit: Unit, _: World) -> Iterator[Problem]:
    """Find comments that should silence a rule which does not exist.

    Bad::

        # echo.service
        # activator: ignore=ACT999 not for us
        [Service]
        ExecStart=/usr/bin/echo-server

    Good::

        # echo.service
        # activator: ignore=ACT504 no request takes longer than 2 s
        [Service]
        ExecStart=/usr/bin/gunicorn web:app
        TimeoutStopSec=5
    """
    from activator.check.rules import named  # noqa: PLC0415 - the rules' table names this module

    for mark in _marks(unit):
        for word in mark.words:
            try:
                named(word)
            except UsageError as error:
                yield Problem(error.message, error.hint, place=(mark.file, mark.line))


def ignored_in_vain(mark: Mark, world: World) -> Iterator[Problem]:
    """Find comments that silence a rule which has nothing to say any more.

    Bad::

        # echo.service
        # activator: ignore=ACT504 no request takes longer than 2 s
        [Service]
        ExecStart=/usr/bin/gunicorn web:app

    Good::

        # echo.service
        [Service]
        ExecStart=/usr/bin/gunicorn web:app
    """
    del world
    message = f"nothing is found here that {', '.join(mark.words).upper()} would tell"
    yield Problem(message, "remove the comment", place=(mark.file, mark.line))


def heard(found: Iterable["Found"], world: World) -> Iterator["Found"]:
    """Yield what no comment of the same unit silences, and the comments that silence nothing."""
    from activator.check import Found, places  # noqa: PLC0415 - it calls this function
    from activator.check.rules import named  # noqa: PLC0415 - the same

    everywhere = [mark for text in world.comments for mark in _read(text, "", 0)]
    by_file: dict[str, list[Mark]] = {}
    for unit in world.units.values():
        marks = _marks(unit) if unit is not None else []
        for file in unit.files if unit is not None and marks else ():
            by_file.setdefault(file.name, []).extend(marks)
    used: set[Mark] = set()
    for one in found:
        names = {one.rule.id.lower(), one.rule.name}
        marks = [*everywhere, *by_file.get(one.finding.file, ())]
        silencing = [mark for mark in marks if names & set(mark.words)]
        used.update(silencing)
        if not silencing:
            yield one
    rule = None
    for unit in world.checked:
        for mark in _marks(unit):
            if mark not in used and any(_known(word) for word in mark.words):
                rule = rule or named(_VAIN)
                for problem in ignored_in_vain(mark, world):
                    yield Found(places.finding(rule, problem, (unit,)), rule, problem, unit)


def _known(word: str) -> bool:
    """Return whether there is a rule of an identifier or name."""
    from activator.check.rules import rules  # noqa: PLC0415 - the same

    return any(word in (rule.id.lower(), rule.name) for rule in rules())


def _marks(unit: Unit) -> list[Mark]:
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
    """Yield the comments in a text that silence rules."""
    if "activator:" not in text:
        return
    for match in re.finditer(_COMMENT, text):
        line = before + text.count("\n", 0, match.start()) + 1
        words = tuple(word.lower() for word in match[1].split(",") if word)
        yield Mark(words, match[2], file, line)
