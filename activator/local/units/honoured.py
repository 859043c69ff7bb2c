"""Which directives have an effect under the local activator: a table.

``honoured.tsv`` has one row a directive: its section, its name, ``root`` if it counts for root
alone, and where it differs from systemd. What systemd knows and the table has not is listed
as ignored when units are loaded.
"""

import os
from functools import cache
from typing import NamedTuple

from activator.common import tables


class Row(NamedTuple):
    """One directive.

    Attributes:
        section: ``Unit``, ``Socket`` or ``Service``.
        directive: Its name.
        needs: ``root`` if it counts for root alone, else empty.
        difference: In what it differs from systemd; empty for nothing.
    """

    section: str
    directive: str
    needs: str
    difference: str


@cache
def table() -> dict[tuple[str, str], Row]:
    """Return all rows by section and name."""
    rows = [Row(*row) for row in tables.rows(__file__, "honoured.tsv")]
    return {(row.section, row.directive): row for row in rows}


def honours(section: str, directive: str) -> bool:
    """Tell whether a directive has an effect, for whoever runs this."""
    row = table().get((section, directive))
    return row is not None and (row.needs != "root" or os.geteuid() == 0)
