"""Changes of single lines that are safe: beyond doubt, and of the same meaning."""

import re
from collections.abc import Iterator

from activator.check.catalogue import lookup
from activator.check.units import Fix
from activator.errors import ActivatorError
from activator.unitfile.directives import Directive
from activator.unitfile.effective import Remark
from activator.unitfile.unquoting import words
from activator.unitfile.values import judge_written
from activator.unitfile.values.verdict import OK

# Types whose words are systemd's own, so that upper and lower case can be set right.
_OWN_WORDS = (
    *("boolean", "tristate", "enum", "flags", "silent-flags", "signal", "timespan", "syscalls"),
    *("address-families", "namespaces", "standard-input", "standard-output", "capabilities"),
)
_SIZES = ("size", "memory", "queue-size", "limit")


def mended(remark: Remark) -> Fix | None:
    """Return the change that makes a rejected value right, if it is beyond doubt."""
    value, directive = remark.entry.value, remark.directive
    if comment := re.search(r"\s+([#;].*)$", value):
        bare = value[: comment.start()]
        return Fix(value=bare, above=comment[1]) if _taken(directive, bare) else None
    return next(
        (Fix(value=it) for it in _spellings(value, directive) if _taken(directive, it)), None
    )


def _spellings(value: str, directive: Directive) -> Iterator[str]:
    """Yield other ways to write what a value means."""
    kind = directive.type.partition(":")[0]
    plain = value
    if directive.quoting == "raw" and len(value) > 1 and value[0] == value[-1] in "\"'":
        plain = value[1:-1]
        yield plain
    if directive.quoting == "address":
        yield value.replace("%", "%%")
    if kind in _OWN_WORDS:
        yield plain.lower()
        yield plain.upper()
    size = re.fullmatch(r"([0-9.]+) ?([kmgtKMGT])i?[bB]?", plain)
    if size and kind in _SIZES:
        yield f"{size[1]}{size[2].upper()}"


def newer_word(remark: Remark) -> Fix | None:
    """Return the change to a newer name or word that means the same."""
    directive, better = remark.directive, remark.verdict.better
    if directive.status == "deprecated":
        # A successor of the same type and unit takes the same values.
        same = lookup(directive.section, directive.use.removesuffix("="))
        return Fix(name=same.name) if same is not None and same.type == directive.type else None
    return Fix(value=better) if better and _taken(directive, better) else None


def _taken(directive: Directive, value: str) -> bool:
    """Return whether systemd takes a value without a word."""
    try:
        list(words(value))
    except ActivatorError:
        return False
    return judge_written(directive, value).outcome == OK
