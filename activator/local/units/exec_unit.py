"""From a unit's lines to how its processes are run.

Source: systemd.exec(5).
"""

import base64
import os
import re
from collections.abc import Callable
from pathlib import PurePosixPath

from activator.errors import ActivatorError
from activator.local.units import values
from activator.local.units.privileges_unit import read_privileges
from activator.local.units.reader import Reader, one_of
from activator.local.units.resource_limits import LIMITS
from activator.local.units.scheduling_unit import read_scheduling
from activator.local.units.service_model import Directories, Execution
from activator.unquoting import CUNESCAPE, fields, unescape

# Standard input that comes from a terminal is empty here.
_INPUTS = ("null", "socket", "data", "tty", "tty-force", "tty-fail")
# systemd.exec(5): what goes to the journal, the kernel's log or a terminal is shown here.
_JOURNAL = ("journal", "journal+console", "kmsg", "kmsg+console", "syslog", "syslog+console", "tty")
_FILES = ("file:", "append:", "truncate:")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Directive → the specifier of the directory that it is below.
_DIRECTORIES = {
    "RuntimeDirectory": "t",
    "StateDirectory": "S",
    "CacheDirectory": "C",
    "LogsDirectory": "L",
    "ConfigurationDirectory": "E",
}
_NICEST, _NASTIEST = 19, -20
_MOST_SCORE = 1000
_SECONDS = ("LimitCPU",)
_BYTES = (
    "LimitFSIZE",
    "LimitDATA",
    "LimitSTACK",
    "LimitCORE",
    "LimitRSS",
    "LimitAS",
    "LimitMEMLOCK",
    "LimitMSGQUEUE",
)


def read_execution(reader: Reader, section: str) -> Execution:
    """Make the model of how a unit's processes are run.

    Raises:
        ActivatorError: systemd would refuse the unit or skip a line of it.
    """
    stdin = reader.value(section, "StandardInput", _input, "null")
    # What is unset goes where standard input comes from if that is a descriptor.
    follows = "stdin" if stdin.startswith(("socket", "fd:")) else "journal"
    stdout = reader.value(section, "StandardOutput", _output("stdin"), follows)
    directory, optional = reader.value(section, "WorkingDirectory", _directory, ("", False))
    return Execution(
        environment=_environment(reader, section),
        environment_files=_environment_files(reader, section),
        pass_environment=_words(reader, section, "PassEnvironment"),
        unset_environment=tuple(
            word for word, _ in reader.words(section, "UnsetEnvironment", CUNESCAPE)
        ),
        working_directory=directory,
        working_directory_optional=optional,
        stdin=stdin,
        stdout=stdout,
        stderr=reader.value(section, "StandardError", _output("stdout"), "stdout"),
        data=_data(reader, section),
        user=_somebody(reader, section, "User"),
        group=_somebody(reader, section, "Group"),
        supplementary_groups=_groups(reader, section),
        limits=_limits(reader, section),
        umask=reader.value(section, "UMask", values.mode, 0o022),
        ignore_sigpipe=reader.value(section, "IgnoreSIGPIPE", values.boolean, default=True),
        nice=reader.value(section, "Nice", _within(_NASTIEST, _NICEST), None),
        oom_score_adjust=reader.value(
            section, "OOMScoreAdjust", _within(-_MOST_SCORE, _MOST_SCORE), None
        ),
        privileges=read_privileges(reader, section),
        scheduling=read_scheduling(reader, section),
        no_new_privileges=reader.value(section, "NoNewPrivileges", values.boolean, default=False),
        directories=_all_directories(reader, section),
        preserve_runtime=reader.value(section, "RuntimeDirectoryPreserve", _preserve, "no"),
    )


def _words(reader: Reader, section: str, name: str) -> tuple[str, ...]:
    """Return the words of a list directive."""
    return tuple(word for word, _ in reader.words(section, name))


def _environment(reader: Reader, section: str) -> dict[str, str]:
    """Return what Environment= sets."""
    environment = {}
    for word, entry in reader.words(section, "Environment", CUNESCAPE):
        name, equals, value = word.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise ActivatorError(
                f"Environment=: '{word}' is no variable", "write NAME=VALUE", place=entry.place
            )
        environment[name] = value
    return environment


def _environment_files(reader: Reader, section: str) -> tuple[tuple[str, bool, str], ...]:
    """Return the patterns of EnvironmentFile=."""
    files = []
    for entry in reader.entries(section, "EnvironmentFile"):
        text = reader.expand(entry)
        path = text.removeprefix("-")
        if not path.startswith("/"):
            what = f"EnvironmentFile=: '{path}' is no absolute path"
            raise ActivatorError(what, "begin with /", place=entry.place)
        files.append((path, text.startswith("-"), entry.place))
    return tuple(files)


def _input(text: str) -> str:
    """Read StandardInput=."""
    kind, colon, rest = text.partition(":")
    if colon and kind in ("file", "fd") and rest:
        return _absolute(text) if kind == "file" else text
    word = one_of(*_INPUTS)(text)
    return "null" if word.startswith("tty") else word


def _output(inherited: str) -> Callable[[str], str]:
    """Return the parser of StandardOutput= or StandardError=."""

    def parse(text: str) -> str:
        if text == "inherit":
            return inherited
        if text.startswith(_FILES):
            return _absolute(text)
        if text.startswith("fd:") and text != "fd:":
            return text
        word = one_of("inherit", "null", "socket", "fd:NAME", "file:PATH", *_JOURNAL)(text)
        return "journal" if word in _JOURNAL else word

    return parse


def _absolute(text: str) -> str:
    """Check the path of a standard stream."""
    kind, _, path = text.partition(":")
    if not path.startswith("/"):
        raise ActivatorError(f"'{path}' is no absolute path", f"write {kind}:/PATH")
    return text


def _directory(text: str) -> tuple[str, bool]:
    """Read WorkingDirectory=: the path, and whether it may be missing."""
    optional, path = text.startswith("-"), text.removeprefix("-")
    if path != "~" and not path.startswith("/"):
        raise ActivatorError(f"'{path}' is no absolute path", "begin with /")
    return path, optional


def _data(reader: Reader, section: str) -> bytes:
    """Return what StandardInputText= and StandardInputData= give."""
    data = b""
    for entry in reader.entries(section, "StandardInputText", "StandardInputData"):
        try:
            if entry.name == "StandardInputText":
                data += os.fsencode(reader.expand(entry, unescape(entry.value))) + b"\n"
                continue
            data += base64.b64decode(re.sub(r"\s", "", entry.value), validate=True)
        except ActivatorError as error:
            raise error.at(entry.place)  # noqa: B904 - the same error, with its place
        except ValueError:
            what = "StandardInputData=: this is not base64"
            raise ActivatorError(what, "encode it with base64(1)", place=entry.place) from None
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
        limit = reader.value(section, name, _limit(name), None)
        if limit is not None:
            found[name] = limit
    return found


def _limit(name: str) -> Callable[[str], tuple[float, float] | None]:
    """Return the parser of one limit: LIMIT or SOFT:HARD."""

    def one(text: str) -> float:
        if text == "infinity":
            return float("inf")
        if name in _BYTES:
            return values.size(text)
        if name in _SECONDS:
            return float(-(-values.seconds(text) // 1))
        if name == "LimitRTTIME":
            return values.seconds(text if text[-1:].isalpha() else f"{text}us") * 1e6
        if name == "LimitNICE":
            signed = text.startswith(("+", "-"))
            return 20 - values.integer(text) if signed else values.integer(text)
        return values.integer(text)

    def parse(text: str) -> tuple[float, float] | None:
        parts = [one(part) for part in fields(text)]
        if len(parts) not in (1, 2) or min(parts) < 0:
            raise ActivatorError(f"'{text}' is no limit", "write LIMIT or SOFT:HARD")
        if parts[0] > parts[-1]:
            raise ActivatorError("the soft limit is above the hard one", "write SOFT:HARD")
        return parts[0], parts[-1]

    return parse


def _within(low: int, high: int) -> Callable[[str], int | None]:
    """Return the parser of a number in a range."""

    def parse(text: str) -> int | None:
        number = values.integer(text)
        if not low <= number <= high:
            raise ActivatorError(f"{text} is out of range", f"give {low} to {high}")
        return number

    return parse


def _preserve(text: str) -> str:
    """Read RuntimeDirectoryPreserve=."""
    if text == "restart":
        return text
    return "yes" if values.boolean(text) else "no"


def _all_directories(reader: Reader, section: str) -> dict[str, Directories]:
    """Return the directories of each kind that has any, by their variable."""
    found = {}
    for name, letter in _DIRECTORIES.items():
        root = PurePosixPath(reader.specifier(letter))
        mode = reader.value(section, f"{name}Mode", values.mode, 0o755)
        paths: list[str] = []
        links: dict[str, str] = {}
        for word, entry in reader.words(section, name):
            parts = word.split(":")
            for part in parts[: 1 + bool(parts[1:] and parts[1])]:
                steps = part.split("/")
                if part.startswith("/") or ".." in steps or not set(steps) - {"", "."}:
                    what = f"{name}=: '{word}' is no relative path"
                    raise ActivatorError(what, f"name a directory below {root}", place=entry.place)
            paths.append(str(root / parts[0]))
            if len(parts) > 1 and parts[1]:
                links[str(root / parts[1])] = paths[-1]
        if paths:
            variable = re.sub("(?<!^)(?=[A-Z])", "_", name).upper()
            found[variable] = Directories(tuple(sorted(paths)), links, mode)
    return found
