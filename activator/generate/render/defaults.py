"""The generator's own lines, from the table ``defaults.tsv``."""

from collections.abc import Container, Mapping
from functools import cache
from typing import NamedTuple

from activator.common import tables
from activator.generate.render.lines import Line, line


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
    return tuple(
        Default(section, name, value, frozenset(when.split()), why, int(since or 0))
        for kind, section, name, value, when, since, why in tables.rows(__file__, "defaults.tsv")
        if kind == unit
    )


def lines(
    unit: str,
    section: str,
    conditions: frozenset[str],
    version: int,
    terms: Mapping[str, str],
    *,
    given: Container[tuple[str, str]] = (),
) -> list[Line]:
    """Return the default lines of a section.

    Args:
        unit: ``socket``, ``service`` or ``proxy``.
        section: The section's name.
        conditions: What holds for the unit: ``shared`` or ``per-connection``, ``handler`` or
            ``exec``, ``drains``, ``hand-over``, ``tls``, ``tls-alone`` (without a hand-over),
            ``path-node``, ``concrete-address``, ``network`` (an IP address) and
            ``network-alone`` (nothing else); and with a proxy ``proxied`` (its
            sockets), ``backend`` (the program), ``by-path`` or ``by-port``, ``notify``,
            ``runtime-directory``.
        version: The systemd version it is for.
        terms: What the values' ``{words}`` stand for.
        given: Sections and names of directives that are not to be set.
    """
    return [
        made._replace(value=made.value.format_map(terms)) if "{" in made.value else made
        for made in _lines(unit, section, conditions, version)
        if not given or (section, made.name) not in given
    ]


@cache
def _lines(unit: str, section: str, conditions: frozenset[str], version: int) -> tuple[Line, ...]:
    """Return the lines of the rows that hold, whose terms are not filled in yet."""
    # Of several rows of one name, the last holds.
    found = {
        row.name: line(section, row.name, row.value, row.why)
        for row in table(unit)
        if row.section == section and row.when <= conditions and row.since <= version
    }
    return tuple(found.values())
