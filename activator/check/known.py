"""What is known of the programs that services run: facts in ``programs.tsv``."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from activator import tables

_INETD = ("--inetd", "-inetd", "inetd")


class Known:
    """The kinds of rows in the table."""

    FILTER = "filter"
    WRAPPER = "wrapper"
    DRAIN = "drain"
    RECEIVER = "receiver"


class Drain(NamedTuple):
    """How long a program lets connections end.

    Attributes:
        option: The option that says it.
        default: Seconds without the option; None if it waits for ever.
    """

    option: str
    default: float | None


@cache
def _rows() -> tuple[list[str], ...]:
    """Return the table's rows."""
    return tuple(tables.rows(__file__, "programs.tsv"))


@cache
def _named(kind: str) -> dict[str, str]:
    """Return the programs of a kind with the option that each needs."""
    return {program: option for found, program, option, _ in _rows() if found == kind}


def known(kind: str, program: str, arguments: Sequence[str]) -> bool:
    """Return whether a program is known to be of a kind when it is called so."""
    if kind == Known.FILTER and any(word in _INETD for word in arguments):
        return True
    option = _named(kind).get(program)
    return option is not None and (not option or option in arguments)


def drain(program: str) -> Drain | None:
    """Return how long a program lets connections end, None if that is not known."""
    for kind, name, option, value in _rows():
        if kind == Known.DRAIN and name == program:
            return Drain(option, float(value) if value else None)
    return None


def names(kind: str) -> list[str]:
    """Return the programs of a kind."""
    return list(_named(kind))
