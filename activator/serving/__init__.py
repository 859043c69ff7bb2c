"""Serve what systemd passed: the runtime's engine, loaded only by those who serve.

How the files build on each other, each using only those before it::

    report, accept, options      what to log, how to accept, what can be set
    handlers, load               which handler serves which descriptor; MODULE:HANDLER
    stop                         SIGTERM and SIGINT
    plain, pool                  def h(sock): one call; threads that make the calls
    streams, loops               async def h(reader, writer): one call; which event loop
    single, threaded, aio        the three services: one plain call, threads, an event loop
    engine                       which service is the right one
    command                      activator serve
"""

import sys

from activator.errors import ActivatorError
from activator.serving.options import DRAIN, LOOP, THREADS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from activator.listen import Listeners
    from activator.serving.handlers import Handler

__all__ = ["serve"]


def serve(
    handler: "Handler | Mapping[str, Handler]",
    *,
    listeners: "Listeners | None" = None,
    drain: float = DRAIN,
    loop: str = LOOP,
    threads: int = THREADS,
) -> None:
    """Serve the sockets that the service manager passed, in whichever mode it did.

    A listening socket (Accept=no) is served until SIGTERM or SIGINT; a connection
    (Accept=yes) is handled once. The handler is the same for both: ``async def h(reader,
    writer)`` with asyncio's streams, or ``def h(sock)`` with a blocking socket, called in
    threads of its own in the shared mode. The connection is closed when the handler ends.

    On SIGTERM or SIGINT no connection is accepted any more; those that wait in the kernel's
    queue stay there for the next process. Running handlers have ``drain`` seconds to end, then
    they are cancelled, or their connections shut down. A second SIGINT cuts that short.

    Sends READY=1 when all is served and STOPPING=1 on the signal (sd_notify(3)). Must be
    called from the main thread; earlier signal handlers are given back at the end.

    Args:
        handler: One handler for every stream socket, or a handler for each fdname.
        listeners: What :func:`activator.listen_fds` returned, if it was called before. You
            close these; those that serve() takes itself are closed when it returns.
        drain: How long running handlers may go on after the signal, in seconds.
        loop: ``auto`` (uvloop if installed), ``asyncio`` or ``uvloop``.
        threads: How many connections a plain handler serves at once in the shared mode.

    Raises:
        SystemExit: With status 1, or 2 for a wrong argument, after one line on stderr: nothing
            was passed, or handlers and sockets do not match. Also with status 1 if the
            handler of a single connection, or a listening socket, failed.
    """
    from activator.listen import listen_fds  # noqa: PLC0415 - an import of serve stays cheap
    from activator.serving.engine import Settings, run  # noqa: PLC0415 - the same

    mine = listeners is None
    try:
        settings = Settings(drain=drain, loop=loop, threads=threads)
        listeners = listen_fds() if listeners is None else listeners
        try:
            status, _ = run(handler, listeners, settings)
        finally:
            if mine:
                listeners.close()
    except ActivatorError as error:
        sys.stderr.write("".join(f"{line}\n" for line in error.lines()))
        raise SystemExit(error.status) from None
    if status:
        raise SystemExit(status)
