"""What the real parsers of each version of systemd did, as tables of test data."""

from pathlib import Path
from typing import NamedTuple

from activator.unitfile.directives import VERSIONS

_FACTS = Path(__file__).parents[1] / "facts"
_COLUMNS = [f"v{version}" for version in VERSIONS]


def rows(name: str) -> list[dict[str, str]]:
    """Return a table's rows by column; lines that begin with # are remarks."""
    lines = (_FACTS / name).read_text(encoding="utf-8").splitlines()
    header, *rest = [line.split("\t") for line in lines if not line.startswith("#")]
    return [dict(zip(header, row, strict=True)) for row in rest]


class Probe(NamedTuple):
    """One line as one version took it."""

    section: str
    name: str
    value: str
    version: int
    outcome: str

    def __str__(self) -> str:
        return f"{self.version}-{self.section}.{self.name}={self.value}"


def probes() -> list[Probe]:
    """Return every line of enum-values.tsv with every version."""
    return [
        Probe(row["section"], row["directive"], row["value"], int(column[1:]), row[column])
        for row in rows("enum-values.tsv")
        for column in _COLUMNS
    ]


class Case(NamedTuple):
    """One small unit as one version took it."""

    name: str
    text: str
    version: int
    outcomes: frozenset[str]

    def __str__(self) -> str:
        return f"{self.version}-{self.name}"


def cases() -> list[Case]:
    """Return every unit of verify-cases.tsv with every version."""
    return [
        Case(
            row["case"],
            row["unit_text"].replace("\\n", "\n"),
            int(column[1:]),
            frozenset(row[column].split("+")),
        )
        for row in rows("verify-cases.tsv")
        for column in _COLUMNS
    ]
