"""Choose the service that fits what was passed, and run it."""

import sys

from activator import notify
from activator.errors import ActivatorError, UsageError
from activator.runtime.descriptor import is_idle
from activator.runtime.journal import journal
from activator.runtime.listen import Listeners, were_passed
from activator.runtime.serving.handlers import CONNECTED, CONTEXT, LISTENING
from activator.runtime.serving.options import PROCESS
from activator.runtime.serving.route import assign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from activator.runtime.serving.handlers import Handler
    from activator.runtime.serving.route import Route
    from activator.runtime.serving.settings import Ending, Settings

TRY_IT = "started by hand? try: activator run -h"


def run(
    handlers: "Handler | Mapping[str, Handler]", listeners: "Listeners", settings: "Settings"
) -> "Ending":
    """Serve what was passed; the descriptors themselves tell the mode.

    Each service is loaded only if it is the one: a plain handler never loads asyncio, and in
    the per-connection mode no threads either.

    Returns:
        The exit status, and whether all handlers ended within the time they had.

    Raises:
        ActivatorError: Nothing was passed, or handlers and descriptors do not match.
    """
    notify.descriptors()  # while there is one for it
    journal.look()
    if "logging" in sys.modules:  # the application's records are few, or none
        from activator.runtime.log_handler import take_over  # noqa: PLC0415 - only where logging is

        take_over(settings.log_level)
    if not listeners:
        raise not_activated(listeners.absence)
    _check_mode(listeners)
    if not were_passed(listeners):
        settings = settings.but(idle_exit=0.0)  # nobody would start it again
    if settings.metrics and not settings.meter:
        return _run_metered(handlers, listeners, settings)
    routes = assign(listeners, handlers)
    if settings.tls_cert or settings.tls_key or settings.proxy_protocol:
        from activator.runtime.serving.before.prepare import prepare  # noqa: PLC0415 - rarely needed

        settings = prepare(routes, settings)
    if not settings.tls:
        return _serve(routes, listeners, settings)
    with settings.tls:
        return _serve(routes, listeners, settings)


def _serve(routes: "Sequence[Route]", listeners: "Listeners", settings: "Settings") -> "Ending":
    if settings.isolation == PROCESS and routes[0].listener.kind != CONNECTED:
        _check_connections(listeners)
        _check_processes(routes)
        from activator.runtime.serving.processes import run as processes  # noqa: PLC0415 - only for this mode

        return processes.run(routes, settings)
    if any(route.is_async for route in routes):
        from activator.runtime.serving.loop import service as loop  # noqa: PLC0415 - only for async handlers

        return loop.run(routes, settings)
    if all(route.listener.kind == CONNECTED for route in routes):
        from activator.runtime.serving import single  # noqa: PLC0415 - only for this mode

        return single.run(routes[0], settings)
    from activator.runtime.serving.threads import service as threads  # noqa: PLC0415 - only for this mode

    return threads.run(routes, settings)


def _run_metered(
    handlers: "Handler | Mapping[str, Handler]", listeners: "Listeners", settings: "Settings"
) -> "Ending":
    """Serve what is not for metrics, and the figures there; a worker's parent does that itself."""
    if settings.lifeline:
        others = Listeners([item for item in listeners if item.name != settings.metrics])
        return run(handlers, others, settings.but(metrics=""))
    if settings.isolation == PROCESS:
        what = "processes of connections cannot be started beside the thread that tells figures"
        raise UsageError(what, "add --workers 1", place="--metrics")
    from activator.runtime.serving.metrics import Meter  # noqa: PLC0415 - rarely needed

    with Meter(listeners, settings.metrics) as meter:
        return run(handlers, meter.others, settings.but(meter=meter))


def run_program(argv: "Sequence[str]", listeners: "Listeners", settings: "Settings") -> "Ending":
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
        settings = settings.but(idle_exit=0.0)
    if settings.proxy_protocol:
        from activator.runtime.serving.before.prepare import with_proxies  # noqa: PLC0415 - rarely needed

        settings = with_proxies(listeners, settings)
    from activator.runtime.serving.processes import run as processes  # noqa: PLC0415 - only for this mode

    return processes.run_program(argv, tuple(listeners), settings)


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
    for item in listeners:
        if item.kind == CONNECTED and is_idle(item.socket()):
            raise ActivatorError(
                f"{item} does not listen, and nobody is connected to it",
                "whoever opens it must call listen(2), and nobody that shares it shutdown(2)",
            )


def _check_connections(listeners: "Listeners") -> None:
    for item in listeners:
        if item.kind not in LISTENING:
            raise ActivatorError(
                f"{item} cannot have a process for each connection: it is not a listening socket",
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
