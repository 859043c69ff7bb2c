"""The programs of command lines: which they are, and whether a root directory has them."""

import os
import re
from collections.abc import Iterator
from functools import lru_cache

from activator.check.units import Unit
from activator.errors import ActivatorError
from activator.unitfile.directives import NEWEST
from activator.unitfile.search import within
from activator.unitfile.unquoting import Command, split_command

# From then on | in front has a shell read the line.
_SHELL_SINCE = 258
_QUOTED = r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'"
# Where systemd looks for a program without a path.
SEARCH_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


@lru_cache(maxsize=128)  # each rule about commands asks
def commands(value: str, version: int = NEWEST) -> list[Command]:
    """Return the commands of a line, nothing if systemd could not read it."""
    try:
        found = split_command(value)
    except ActivatorError:
        return []
    return found if version >= _SHELL_SINCE else [_without_shell(command) for command in found]


def _without_shell(command: Command) -> Command:
    """Return a command as it was read before | became a prefix: as a part of the name."""
    before, bar, behind = command.prefixes.partition("|")
    if not bar:
        return command
    return command._replace(prefixes=before, path=f"|{behind}{command.path}")


def unquoted(value: str) -> str:
    """Return a line with what is in quotes replaced, character by character."""
    return re.sub(_QUOTED, lambda match: "_" * len(match[0]), value)


def missing(value: str, unit: Unit, root: str) -> Iterator[tuple[str, str]]:
    """Yield the programs of a line that cannot be run, and why.

    Args:
        value: The value of an ``Exec*=`` directive.
        unit: The unit it is in.
        root: The root directory; empty for this machine's.
    """
    elsewhere = any(unit.settings.get(name) for name in ("RootDirectory", "RootImage"))
    if elsewhere:
        return
    for command in commands(value, unit.version):
        program = command.path
        # A command that may fail, one for a shell, and one that depends on the instance.
        if "-" in command.prefixes or "|" in command.prefixes or "%" in program:
            continue
        if not program.startswith("/"):
            paths = [f"{root}{directory}/{program}" for directory in SEARCH_PATH]
            if not any(executable(path, root) for path in paths):
                yield program, "is not in the search path"
        elif not exists(f"{root}{program}", root):
            yield program, "does not exist"
        elif not executable(f"{root}{program}", root):
            yield program, "is not executable"


def exists(path: str, root: str) -> bool:
    """Return whether there is something at a path, links followed within the root."""
    return os.path.lexists(within(path, root))


def executable(path: str, root: str) -> bool:
    """Return whether a path is a program."""
    found = within(path, root)
    return os.path.isfile(found) and os.access(found, os.X_OK)
