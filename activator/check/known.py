"""What is known of the programs that services run: facts in ``programs.tsv``."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from activator.common import tables

_INETD = ("--inetd", "-inetd", "inetd")


class Known:
    """The kinds of rows in the table."""

    FILTER = "filter"
    WRAPPER = "wrapper"
    DRAIN = "drain"
    RECEIVER = "receiver"
    REMOVER = "remover"
    HEEDFUL = "heedful"
    TOLD = "told"
    # What prints nothing when all is well, and what is called to print.
    SILENT = "silent"
    PRINTER = "printer"


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
def _named(kind: str) -> dict[str, list[str]]:
    """Return the programs of a kind with the options of which each needs one."""
    options: dict[str, list[str]] = {}
    for found, program, option, _ in _rows():
        if found == kind:
            options.setdefault(program, []).append(option)
    return options


def known(kind: str, program: str, arguments: Sequence[str]) -> bool:
    """Return whether a program is known to be of a kind when it is called so."""
    if kind == Known.FILTER and any(word in _INETD for word in arguments):
        return True
    options = _named(kind).get(program, ())
    return any(not option or _given(option, arguments) for option in options)


def _given(option: str, arguments: Sequence[str]) -> bool:
    """Return whether an option, or the name of what is to be done, is among the arguments.

    One of a single letter may stand at the end of others, as in ``-sSo``, or before its value.
    """
    if not re.fullmatch(r"-[A-Za-z]", option):
        return any(word == option or word.startswith(f"{option}=") for word in arguments)
    form = rf"-[A-Za-z]*{option[1]}|{option}.+"
    return any(re.fullmatch(form, word) for word in arguments)


def drains(program: str) -> Iterator[Drain]:
    """Yield what says how long a program lets connections end, if that is known."""
    for kind, name, option, value in _rows():
        if kind == Known.DRAIN and name == program:
            yield Drain(option, float(value) if value else None)


def variable(program: str) -> str:
    """Return the variable without which a program takes no sockets; empty if there is none."""
    return next(iter(_named(Known.TOLD).get(program, ())), "")


def names(kind: str) -> list[str]:
    """Return the programs of a kind."""
    return list(_named(kind))
