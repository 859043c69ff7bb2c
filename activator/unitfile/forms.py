"""What a directive's values look like: in words for people, as a pattern for editors.

The facts live in ``forms.toml``, one table a type of the catalogue; words come from the
enumerations, ranges from the types' arguments. :mod:`activator.unitfile.values` alone decides
what is right; a pattern here never says no to what is, and may say yes to more.
"""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from activator.unitfile.directives import NEWEST, Directive
from activator.unitfile.values.enums import Word, table
from activator.unitfile.values.times import NANOSECONDS, UNITS

# What stands in an enumeration for more than a word.
BOOLEAN = "@boolean"
INTEGER = "@integer"
FOLD = "@fold"
# A whole number as systemd reads it: with C's base prefixes, 0b and 0o.
INTEGER_PATTERN = (
    r"(?:0[bB]\s*[+-]?[01]+|0[oO]\s*[+-]?[0-7]+"
    r"|[+-]?(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*))"
)
# What a {word} of a pattern stands for.
_PARTS = {
    "integer": INTEGER_PATTERN,
    "size": r"(?:\+?[0-9][+0-9.EPTGMKB\s]*)",
    "units": "|".join(sorted(UNITS, key=len, reverse=True)),
    "nanounits": "|".join(sorted(NANOSECONDS, key=len, reverse=True)),
}
_INT_MAX = 2**31 - 1


class Form(NamedTuple):
    """What a directive's values look like.

    Attributes:
        text: The values in words, as ``a whole number, 0 to 7``.
        pattern: A regular expression that a whole value fits, without anchors; values that
            are words, booleans or empty need not. Empty: any line may be right.
        closed: Whether words, booleans and whole numbers are all there is.
        words: The words to offer.
        obsolete: Words that systemd takes with a complaint → the complaint.
        fold: Whether upper and lower case do not matter in words.
        booleans: Whether yes and no are taken, in all their spellings.
        low: The least whole number; None if nothing is known about it.
        high: The greatest one.
        examples: Values that are taken.
    """

    text: str
    pattern: str
    closed: bool
    words: tuple[str, ...]
    obsolete: dict[str, str]
    fold: bool
    booleans: bool
    low: int | None
    high: int | None
    examples: tuple[str, ...]


def form(directive: Directive, version: int = NEWEST) -> Form:
    """Return what a directive's values look like to a version of systemd."""
    kind, _, argument = directive.type.partition(":")
    row = _row(directive)
    listed = {
        word: entry for word, entry in _listed(directive, row).items() if entry.since <= version
    }
    hidden = {word for word, entry in listed.items() if entry.became} | set(row.get("hidden", ()))
    offered = tuple(_spelled(row, word) for word in listed if _plain(word) and word not in hidden)
    booleans = row.get("booleans", False) or BOOLEAN in listed
    low, high = row.get("low"), row.get("high")
    for text in [argument] if kind == "integer" else _integers(listed):
        start, _, end = text.partition("..")
        # A type's bare "integer" has C's range, an enumeration's begins at 0.
        low, high = int(start or (0 if listed else -_INT_MAX - 1)), int(end or _INT_MAX)
    choice = [word for word in offered if not word.isdecimal()]
    choice += ["yes", "no"] if booleans and listed else []
    choice += [f"{low} to {high}"] if listed and low is not None else []
    return Form(
        text=row["text"].format(low=low, high=high, words=_enumerate(choice)),
        pattern=_filled(row.get("pattern", "")),
        closed=kind == "enum",
        words=offered,
        obsolete={
            word: f"it became {entry.became}" for word, entry in listed.items() if entry.became
        },
        fold=FOLD in listed,
        booleans=booleans,
        low=low,
        high=high,
        examples=tuple(row.get("examples") or offered[:3] or choice[:2] or [str(low)]),
    )


@cache
def rows() -> dict[str, dict[str, Any]]:
    """Return the table: a directive or a type → its row."""
    return tomllib.loads(Path(__file__).with_name("forms.toml").read_text(encoding="utf-8"))


def pattern(kind: str) -> str:
    """Return the pattern that values of a type fit, without anchors; empty for any."""
    return _filled(rows()[kind].get("pattern", ""))


def _filled(text: str) -> str:
    """Put the parts of a pattern in."""
    return re.sub(r"\{([a-z]+)\}", lambda match: _PARTS[match[1]], text)


def _row(directive: Directive) -> dict[str, Any]:
    """Return a directive's row: its own, its type's with the argument, or its type's."""
    kind = directive.type.partition(":")[0]
    table = rows()
    return next(table[key] for key in (directive.name, directive.type, kind) if key in table)


def _listed(directive: Directive, row: dict[str, Any]) -> dict[str, Word]:
    """Return the enumeration of a directive's words; empty without one."""
    kind, _, argument = directive.type.partition(":")
    if kind in ("enum", "flags", "silent-flags"):
        return table(argument)
    listed = dict(table(row.get("words", "")))
    if kind == "namespaces":
        listed.pop(argument, None)
    return listed


def _plain(word: str) -> bool:
    """Return whether a word of an enumeration stands for itself."""
    return word not in (BOOLEAN, FOLD) and not word.startswith(INTEGER)


def _integers(listed: dict[str, Word]) -> list[str]:
    """Return the ranges of whole numbers that an enumeration holds, as ``LOW..HIGH``."""
    return [word.removeprefix(INTEGER).lstrip(":") for word in listed if word.startswith(INTEGER)]


def _spelled(row: dict[str, Any], word: str) -> str:
    """Return a word of an enumeration as it is written in a value."""
    before: str = row.get("before", "")
    return before + (word.upper() if row.get("upper") else word)


def _enumerate(words: list[str]) -> str:
    """Return words as a part of a sentence: ``a, b or c``."""
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
