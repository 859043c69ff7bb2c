"""What can be set for a service: one table, read by ``activator serve`` and by its help."""

import os

from activator.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    # A resource (resource.RLIMIT_*) and the limit, soft and hard.
    Limit = tuple[int, int]
    # A file of a cgroup, such as memory.max, and what to write to it.
    Entry = tuple[str, str]

DRAIN = 30.0
LOOP = "auto"
LOOPS = ("auto", "asyncio", "uvloop")
THREADS = 64
IDLE_EXIT = 0.0
NO_LIMIT = 0
MESSAGE_MAX = 65536
SHARED = "shared"
PROCESS = "process"
ISOLATIONS = (SHARED, PROCESS)
TIME_LIMIT = 0.0
WORKERS = 0
START_LIMIT = 60.0
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def seconds(text: str) -> float:
    """Read a number of seconds, 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise UsageError(f"not a number of seconds: {text!r}", "write 0, 2.5 or 30")
    return value


def positive(text: str) -> int:
    """Read a whole number, 1 or more."""
    if not (text.isascii() and text.isdecimal() and len(text) < len("1000000") and int(text)):
        raise UsageError(f"not a number from 1 to 999999: {text!r}")
    return int(text)


def event_loop(text: str) -> str:
    """Read the name of an event loop."""
    if text not in LOOPS:
        raise UsageError(f"no such event loop: {text!r}", f"there are {', '.join(LOOPS)}")
    return text


def isolation(text: str) -> str:
    """Read what connections have in common."""
    if text not in ISOLATIONS:
        raise UsageError(f"no such isolation: {text!r}", f"there are {', '.join(ISOLATIONS)}")
    return text


def resource_limits(text: str) -> "tuple[Limit, ...]":
    """Read ``NAME=VALUE,...``: names of getrlimit(2) in small letters, values with K, M or G."""
    import resource  # noqa: PLC0415 - rarely needed

    found = []
    for part in text.split(","):
        name, _, value = part.partition("=")
        number = getattr(resource, f"RLIMIT_{name.upper()}", None) if name.islower() else None
        if number is None:
            raise UsageError(f"no such resource: {name!r}", "for example nofile=64,as=256M,cpu=10")
        factor = UNITS.get(value[-1:], 1)
        digits = value[:-1] if factor > 1 else value
        if not (digits.isascii() and digits.isdecimal() and len(digits) < len("1" + "0" * 16)):
            raise UsageError(f"not a limit: {part!r}", "write NAME=NUMBER, with K, M or G after it")
        limit = int(digits) * factor
        hard = resource.getrlimit(number)[1]
        if hard != resource.RLIM_INFINITY and limit > hard:
            raise UsageError(f"{part} is more than this process has, {hard}")
        found.append((number, limit))
    return tuple(found)


def cgroup_limits(text: str) -> "tuple[Entry, ...]":
    """Read ``NAME=VALUE,...``: names and values of cgroups(7), as memory.max and 64M."""
    found = []
    for part in text.split(","):
        name, _, value = part.partition("=")
        controller, dot, rest = name.partition(".")
        words = name.replace("_", "").split(".")
        if not dot or not all(word.isascii() and word.isalnum() for word in words):
            raise UsageError(
                f"not NAME=VALUE: {part!r}", "for example memory.max=64M,pids.max=16,cpu.weight=20"
            )
        # The others of the core do not limit but act: cgroup.kill, for one.
        acts = controller == "cgroup" and not rest.startswith("max.")
        if acts or not value or not value.isprintable():
            raise UsageError(f"not a limit: {part!r}", "cgroups(7) tells what there is")
        found.append((name, value))
    return tuple(found)


def directory(text: str) -> str:
    """Read the path of a directory and make it absolute."""
    if not os.path.isdir(text):  # noqa: PTH112 - pathlib would cost more than the service
        raise UsageError(f"not a directory: {text!r}")
    return os.path.abspath(text)  # noqa: PTH100 - the same


class Option:
    """One option of ``activator serve``.

    Attributes:
        name: As on the command line, without the dashes.
        metavar: What stands for its value in the help.
        default: Its value when it is not given.
        read: Turns its text into its value, or raises UsageError.
        help: One line of help, without the default.
        choices: All that it can be, if that is a short list.
        repeats: Whether it may be given several times; its value is then a tuple.
    """

    __slots__ = ("choices", "default", "help", "metavar", "name", "read", "repeats")

    def __init__(
        self,
        name: str,
        metavar: str,
        default: "Any",
        read: "Callable[[str], Any]",
        *,
        text: str,
        choices: tuple[str, ...] = (),
        repeats: bool = False,
    ) -> None:
        self.name = name
        self.metavar = metavar
        self.default = default
        self.read = read
        self.help = text
        self.choices = choices
        self.repeats = repeats


OPTIONS = (
    Option(
        "drain",
        "SECONDS",
        DRAIN,
        seconds,
        text="How long running handlers may go on after SIGTERM.",
    ),
    Option(
        "loop",
        "LOOP",
        LOOP,
        event_loop,
        text="The event loop of async handlers; auto is uvloop if installed.",
        choices=LOOPS,
    ),
    Option(
        "threads",
        "N",
        THREADS,
        positive,
        text="How many connections plain handlers, or requests WSGI, serve at once.",
    ),
    Option(
        "idle-exit",
        "SECONDS",
        IDLE_EXIT,
        seconds,
        text="End after so long without connections or messages; 0 is never.",
    ),
    Option(
        "max-connections",
        "N",
        NO_LIMIT,
        positive,
        text="Accept no more while so many are open; they wait.",
    ),
    Option(
        "max-per-source",
        "N",
        NO_LIMIT,
        positive,
        text="Close further connections from one address or user.",
    ),
    Option(
        "message-max",
        "BYTES",
        MESSAGE_MAX,
        positive,
        text="Drop datagrams that are longer, and say so.",
    ),
    Option(
        "workers",
        "N",
        WORKERS,
        positive,
        text="Serve with so many processes; a reload replaces them.",
    ),
    Option(
        "start-limit",
        "SECONDS",
        START_LIMIT,
        seconds,
        text="How long new workers may take to get ready at a reload.",
    ),
    Option(
        "isolation",
        "ISOLATION",
        SHARED,
        isolation,
        text="Give each connection a process of its own: process.",
        choices=ISOLATIONS,
    ),
    Option(
        "time-limit",
        "SECONDS",
        TIME_LIMIT,
        seconds,
        text="End a connection's process after so long; 0 is never.",
    ),
    Option(
        "limit",
        "NAME=N,...",
        (),
        resource_limits,
        text="Resources of a connection's process, as nofile=64,as=256M.",
    ),
    Option(
        "cgroup",
        "NAME=VALUE,...",
        (),
        cgroup_limits,
        text="A cgroup for each of them, as memory.max=64M,pids.max=16.",
    ),
    Option(
        "inetd",
        "CMD ARG...",
        (),
        str,
        text="Run CMD in these processes, the connection as its input and output.",
    ),
    Option(
        "asgi",
        "MODULE:APP",
        (),
        str,
        text="Serve an ASGI application, in place of a handler; [NAME=]MODULE:APP.",
        repeats=True,
    ),
    Option(
        "wsgi",
        "MODULE:APP",
        (),
        str,
        text="Serve a WSGI application, in place of a handler; [NAME=]MODULE:APP.",
        repeats=True,
    ),
    Option(
        "metrics",
        "NAME",
        "",
        str,
        text="Tell figures as OpenMetrics on the sockets of this name.",
    ),
    Option(
        "app-dir",
        "DIR",
        "",
        directory,
        text="Look for MODULE in this directory first.",
    ),
)
BY_NAME = {option.name: option for option in OPTIONS}


def parse(words: "Sequence[str]") -> "tuple[dict[str, Any], list[str]]":
    """Split a command line into the options' values and the other words.

    Takes ``--name value`` and ``--name=value``; ``--`` ends the options; an option that is
    repeated, and may not be, counts as given last. All that follows ``--inetd CMD`` is for the
    command.

    Raises:
        UsageError: An option is unknown, lacks its value or has a wrong one.
    """
    values = {option.name: option.default for option in OPTIONS}
    others: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            others.extend(rest)
        elif not word.startswith("-"):
            others.append(word)
        else:
            flag, equals, text = word.partition("=")
            option = BY_NAME.get(flag[2:]) if flag.startswith("--") else None
            if option is None:
                known = ", ".join(f"--{name}" for name in BY_NAME)
                raise UsageError(f"no such option: {flag!r}", f"there are {known} and --help")
            if not equals:
                text = next(rest, "")
            value = _read(option, text)
            values[option.name] = (*values[option.name], value) if option.repeats else value
            if option.name == "inetd":
                values[option.name] = (text, *rest)  # the program's own words
    return values, others


def _read(option: Option, text: str) -> object:
    if not text:
        raise UsageError(f"needs a value: {option.metavar}", place=f"--{option.name}")
    try:
        return option.read(text)
    except UsageError as error:
        raise error.at(f"--{option.name}") from None
