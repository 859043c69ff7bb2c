"""The generator's own lines, from the table ``defaults.toml``."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from activator.render.model import Line, line


class Default(NamedTuple):
    """One row of the table."""

    section: str
    name: str
    value: str
    when: frozenset[str]
    why: str
    since: int


@cache
def table(unit: str) -> tuple[Default, ...]:
    """Return the rows for a kind of unit: ``socket``, ``service`` or ``proxy``."""
    file = "proxy.toml" if unit == "proxy" else "defaults.toml"
    rows = tomllib.loads(Path(__file__).with_name(file).read_text())[unit]
    return tuple(
        Default(
            row["section"],
            row["name"],
            row["value"],
            frozenset(row["when"]),
            row["why"],
            row.get("since", 0),
        )
        for row in rows
    )


def lines(
    unit: str, section: str, conditions: frozenset[str], version: int, terms: Mapping[str, str]
) -> Iterator[Line]:
    """Yield the default lines of a section.

    Args:
        unit: ``socket``, ``service`` or ``proxy``.
        section: The section's name.
        conditions: What holds for the unit: ``shared`` or ``per-connection``, ``handler`` or
            ``exec``, ``drains``, ``path-node``, ``concrete-address``, ``network`` (an IP
            address) and ``network-alone`` (nothing else); and with a proxy ``proxied`` (its
            sockets), ``backend`` (the program), ``by-path`` or ``by-port``, ``notify``,
            ``runtime-directory``.
        version: The systemd version it is for.
        terms: What the values' ``{words}`` stand for.
    """
    for row, made in _rows(unit, section, conditions, version):
        yield made._replace(value=row.value.format_map(terms)) if "{" in row.value else made


@cache
def _rows(
    unit: str, section: str, conditions: frozenset[str], version: int
) -> tuple[tuple[Default, Line], ...]:
    """Return the rows that hold, each with its line, whose terms are not filled in yet."""
    return tuple(
        (row, line(section, row.name, row.value, row.why))
        for row in table(unit)
        if row.section == section and row.when <= conditions and row.since <= version
    )
