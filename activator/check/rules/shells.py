"""Command lines and variables that look like a shell's, which systemd is not."""

import os
import re
from collections.abc import Iterator

from activator.check.commands import SHELLS
from activator.check.programs import commands, unquoted
from activator.check.units import Problem, Unit, World
from activator.unitfile.parse import Entry
from activator.unitfile.unquoting import Command

_OPERATOR = r"(?<!\S)(?:&&|\|\|?|&|[012&]?>>?(?:&[012]|/\S*)?)(?!\S)"
_SEPARATOR = r"(?<=[^\s;\\]);(?=\s|$)"
# Programs that are given files, and whose words a shell would have replaced by these.
_FILE_TOOLS = {
    *("cat", "chgrp", "chmod", "chown", "cp", "ln", "ls", "mkdir", "mv", "rm", "rmdir", "touch")
}


def shell_syntax(unit: Unit, _: World) -> Iterator[Problem]:
    """Find a shell's syntax in a command line: the program gets it as arguments.

    systemd starts one program with its arguments, and no shell (systemd.service(5), "Command
    lines"): operators, $(...), ~ and * mean nothing. Quoted operators are meant as
    arguments, and are fine.

    Bad::

        # echo.service
        [Service]
        ExecStart=/usr/bin/prepare && /usr/bin/echo-server

    Good::

        # echo.service
        [Service]
        ExecStartPre=/usr/bin/prepare
        ExecStart=/usr/bin/echo-server
    """
    for entry in command_lines(unit):
        found = commands(entry.value, unit.version)
        if any("|" in one.prefixes for one in found):
            continue
        bare = unquoted(entry.value)
        match = re.search(_OPERATOR, bare) or re.search(_SEPARATOR, bare)
        word = match[0] if match else next(filter(None, map(_shells_own, found)), "")
        if word:
            message = f"no shell reads the line: the program gets {word} as an argument"
            if word.startswith("$("):
                message = f"no shell reads the line: {word} is not a command here"
            hint = "write a line for each command, or /bin/sh -c '...'"
            yield Problem(message, hint, entry, focus=word)


def _shells_own(command: Command) -> str:
    """Return a word that only a shell replaces, nothing if there is none or a shell is run."""
    words = command.argv[1:]
    if runs_shell(command):
        return ""
    globs = os.path.basename(command.path) in _FILE_TOOLS
    for word in words:
        if re.match(r"\$\((?!\()|`[^`]+`$|~/", word):
            return word
        if globs and word.startswith("/") and "*" in word:
            return word
    return ""


def runs_shell(command: Command) -> bool:
    """Return whether a shell reads a part of a command, at once or after others."""
    names = {os.path.basename(word) for word in (command.path, *command.argv[1:])}
    return not names.isdisjoint(SHELLS) or "-c" in command.argv


def shell_unquoted(unit: Unit, _: World) -> Iterator[Problem]:
    """Find a shell's script without quotes: only its first word is the script.

    What follows becomes $0, $1 and so on, and is not run.

    Bad::

        # echo.service
        [Service]
        ExecStart=/bin/sh -c exec echo-server

    Good::

        # echo.service
        [Service]
        ExecStart=/bin/sh -c 'exec echo-server'
    """
    for entry in command_lines(unit):
        for command in commands(entry.value):
            arguments = command.argv[1:]
            if os.path.basename(command.path) not in SHELLS or "-c" not in arguments[:-2]:
                continue
            script = arguments[arguments.index("-c") + 1]
            if re.fullmatch(r"[\w./-]+", script):
                message = f"the shell's script is {script!r} alone, and the rest is not run"
                yield Problem(message, "put quotes around the whole script", entry)


def command_lines(unit: Unit) -> Iterator[Entry]:
    """Yield the command lines of a unit that count."""
    for entry in unit.entries:
        if entry.name.startswith("Exec") and unit.settings.counts(entry):
            yield entry
