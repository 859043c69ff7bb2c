"""Changes of single lines that are safe: beyond doubt, and of the same meaning."""

import re

from activator.check.catalogue import lookup
from activator.check.model import Fix
from activator.errors import ActivatorError
from activator.settings import Remark
from activator.unquoting import words
from activator.values import judge
from activator.values.verdict import OK


def mended(remark: Remark) -> Fix | None:
    """Return the change that a verdict's hint asks for, if it is beyond doubt."""
    entry, verdict = remark.entry, remark.verdict
    comment = re.search(r"\s+([#;].*)$", entry.value)
    if comment and verdict.hint.startswith("a comment stands"):
        value = entry.value[: comment.start()]
        return Fix(value=value, above=comment[1]) if _taken(remark, value) else None
    match = re.fullmatch(r"write (\S+)(?: without quotes)?", verdict.hint)
    if match is None:
        return None
    value = match[1]
    plain = entry.value.strip("\"'").replace(" ", "")
    same = value.lower() == plain.lower() or value == entry.value.replace("%", "%%")
    sizes = re.fullmatch(r"([0-9.]+)([kmgtKMGT])(i?[bB]?)", plain)
    if sizes:
        same = value == f"{sizes[1]}{sizes[2].upper()}"
    return Fix(value=value) if same and _taken(remark, value) else None


def newer_word(remark: Remark) -> Fix | None:
    """Return the change to a newer name or word that means the same."""
    directive, verdict = remark.directive, remark.verdict
    if directive.status == "deprecated":
        # A successor of the same type and unit takes the same values.
        same = lookup(directive.section, directive.use.removesuffix("="))
        if same is not None and same.type == directive.type:
            return Fix(name=same.name)
        return None
    match = re.search(r": it became ([a-z+-]+)$", verdict.message)
    if match and _taken(remark, match[1]) and directive.type.startswith("standard-"):
        return Fix(value=match[1])
    return None


def _taken(remark: Remark, value: str) -> bool:
    """Return whether systemd takes a value without a word."""
    try:
        list(words(value))
    except ActivatorError:
        return False
    return judge(remark.directive, value).outcome == OK
