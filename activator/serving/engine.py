"""Choose the service that fits what was passed, and run it."""

from activator.errors import ActivatorError, UsageError
from activator.journal import journal
from activator.listen import Listeners, were_passed
from activator.serving.handlers import CONNECTED, CONTEXT, LISTENING, assign
from activator.serving.options import (
    DRAIN,
    IDLE_EXIT,
    ISOLATIONS,
    LOOP,
    LOOPS,
    MESSAGE_MAX,
    NO_LIMIT,
    PROCESS,
    SHARED,
    THREADS,
    TIME_LIMIT,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from activator.serving.handlers import Handler, Route
    from activator.serving.metrics import Meter
    from activator.serving.options import Entry, Limit

    # The exit status, and whether all handlers ended within the time they had.
    Ending = tuple[int, bool]

BATCH = 64
TRY_IT = "started by hand? try: activator run -h"


class Settings:
    """What can be set for a service; see :data:`activator.serving.options.OPTIONS`.

    Raises:
        UsageError: A value makes no sense.
    """

    __slots__ = (
        "batch",
        "cgroup",
        "drain",
        "idle_exit",
        "is_worker",
        "isolation",
        "limit",
        "loop",
        "max_connections",
        "max_per_source",
        "message_max",
        "meter",
        "metrics",
        "threads",
        "time_limit",
    )

    def __init__(
        self,
        *,
        drain: float = DRAIN,
        loop: str = LOOP,
        threads: int = THREADS,
        idle_exit: float = IDLE_EXIT,
        max_connections: int = NO_LIMIT,
        max_per_source: int = NO_LIMIT,
        message_max: int = MESSAGE_MAX,
        isolation: str = SHARED,
        time_limit: float = TIME_LIMIT,
        limit: "Sequence[Limit]" = (),
        cgroup: "Sequence[Entry]" = (),
        metrics: str = "",
    ) -> None:
        if not 0 <= drain < float("inf"):
            raise UsageError(f"not a number of seconds: {drain!r}", place="drain")
        if loop not in LOOPS:
            raise UsageError(f"no such event loop: {loop!r}", place="loop")
        if threads < 1:
            raise UsageError(f"not a number of threads: {threads!r}", place="threads")
        if not 0 <= idle_exit < float("inf"):
            raise UsageError(f"not a number of seconds: {idle_exit!r}", place="idle_exit")
        if isolation not in ISOLATIONS:
            raise UsageError(f"no such isolation: {isolation!r}", place="isolation")
        if not 0 <= time_limit < float("inf"):
            raise UsageError(f"not a number of seconds: {time_limit!r}", place="time_limit")
        for place, most in (
            ("max_connections", max_connections),
            ("max_per_source", max_per_source),
            ("message_max", message_max - 1),
        ):
            if most < 0:
                raise UsageError(f"not a limit: {most!r}", place=place)
        self.drain = drain
        self.idle_exit = idle_exit
        self.max_connections = max_connections
        self.max_per_source = max_per_source
        self.message_max = message_max
        # How many connections to accept from one listener before others have their turn.
        self.batch = BATCH
        # Whether this is a process of several, which the parent of all looks after.
        self.is_worker = False
        self.isolation = isolation
        self.time_limit = time_limit
        self.limit = limit
        self.cgroup = cgroup
        self.loop = loop
        self.threads = threads
        self.metrics = metrics
        # Tells the figures to whoever asks, if somebody is to.
        self.meter: Meter | None = None


def run(
    handlers: "Handler | Mapping[str, Handler]", listeners: "Listeners", settings: Settings
) -> "Ending":
    """Serve what was passed; the descriptors themselves tell the mode.

    Each service is loaded only if it is the one: a plain handler never loads asyncio, and in
    the per-connection mode no threads either.

    Returns:
        The exit status, and whether all handlers ended within the time they had.

    Raises:
        ActivatorError: Nothing was passed, or handlers and descriptors do not match.
    """
    journal.look()
    if not listeners:
        raise not_activated(listeners.absence)
    _check_mode(listeners)
    if not were_passed(listeners):
        settings.idle_exit = 0.0  # nobody would start it again
    if settings.metrics and not settings.meter:
        return _run_metered(handlers, listeners, settings)
    routes = assign(listeners, handlers)
    if settings.isolation == PROCESS and routes[0].listener.kind != CONNECTED:
        _check_connections(listeners)
        _check_processes(routes)
        from activator.serving import warm  # noqa: PLC0415 - only for this mode

        return warm.run(routes, settings)
    if any(route.is_async for route in routes):
        from activator.serving import aio  # noqa: PLC0415 - only for async handlers

        return aio.run(routes, settings)
    if all(route.listener.kind == CONNECTED for route in routes):
        from activator.serving import single  # noqa: PLC0415 - only for this mode

        return single.run(routes[0], settings)
    from activator.serving import threaded  # noqa: PLC0415 - only for this mode

    return threaded.run(routes, settings)


def _run_metered(
    handlers: "Handler | Mapping[str, Handler]", listeners: "Listeners", settings: Settings
) -> "Ending":
    """Serve what is not for metrics, and the figures there; a worker's parent does that itself."""
    if settings.is_worker:
        name, settings.metrics = settings.metrics, ""
        others = Listeners([item for item in listeners if item.name != name])
        return run(handlers, others, settings)
    if settings.isolation == PROCESS:
        what = "processes of connections cannot be started beside the thread that tells figures"
        raise UsageError(what, "add --workers 1", place="--metrics")
    from activator.serving.metrics import Meter  # noqa: PLC0415 - rarely needed

    with Meter(listeners, settings.metrics) as settings.meter:
        return run(handlers, settings.meter.others, settings)


def run_program(argv: "Sequence[str]", listeners: "Listeners", settings: Settings) -> "Ending":
    """Serve each connection with a process of a program, as inetd does.

    Returns:
        The exit status, and whether all processes ended within the time they had.

    Raises:
        ActivatorError: Nothing was passed, or something else than listening sockets.
    """
    if not listeners:
        raise not_activated(listeners.absence)
    _check_connections(listeners)
    if not were_passed(listeners):
        settings.idle_exit = 0.0
    from activator.serving import warm  # noqa: PLC0415 - only for this mode

    return warm.run_program(argv, tuple(listeners), settings)


def not_activated(absence: str) -> ActivatorError:
    """Say that no descriptors were passed, and why if that is known."""
    because = f" ({absence})" if absence else ""
    return ActivatorError(
        f"no sockets were passed{because}: this program is started by socket activation", TRY_IT
    )


def _check_mode(listeners: "Listeners") -> None:
    # Beside listening sockets, connections are those that were left in the fd store.
    if len(listeners) > 1 and all(item.kind == CONNECTED for item in listeners):
        raise ActivatorError(
            f"all of {len(listeners)} passed descriptors are connections",
            "a service gets listening sockets or, with Accept=yes, one connection",
        )


def _check_connections(listeners: "Listeners") -> None:
    for item in listeners:
        if item.kind not in LISTENING:
            raise ActivatorError(
                f"{item} cannot have a process for each connection: it is no listening socket",
                "with Accept=yes, systemd starts the processes; messages have no connections",
            )


def _check_processes(routes: "Sequence[Route]") -> None:
    for route in routes:
        if route.sort == CONTEXT:
            raise UsageError(
                f"handler {route.name} begins and ends once, in one process for all connections",
                "leave it out; --workers N gives several such processes",
                place="--isolation",
            )
