"""What can be set for a service: one table, read by ``activator serve`` and by its help."""

import os

from activator.common.integers import ENDLESS, decimal
from activator.errors import UsageError
from activator.runtime.options import Option, positive, seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    # A resource (resource.RLIMIT_*) and the limit, soft and hard.
    Limit = tuple[int, int]
    # A file of a cgroup, such as memory.max, and what to write to it.
    Entry = tuple[str, str]

DRAIN = 30.0
DRAIN_DELAY = 0.0
LOOP = "auto"
LOOPS = ("auto", "asyncio", "uvloop")
THREADS = 64
WEBSOCKET_DRAIN = 0.0
LOG_LEVEL = "info"
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
IDLE_EXIT = 0.0
NO_LIMIT = 0
MESSAGE_MAX = 65536
SHARED = "shared"
PROCESS = "process"
ISOLATIONS = (SHARED, PROCESS)
TIME_LIMIT = 0.0
WORKERS = 0
START_LIMIT = 60.0
LIMIT_MAX = 10**16
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


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
        count = decimal(digits)
        if count is None or count >= LIMIT_MAX:
            raise UsageError(f"not a limit: {part!r}", "write NAME=NUMBER, with K, M or G after it")
        limit = count * factor
        hard = resource.getrlimit(number)[1]
        if hard != resource.RLIM_INFINITY and limit > hard:
            raise UsageError(f"{part} is more than this process has, {hard}")
        found.append((number, limit))
    return tuple(found)


def size(text: str) -> int:
    """Read a number of bytes, with K, M or G."""
    factor = UNITS.get(text[-1:], 1)
    number = decimal(text[:-1] if factor > 1 else text) or 0
    if not 0 < number * factor < ENDLESS:
        raise UsageError(f"not a size: {text!r}", "write a number with K, M or G after it")
    return number * factor


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


def url_path(text: str) -> str:
    """Check a path of URLs, as it stands in a request without its query."""
    from activator.common.url_path import is_url_path  # noqa: PLC0415 - rarely needed

    if not is_url_path(text):
        raise UsageError(f"not a path: {text!r}", "write /health; nothing in it may be encoded")
    return text


def proxies(text: str) -> str:
    """Check the names of proxies that are trusted."""
    from activator.runtime.serving.trusted import Trusted  # noqa: PLC0415 - rarely needed

    Trusted(text)
    return text


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
        "worker-max-connections",
        "N",
        NO_LIMIT,
        positive,
        text="Replace a worker that has accepted nearly so many.",
    ),
    Option(
        "worker-max-memory",
        "SIZE",
        NO_LIMIT,
        size,
        text="Replace a worker that uses more than this, as 200M.",
    ),
    Option(
        "isolation",
        "ISOLATION",
        SHARED,
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
        text="Run CMD in these processes, the connection as its input and output.",
        takes_rest=True,
    ),
    Option(
        "asgi",
        "MODULE:APP",
        (),
        text="Serve an ASGI application, in place of a handler; [NAME=]MODULE:APP.",
        repeats=True,
    ),
    Option(
        "wsgi",
        "MODULE:APP",
        (),
        text="Serve a WSGI application, in place of a handler; [NAME=]MODULE:APP.",
        repeats=True,
    ),
    Option(
        "health",
        "PATH",
        "",
        url_path,
        text="Answer this path in place of the application: 200, or 503 when the service ends.",
    ),
    Option(
        "drain-delay",
        "SECONDS",
        DRAIN_DELAY,
        seconds,
        text="How long to serve on after SIGTERM before that, for balancers to leave first.",
    ),
    Option(
        "websocket-drain",
        "SECONDS",
        WEBSOCKET_DRAIN,
        seconds,
        text="How long WebSockets may go on after SIGTERM; at a hand-over, as long as all.",
    ),
    Option(
        "tls-cert",
        "FILE",
        "",
        text="Speak TLS on TCP sockets, with this certificate chain; SIGHUP reads it again.",
    ),
    Option("tls-key", "FILE", "", text="The certificate's key, if it is not in the same file."),
    Option(
        "proxy-protocol",
        "FROM,...",
        "",
        proxies,
        text="Take clients' addresses from these proxies alone: networks, local, unix.",
    ),
    Option("metrics", "NAME", "", text="Tell figures as OpenMetrics on the sockets of this name."),
    Option(
        "log-level",
        "LEVEL",
        LOG_LEVEL,
        text="Which records of logging to tell, where the program configures no handler.",
        choices=LOG_LEVELS,
    ),
    Option("app-dir", "DIR", "", directory, text="Look for MODULE in this directory first."),
)
BY_NAME = {option.name: option for option in OPTIONS}
