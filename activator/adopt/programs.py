"""What is known of how programs take descriptors: facts in ``programs.tsv``."""

import re
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from activator.common import tables

# Programs that run what their first word that is no option names.
_INTERPRETERS = r"(python|pypy|perl|ruby)[\d.]*"
_MODULE = "-m"
_BUNDLE = ("bundle", "exec")
_VERSION = r"[\d.]*$"


class Program(NamedTuple):
    """A row of the table.

    Attributes:
        name: Its name.
        since: The version from which on it does so; empty for all that is in use.
        way: How it takes descriptors; see the table.
        how: What has to be said for it.
        options: Its options for addresses, each with what it takes.
        address: Where it listens without them.
        configured: Whether that stands in its configuration.
        needs: Needs of its service.
        settings: Directives of its service.
        text: Why that way.
    """

    name: str
    since: str
    way: str
    how: str
    options: dict[str, str]
    address: str
    configured: bool
    needs: tuple[str, ...]
    settings: tuple[tuple[str, str], ...]
    text: str


@cache
def programs() -> dict[str, Program]:
    """Return the table, by the programs' names."""
    return {row[0]: _program(row) for row in tables.rows(__file__, "programs.tsv")}


def _program(row: list[str]) -> Program:
    name, since, way, how, options, address, needs, settings, text = row
    return Program(
        name=name,
        since=since,
        way=way,
        how=how,
        options=dict(option.rsplit("=", 1) for option in options.split()),
        address=address.removeprefix("~"),
        configured=address.startswith("~"),
        needs=tuple(needs.split()),
        settings=tuple(
            (each.partition("=")[0], each.partition("=")[2]) for each in settings.split()
        ),
        text=text,
    )


def find(argv: Sequence[str]) -> tuple[Program | None, int]:
    """Return the program that a command line runs, if it is known, and where its options begin.

    Args:
        argv: The program and its arguments.
    """
    start = 1
    name = _base(argv[0])
    if re.fullmatch(_INTERPRETERS, name) and len(argv) > 1:
        script = _script(argv)
        name, start = _base(argv[script]), script + 1
    elif name == _BUNDLE[0] and argv[1:2] == [_BUNDLE[1]] and len(argv) > start + 1:
        name, start = _base(argv[2]), 3
    name = name.rstrip(":")
    known = programs()
    return known.get(name) or known.get(re.sub(_VERSION, "", name)), start


def _script(argv: Sequence[str]) -> int:
    """Return where the script or module stands that an interpreter runs, behind its options."""
    for index, word in enumerate(argv[1:-1], 1):
        if word == _MODULE:
            return index + 1
        if not word.startswith("-"):
            return index
    return len(argv) - 1


def _base(path: str) -> str:
    return path.rpartition("/")[2]
