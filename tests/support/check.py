"""Call the rules on texts."""

from collections.abc import Mapping

from activator.check import check
from activator.check.units import Finding
from activator.check.world import Texts


def of_texts(texts: Mapping[str, str], version: int = 257) -> list[Finding]:
    """Return the findings about units that lie side by side."""
    return [one.finding for one in check(Texts(texts, version))]


def of_text(text: str, name: str = "t.service", version: int = 257) -> list[Finding]:
    """Return the findings about one unit."""
    return of_texts({name: text}, version)


def shown(findings: list[Finding]) -> list[str]:
    """Return findings as FILE:LINE:COLUMN RULE."""
    return [f"{one.file}:{one.line}:{one.column} {one.rule}" for one in findings]
