"""From a .service file to its model.

Source: systemd.service(5), systemd.exec(5), systemd.kill(5).
"""

import math
import re
import signal
from collections.abc import Callable

from activator.errors import ActivatorError
from activator.local import values
from activator.local.models import DEFAULT_TIMEOUT, ServiceUnit
from activator.local.reader import Reader, one_of
from activator.unit import Entry
from activator.unquoting import CUNESCAPE, Command, split_command

_TYPES = ("simple", "exec", "notify", "notify-reload", "oneshot", "idle", "dbus", "forking")
_KILL_MODES = ("control-group", "mixed", "process", "none")
_ACCESS = ("none", "main", "exec", "all")
# systemd.exec(5): what goes to the journal, the kernel's log or a terminal is shown here.
_JOURNAL = ("journal", "journal+console", "kmsg", "kmsg+console", "syslog", "syslog+console", "tty")
_INPUTS = ("null", "socket", "tty", "tty-force", "tty-fail", "data")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_service(reader: Reader) -> ServiceUnit:
    """Make the model of a service unit.

    Raises:
        ActivatorError: systemd would refuse the unit or skip a line of it, or it cannot be
            run here.
    """
    kind = reader.value("Service", "Type", one_of(*_TYPES), "simple")
    if kind == "forking":
        raise ActivatorError(
            "Type=forking is not run here",
            "let the program stay in the foreground, with Type=notify or exec",
            place=reader.entries("Service", "Type")[-1].place,
        )
    command, place = _command(reader)
    stdin = reader.value("Service", "StandardInput", _input, "null")
    stdout = _output(reader, "StandardOutput", "socket" if stdin == "socket" else "journal")
    directory, optional = reader.value(
        "Service", "WorkingDirectory", _directory(reader), ("", False)
    )
    timeout = reader.value("Service", "TimeoutSec", _timeout, DEFAULT_TIMEOUT)
    access = reader.value("Service", "NotifyAccess", one_of(*_ACCESS), "none")
    return ServiceUnit(
        name=reader.name,
        place=place,
        command=command,
        type=kind,
        environment=_environment(reader),
        pass_environment=tuple(word for word, _ in reader.words("Service", "PassEnvironment")),
        unset_environment=tuple(
            word for word, _ in reader.words("Service", "UnsetEnvironment", CUNESCAPE)
        ),
        working_directory=directory,
        working_directory_optional=optional,
        stdin=stdin,
        stdout=stdout,
        stderr=_output(reader, "StandardError", stdout),
        nonblocking=reader.value("Service", "NonBlocking", values.boolean, default=False),
        runtime_directories=_runtime_directories(reader),
        runtime_directory_mode=reader.value("Service", "RuntimeDirectoryMode", values.mode, 0o755),
        timeout_start=reader.value("Service", "TimeoutStartSec", _timeout, timeout),
        timeout_stop=reader.value("Service", "TimeoutStopSec", _timeout, timeout),
        kill_signal=reader.value("Service", "KillSignal", _signal, int(signal.SIGTERM)),
        kill_mode=reader.value("Service", "KillMode", one_of(*_KILL_MODES), "control-group"),
        umask=reader.value("Service", "UMask", values.mode, 0o022),
        ignore_sigpipe=reader.value("Service", "IgnoreSIGPIPE", values.boolean, default=True),
        notify=_notify_access(access, kind),
    )


def _command(reader: Reader) -> tuple[Command, str]:
    """Return what ExecStart= starts, specifiers resolved, and where it stands."""
    found = _commands(reader)
    if not found:
        raise ActivatorError(
            "there is no ExecStart=", "add ExecStart=PROGRAM to [Service]", place=reader.place
        )
    command, entry = found[0]
    if len(found) > 1:
        raise ActivatorError(
            "several commands in ExecStart= are not run here", "keep one", place=found[1][1].place
        )
    if "|" in command.prefixes:
        raise ActivatorError(
            "the prefix | is not run here", "write sh -c 'COMMAND'", place=entry.place
        )
    argv = tuple(reader.expand(entry, word) for word in command.argv)
    return Command(command.prefixes, reader.expand(entry, command.path), argv), entry.place


def _commands(reader: Reader) -> list[tuple[Command, Entry]]:
    """Return the commands of all ExecStart= lines, each with its line."""
    found = []
    for entry in reader.entries("Service", "ExecStart"):
        try:
            found += [(command, entry) for command in split_command(entry.value)]
        except ActivatorError as error:
            raise error.at(entry.place)  # noqa: B904 - the same error, with its place
    return found


def _environment(reader: Reader) -> dict[str, str]:
    """Return what Environment= sets."""
    environment = {}
    for word, entry in reader.words("Service", "Environment", CUNESCAPE):
        name, equals, value = word.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise ActivatorError(
                f"Environment=: '{word}' is no variable", "write NAME=VALUE", place=entry.place
            )
        environment[name] = value
    return environment


def _input(text: str) -> str:
    """Read StandardInput=; what comes from a terminal or a text is empty here."""
    if text == "inherit":
        return text
    if text.startswith(("file:", "fd:")):
        raise ActivatorError(f"{text} is not run here", "use socket or null")
    return "socket" if one_of(*_INPUTS)(text) == "socket" else "null"


def _output(reader: Reader, name: str, inherited: str) -> str:
    """Read StandardOutput= or StandardError=.

    Unset or ``inherit``, it goes where standard input comes from, and to the journal if
    that is nowhere; standard error goes where standard output goes.
    """

    def parse(text: str) -> str:
        if text == "inherit":
            return inherited
        if text.startswith(("file:", "append:", "truncate:", "fd:")):
            raise ActivatorError(f"{text} is not run here", "use journal, socket or null")
        word = one_of("inherit", "null", "socket", *_JOURNAL)(text)
        return "journal" if word in _JOURNAL else word

    return reader.value("Service", name, parse, inherited)


def _directory(reader: Reader) -> Callable[[str], tuple[str, bool]]:
    """Return the parser of WorkingDirectory=: the path, and whether it may be missing."""

    def parse(text: str) -> tuple[str, bool]:
        optional, path = text.startswith("-"), text.removeprefix("-")
        if path == "~":
            return reader.home, optional
        if not path.startswith("/"):
            raise ActivatorError(f"'{path}' is no absolute path", "begin with /")
        return path, optional

    return parse


def _runtime_directories(reader: Reader) -> tuple[str, ...]:
    """Return the paths of RuntimeDirectory=, sorted as systemd sorts them."""
    paths = []
    for word, entry in reader.words("Service", "RuntimeDirectory"):
        name = word.partition(":")[0]
        if name.startswith("/") or ".." in name.split("/"):
            raise ActivatorError(
                f"RuntimeDirectory=: '{word}' is no relative path",
                "name a directory below /run",
                place=entry.place,
            )
        paths.append(f"{reader.runtime}/{name}")
    return tuple(sorted(paths))


def _timeout(text: str) -> float:
    """Read a timeout, where 0 means none."""
    return values.seconds(text) or math.inf


def _signal(text: str) -> int:
    """Read a signal's name or number."""
    name = text if text.startswith("SIG") else f"SIG{text}"
    try:
        return int(signal.Signals(int(text)) if text.isdigit() else signal.Signals[name])
    except (KeyError, ValueError):
        raise ActivatorError(f"'{text}' is no signal", "write such as SIGTERM") from None


def _notify_access(access: str, kind: str) -> str:
    """Return who may notify: at least the main process of a service that must."""
    return "main" if access == "none" and kind.startswith("notify") else access
