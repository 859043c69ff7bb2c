"""Run the service whose connections have processes, until a signal."""

import signal
from operator import is_

from activator.runtime.serving.processes.forks import Handlers
from activator.runtime.serving.processes.service import Service
from activator.runtime.serving.stop import StopSignals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from activator.runtime.listen import Listener
    from activator.runtime.serving.processes.programs import Programs
    from activator.runtime.serving.route import Route
    from activator.runtime.serving.settings import Ending, Settings


def run(routes: "Sequence[Route]", settings: "Settings") -> "Ending":
    """Serve each connection to the listeners in a process that calls its handler.

    Until a signal; the listeners stay open. The status is 1 if one could accept no more.
    """
    return _run(
        [route.listener for route in routes],
        settings,
        lambda service: Handlers(routes, settings, service.wakeup, service.groups),
    )


def run_program(
    argv: "Sequence[str]", listeners: "Sequence[Listener]", settings: "Settings"
) -> "Ending":
    """Serve each connection to the listeners with a program, as :func:`run` does otherwise."""
    from activator.runtime.serving.processes.programs import Programs  # noqa: PLC0415 - only for this mode

    return _run(listeners, settings, lambda service: Programs(argv, settings, service.groups))


def _run(
    listeners: "Sequence[Listener]",
    settings: "Settings",
    starter: "Callable[[Service], Handlers | Programs]",
) -> "Ending":
    service = Service(listeners, settings)
    children = signal.getsignal(signal.SIGCHLD)
    earlier = signal.set_wakeup_fd(service.wakeup[1], warn_on_full_buffer=False)
    try:
        service.starter = starter(service)
        # The call itself does nothing, but with a handler the signal ends a wait. A builtin
        # of two arguments writes to fewer pages than a function.
        signal.signal(signal.SIGCHLD, is_)
        with StopSignals(service.stop, service.stop_now) as service.signals:
            service.serve()
            service.drain()
    finally:
        signal.set_wakeup_fd(earlier)
        signal.signal(signal.SIGCHLD, children)
        service.close()
    return service.status, True
