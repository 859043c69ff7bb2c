"""Variables and specifiers that are not expanded, or are by chance."""

import os
import re
from collections.abc import Iterator

from activator.check.catalogue import lookup
from activator.check.programs import commands
from activator.check.rules.shells import command_lines, runs_shell
from activator.check.units import Problem, Unit, World
from activator.errors import ActivatorError
from activator.unitfile import specifiers
from activator.unitfile.parse import Entry
from activator.unitfile.unquoting import words

# Programs whose arguments have % formats of their own.
_FORMATTERS = {"date", "printf", "stat", "find", "ps", "curl", "strftime"}
_FORMAT = r"(?<!%)(?:%%)*(%([A-Za-z]))"
# Types of values in which a $ is a character like any other, and never meant.
_LITERAL = {
    *("address", "bind-paths", "directories", "environment-file", "namespace-paths", "path"),
    *("paths", "pid-file", "standard-input", "standard-output", "user", "working-directory"),
}
_VARIABLE = r"\$(?:\{(\w+)\}|(\w+))"
# Variables that people expect to be there.
_USUAL = {"PATH", "HOME", "USER", "LD_LIBRARY_PATH", "PYTHONPATH"}


def program_variable(unit: Unit, _: World) -> Iterator[Problem]:
    """Find a variable in place of the program: systemd expands variables in arguments only.

    The start fails with 203/EXEC (systemd.service(5), "Command lines"), and so it does with an
    assignment in front, as in ``DEBUG=1 echo-server``, which is shell syntax.

    Bad::

        # echo.service
        [Service]
        Environment=SERVER=/usr/bin/echo-server
        ExecStart=${SERVER} --verbose

    Good::

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server --verbose
    """
    for entry in command_lines(unit):
        for command in commands(entry.value, unit.version):
            if "|" not in command.prefixes and re.match(_VARIABLE, command.path):
                message = f"{command.path} is not expanded where the program stands"
                yield Problem(message, "write its path", entry, focus=command.path)
            elif re.match(r"[A-Za-z_]\w*=", command.path):
                message = f"{command.path} stands where the program should"
                hint = f"write Environment={command.path}"
                yield Problem(message, hint, entry, focus=command.path)


def variable_in_environment(unit: Unit, _: World) -> Iterator[Problem]:
    """Find variables where nothing expands them: in Environment=, in paths, in parts of words.

    systemd expands variables in the arguments of commands alone: ${NAME} anywhere, $NAME as a
    word of its own (systemd.service(5), "Command lines"). A word that begins with $NAME and goes
    on is dropped, and all else is passed as it stands, with its dollar sign.

    Bad::

        # echo.service
        [Service]
        Environment=BASE=/srv DATA=${BASE}/data
        ExecStart=/usr/bin/echo-server

    Good::

        # echo.service
        [Service]
        Environment=BASE=/srv DATA=/srv/data
        ExecStart=/usr/bin/echo-server
    """
    lines = unit.settings.all("Environment")
    known = _USUAL | {word.partition("=")[0] for entry in lines for word in _words(entry)}
    for entry in lines:
        for word in _words(entry):
            for match in re.finditer(_VARIABLE, word.partition("=")[2]):
                if (match[1] or match[2]) in known:
                    yield _as_it_stands(entry, match[0])
    yield from _in_paths(unit)
    for entry in command_lines(unit):
        for command in commands(entry.value, unit.version):
            if not runs_shell(command) and "|" not in command.prefixes:
                for word in command.argv[1:]:
                    yield from _in_word(entry, word, known)


def _in_paths(unit: Unit) -> Iterator[Problem]:
    """Yield the variables of values that are none of commands."""
    for entry in unit.entries:
        directive = lookup(entry.section, entry.name)
        literal = directive is not None and directive.type.partition(":")[0] in _LITERAL
        found = re.search(_VARIABLE, entry.value) if literal else None
        if found and unit.settings.counts(entry):
            yield _as_it_stands(entry, found[0])


def _as_it_stands(entry: Entry, variable: str) -> Problem:
    message = f"{variable} is not expanded here, but taken as it stands"
    return Problem(message, "write its value", entry, focus=variable)


def _in_word(entry: Entry, word: str, known: set[str]) -> Iterator[Problem]:
    """Yield the variables of an argument that are not expanded."""
    if match := re.match(r"\$([A-Z_][A-Z0-9_]*)(?=[^\w])", word):
        message = f"{word} is dropped: {match[0]} is only expanded as a word of its own"
        yield Problem(message, f"write ${{{match[1]}}}", entry, focus=match[0])
    elif match := re.search(r"(?<!\$)\$\{\w+:?[-+?=][^}]*\}", word):
        yield _as_it_stands(entry, match[0])
    elif (match := re.search(r"(?<=[^$])\$([A-Z_][A-Z0-9_]*)", word)) and match[1] in known:
        message = f"{match[0]} is not expanded within a word, but taken as it stands"
        yield Problem(message, f"write ${{{match[1]}}}", entry, focus=match[0])


def specifier_by_chance(unit: Unit, _: World) -> Iterator[Problem]:
    """Find percentages and formats that systemd takes for specifiers, as in 100%VG or date +%H.

    Bad::

        # volume.service
        [Service]
        Type=oneshot
        ExecStart=/usr/sbin/lvcreate -l 100%VG -n data app

    Good::

        # volume.service
        [Service]
        Type=oneshot
        ExecStart=/usr/sbin/lvcreate -l 100%%VG -n data app
    """
    for entry in command_lines(unit):
        formats = any(os.path.basename(one.path) in _FORMATTERS for one in commands(entry.value))
        pattern = _FORMAT if formats else r"(?<![\w%])[0-9]+(%([A-Za-z]))(?=[A-Z])"
        for match in re.finditer(pattern, entry.value):
            if known := specifiers.SPECIFIERS.get(match[2]):
                message = f"{match[1]} stands for the {known.meaning}"
                yield Problem(message, f"write %{match[1]} for the text", entry, focus=match[1])


def _words(entry: Entry) -> list[str]:
    try:
        return list(words(entry.value))
    except ActivatorError:
        return []
