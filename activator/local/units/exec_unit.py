"""From a unit's lines to how its processes are run.

Source: systemd.exec(5).
"""

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import PurePosixPath

from activator.local.units.privileges_unit import read_privileges
from activator.local.units.reader import Reader
from activator.local.units.resource_limits import LIMITS
from activator.local.units.scheduling_unit import read_scheduling
from activator.local.units.service_model import Directories, Execution
from activator.unitfile import read
from activator.unitfile.directives import NEWEST, lookup
from activator.unitfile.unquoting import CUNESCAPE, fields, unescape
from activator.unitfile.values.images import base64_bytes
from activator.unitfile.values.sizes import to_limits

# systemd.exec(5): what goes to the journal, the kernel's log or a terminal is shown here.
_JOURNAL = ("journal", "kmsg", "syslog", "tty")
# Directive → the specifier of the directory that it is below.
_DIRECTORIES = {
    "RuntimeDirectory": "t",
    "StateDirectory": "S",
    "CacheDirectory": "C",
    "LogsDirectory": "L",
    "ConfigurationDirectory": "E",
}


def read_execution(reader: Reader, section: str) -> Execution:
    """Make the model of how a unit's processes are run."""
    stdin = reader.value(section, "StandardInput", partial(_input, reader), "null")
    # What is unset goes where standard input comes from if that is a descriptor.
    follows = "stdin" if stdin.startswith(("socket", "fd:")) else "journal"
    stdout = reader.value(section, "StandardOutput", _output(reader, "stdin", "stdout"), follows)
    directory, optional = reader.value(section, "WorkingDirectory", _directory, ("", False))
    return Execution(
        environment=_environment(reader, section),
        environment_files=_environment_files(reader, section),
        pass_environment=_words(reader, section, "PassEnvironment"),
        unset_environment=_words(reader, section, "UnsetEnvironment"),
        working_directory=reader.runtime.path(directory)
        if directory.startswith("/")
        else directory,
        working_directory_optional=optional,
        stdin=stdin,
        stdout=stdout,
        stderr=reader.value(
            section, "StandardError", _output(reader, "stdout", "stderr"), "stdout"
        ),
        data=_data(reader, section),
        user=_somebody(reader, section, "User"),
        group=_somebody(reader, section, "Group"),
        supplementary_groups=_groups(reader, section),
        limits=_limits(reader, section),
        umask=reader.value(section, "UMask", read.mode, 0o022),
        ignore_sigpipe=reader.value(section, "IgnoreSIGPIPE", read.boolean, default=True),
        nice=reader.value(section, "Nice", read.integer, None),
        oom_score_adjust=reader.value(section, "OOMScoreAdjust", read.integer, None),
        privileges=read_privileges(reader, section),
        scheduling=read_scheduling(reader, section),
        no_new_privileges=reader.value(section, "NoNewPrivileges", read.boolean, default=False),
        directories=_all_directories(reader, section),
        preserve_runtime=reader.value(section, "RuntimeDirectoryPreserve", _preserve, "no"),
    )


def _words(reader: Reader, section: str, name: str) -> tuple[str, ...]:
    """Return the words of a list directive."""
    return tuple(word for word, _ in reader.words(section, name))


def _environment(reader: Reader, section: str) -> dict[str, str]:
    """Return what Environment= sets."""
    pairs = (word.partition("=") for word in _words(reader, section, "Environment"))
    return {name: value for name, _, value in pairs}


def _environment_files(reader: Reader, section: str) -> tuple[tuple[str, bool, str], ...]:
    """Return the patterns of EnvironmentFile=."""
    lines = reader.entries(section, "EnvironmentFile")
    files = ((reader.expand(entry), entry.place) for entry in lines)
    return tuple(
        (reader.runtime.path(text.removeprefix("-")), text.startswith("-"), place)
        for text, place in files
    )


def _input(reader: Reader, text: str) -> str:
    """Read StandardInput=; what comes from a terminal is empty here."""
    if text in ("fd", "fd:"):
        return "fd:stdin"
    return "null" if text.startswith("tty") else _file(reader, text)


def _file(reader: Reader, text: str) -> str:
    """Return ``file:PATH`` and its kin with the path where the run has it."""
    kind, colon, path = text.partition(":")
    return f"{kind}:{reader.runtime.path(path)}" if colon and path.startswith("/") else text


def _output(reader: Reader, inherited: str, own: str) -> Callable[[str], str]:
    """Return the parser of StandardOutput= or StandardError=."""

    def parse(text: str) -> str:
        if text in ("fd", "fd:"):
            return f"fd:{own}"
        if text == "inherit":
            return inherited
        journal = text.removesuffix("+console") in _JOURNAL
        return "journal" if journal else _file(reader, text)

    return parse


def _directory(text: str) -> tuple[str, bool]:
    """Read WorkingDirectory=: the path, and whether it may be missing."""
    path = text.removeprefix("-")
    return path if path == "~" else read.path(path), text.startswith("-")


def _data(reader: Reader, section: str) -> bytes:
    """Return what StandardInputText= and StandardInputData= give."""
    data = b""
    for entry in reader.entries(section, "StandardInputText", "StandardInputData"):
        if entry.name == "StandardInputText":
            data += os.fsencode(reader.expand(entry, unescape(entry.value))) + b"\n"
        else:
            data += base64_bytes(entry.value, NEWEST)
    return data


def _groups(reader: Reader, section: str) -> tuple[str, ...]:
    """Return SupplementaryGroups=, which count for root alone."""
    if os.geteuid() != 0:
        return ()
    return _words(reader, section, "SupplementaryGroups")


def _somebody(reader: Reader, section: str, name: str) -> str:
    """Return User= or Group=, which count for root alone."""
    return reader.text(section, name) if os.geteuid() == 0 else ""


def _limits(reader: Reader, section: str) -> dict[str, tuple[float, float]]:
    """Return the limits that are set."""
    found = {}
    for name in LIMITS:
        directive = lookup(section, name)
        assert directive is not None  # noqa: S101 - the table has what systemd knows
        parse = partial(to_limits, unit=directive.type.partition(":")[2])
        if (limit := reader.value(section, name, parse, None)) is not None:
            found[name] = limit
    return found


def _preserve(text: str) -> str:
    """Read RuntimeDirectoryPreserve=."""
    if text == "restart":
        return text
    return "yes" if read.boolean(text) else "no"


def _all_directories(reader: Reader, section: str) -> dict[str, Directories]:
    """Return the directories of each kind that has any, by their variable."""
    found = {}
    for name, letter in _DIRECTORIES.items():
        root = PurePosixPath(reader.specifier(letter))
        mode = reader.value(section, f"{name}Mode", read.mode, 0o755)
        paths: list[str] = []
        links: dict[str, str] = {}
        for word in _words(reader, section, name):
            path, link, *_ = [*fields(word, mode=CUNESCAPE), ""]
            paths.append(str(root / path))
            if link:
                links[str(root / link)] = paths[-1]
        if paths:
            variable = re.sub("(?<!^)(?=[A-Z])", "_", name).upper()
            found[variable] = Directories(tuple(sorted(set(paths))), links, mode, str(root))
    return found
