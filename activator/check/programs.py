"""The programs of command lines: which they are, and whether a root directory has them."""

import os
from collections.abc import Iterator

from activator.check.model import Unit
from activator.errors import ActivatorError
from activator.search import within
from activator.unquoting import Command, split_command

# Where systemd looks for a program without a path.
SEARCH_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def commands(value: str) -> list[Command]:
    """Return the commands of a line, nothing if systemd could not read it."""
    try:
        return split_command(value)
    except ActivatorError:
        return []


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
    for command in commands(value):
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
