"""What is known of the programs that services run: facts in ``programs.tsv``."""

import os
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from activator.address import Address
from activator.check.programs import commands

_TABLE = os.path.join(os.path.dirname(__file__), "programs.tsv")
_SHELLS = ("sh", "bash", "dash", "zsh", "ksh")
# What runs the program that follows in the same process.
_REPLACED = ("env", "nice", "ionice", "chrt", "setpriv", "nohup", "stdbuf", "taskset", "exec")
_INETD = ("--inetd", "-inetd", "inetd")
_ADDRESS_OPTIONS = re.compile(
    r"--?(?:b|bind|l|listen|listen-address|listen-addr|addr|address|p|port|http|http-port"
    r"|host-port|web\.listen-address|socket|unix|unix-socket)"
)
_COMPOUND = re.compile(r"(?<!\|)\|(?!\|)|\bwhile\b|\bfor\b|\buntil\b|\bif\b|\bcase\b|&\s*$")


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
    with open(_TABLE, encoding="utf-8") as file:
        return tuple([line.rstrip("\n").split("\t") for line in file][1:])


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


def run_by(value: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the name and the arguments of each program of a command line.

    The module of ``python -m MODULE`` counts as the program, and so does what ``env`` and the
    like run.
    """
    for command in commands(value):
        yield _program([command.path, *command.argv[1:]])


def _program(argv: list[str]) -> tuple[str, list[str]]:
    """Return the name and the arguments of the program that a command runs in the end."""
    while argv:
        name, rest = os.path.basename(argv[0]), argv[1:]
        if re.fullmatch(r"python[0-9.]*", name) and "-m" in rest[:-1]:
            position = rest.index("-m")
            return rest[position + 1], rest[position + 2 :]
        if name not in _REPLACED:
            return name, rest
        while rest and (rest[0].isdigit() or re.match(r"-|[A-Za-z_]\w*=", rest[0])):
            rest = rest[1:]
        argv = rest
    return "", []


def loses_descriptors(value: str) -> str:
    """Return the program of a command line that starts the real one as another process."""
    for name, arguments in run_by(value):
        if name in _SHELLS:
            if "-c" in arguments[:-1] and _forks(name, arguments[arguments.index("-c") + 1]):
                return name
        elif known(Known.WRAPPER, name, arguments):
            return name
    return ""


def _forks(shell: str, script: str) -> bool:
    """Return whether a shell runs the commands of a script as other processes.

    dash, which is Debian's sh, does so with every command; bash and others replace themselves
    by the last one unless it is part of something larger. ``exec`` does it anywhere.
    """
    if re.search(r"\bexec\s+[^<>\s]", script):
        return False
    return shell in ("sh", "dash") or bool(_COMPOUND.search(script))


def address_in(arguments: Sequence[str], address: Address) -> str:
    """Return the argument that tells a program to open an address, empty if none does."""
    if address.is_ip:
        port = str(address.port)
        for position, word in enumerate(arguments):
            option, equals, value = word.partition("=")
            text = value if equals else word
            host, colon, end = text.rpartition(":")
            # HOST:PORT is told after an option or after "=".
            before = arguments[position - 1] if position else ""
            told = bool(equals) or before.startswith("-")
            if colon and end == port and "fd" not in host and told:
                return text
            name = option if equals else before
            if text == port and _ADDRESS_OPTIONS.fullmatch(name):
                return text
    elif address.path:
        for position, word in enumerate(arguments):
            before = arguments[position - 1] if position else ""
            option, equals, value = word.partition("=")
            name = option if equals else before
            text = (value if equals else word).removeprefix("unix:").removeprefix("//")
            if text == address.path and _ADDRESS_OPTIONS.fullmatch(name):
                return text
    return ""
