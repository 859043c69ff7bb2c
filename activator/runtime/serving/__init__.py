"""Serve what systemd passed: the runtime's engine, loaded only by those who serve.

May import: what stands beside this room in runtime/, and errors, notify, fdstore, common.

The files on this floor, each using only those before it, and then the rooms::

    options, settings            what can be set, and what is
    report, accept               what to log; how to accept
    draining, stop, nudge, life  the end: the event for handlers, signals, what the manager is told
    trusted                      which peers are proxies that are believed
    sources, restored            who has how many connections; those from the fd store
    unread                       who may be answered, of clients of a Unix datagram socket
    message, receive, queues     datagrams whole, answered from where they came to; queues
    http_server, socketserver    the standard library's classes as plain handlers
    handlers                     what a handler is
    route, load                  which handler serves which descriptor; MODULE:HANDLER
    plain, contexts              one call of a plain handler; handlers with a beginning and an end
    before/                      what comes before a handler: a proxy's header, TLS
    byte_counts, scrapes         bytes of connections; HTTP for those who ask for figures
    metrics                      the service's figures as OpenMetrics
    single                       the service of one plain call
    threads/                     the service of plain handlers
    loop/                        the service with an event loop
    web/                         web applications as handlers of that one
    processes/                   the service with a process for each connection
    engine                       which service is the right one
    workers/                     several processes on the same listeners, and new ones for old
"""

import errno
import sys

from activator.errors import ActivatorError
from activator.runtime.serving.options import (
    DRAIN,
    DRAIN_DELAY,
    IDLE_EXIT,
    LOG_LEVEL,
    LOOP,
    MESSAGE_MAX,
    NO_LIMIT,
    THREADS,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from activator.runtime.listen import Listeners
    from activator.runtime.serving.handlers import Handler

__all__ = ["serve"]


def serve(
    handler: "Handler | Mapping[str, Handler]",
    *,
    listeners: "Listeners | None" = None,
    drain: float = DRAIN,
    drain_delay: float = DRAIN_DELAY,
    loop: str = LOOP,
    threads: int = THREADS,
    idle_exit: float = IDLE_EXIT,
    max_connections: int = NO_LIMIT,
    max_per_source: int = NO_LIMIT,
    message_max: int = MESSAGE_MAX,
    metrics: str = "",
    log_level: str = LOG_LEVEL,
    tls_cert: str = "",
    tls_key: str = "",
    proxy_protocol: str = "",
) -> None:
    """Serve the sockets that the service manager passed, in whichever mode it did.

    A listening socket (Accept=no) is served until SIGTERM or SIGINT; a connection
    (Accept=yes) is handled once. The handler is the same for both:

    - ``async def h(reader, writer)`` with asyncio's streams;
    - an ``asyncio.Protocol`` or ``asyncio.BufferedProtocol`` class, or a functools.partial of
      one: the fastest;
    - ``def h(sock)`` with a blocking socket, called in threads of its own in the shared mode;
    - a ``socketserver.BaseRequestHandler`` class, which is served like ``def h(sock)``.

    The connection is closed when the handler ends; a protocol closes its own.

    A handler that needs something for as long as the service runs is an asynchronous context
    manager (``contextlib.asynccontextmanager``) that gives one of these. It is entered once,
    before the service is ready, and left when the last connection has ended; what it does then
    must end within ``drain`` too.

    Datagram sockets take ``def h(data, addr)``, whose result, if it is not None, is the answer.
    It is called in a thread, for one message of a socket at a time and in their order. Or they
    take an ``asyncio.DatagramProtocol`` class. In both cases ``data`` is a
    :class:`activator.Message`, and an answer leaves from the address that the message came to.
    Netlink sockets are served likewise; the sender of what the kernel says is ``(0, group)``.

    A POSIX message queue takes ``def h(message, priority)``, called as for datagrams; there are
    no answers.

    A FIFO or a special file has no connections either. Its handler is called when there is
    something to read, can go on as long as the service, and is called again if it returns:

    - ``async def h(reader)`` with an ``asyncio.StreamReader``;
    - ``def h(stream)`` with a buffered binary file of a FIFO, so that ``for line in stream``
      does it; of a special file with an unbuffered one, each ``read(n)`` being one read(2).

    When the service drains, its stream ends after what has been read; the rest stays for the next
    process. A line that was written to a FIFO at once is never torn by that (pipe(7), PIPE_BUF).

    On SIGTERM or SIGINT no connection is accepted any more; those that wait in the kernel's
    queue stay there for the next process. Running handlers have ``drain`` seconds to end, then
    they are cancelled, or their connections shut down. A second SIGINT cuts that short.
    Handlers that want to know use :data:`activator.draining`.

    A connection beside listening sockets is one that was left in the fd store
    (:mod:`activator.fdstore`): the handler of its name goes on with it.

    Sends READY=1 when all is served and STOPPING=1 on the signal (sd_notify(3)). Must be
    called from the main thread; earlier signal handlers are given back at the end.

    Args:
        handler: One handler for every stream socket, or a handler for each fdname.
        listeners: What :func:`activator.listen_fds` returned, if it was called before. You
            close these; those that serve() takes itself are closed when it returns.
        drain: How long running handlers may go on after the signal, in seconds.
        drain_delay: How long to serve on after the signal before that, in seconds, in the shared
            mode: meanwhile :meth:`activator.draining.is_leaving` tells a balancer to leave.
        loop: ``auto`` (uvloop if installed), ``asyncio`` or ``uvloop``.
        threads: How many connections a plain handler serves at once in the shared mode.
        idle_exit: After how many seconds without connections and messages to end, in the
            shared mode; 0 is never. Ignored if the listeners were not passed by the service
            manager. What arrives while the process ends waits in the kernel's queue, and
            starts it again.
        max_connections: How many connections are open at once; while they are, no others are
            accepted and they wait in the kernel's queue. 0 is no limit.
        max_per_source: How many connections one source may have open at once: an IP address, a
            Unix user, a virtual machine. Others are closed at once. 0 is no limit.
        message_max: The longest datagram taken, in bytes; longer ones are reported on stderr
            and dropped.
        metrics: The fdname of sockets on which the service's figures are told as OpenMetrics, if
            any; needs prometheus_client.
        log_level: Which records of ``logging`` to tell, and all above them, where the program has
            configured no handler: ``debug``, ``info``, ``warning``, ``error`` or ``critical``.
        tls_cert: A file of certificates, in PEM: the service's, then those that lead to a root.
            With it, TCP sockets speak TLS, 1.2 or newer, and the handler gets and sends plain
            text. SIGHUP has it read again.
        tls_key: The file of its key, not encrypted, if that is not in the same.
        proxy_protocol: Which peers are proxies, with commas between: networks, ``local`` (the
            loopback) and ``unix`` (Unix sockets). Each must begin with a header of the PROXY
            protocol, version 1 or 2, and the client that it names is that of the connection.
            Others are closed. Needs asyncio's loop.

    Raises:
        SystemExit: With status 1, or 2 for a wrong argument, after one line on stderr: nothing
            was passed, or handlers and sockets do not match. Also with status 1 if the
            handler of a single connection, or a listening socket, failed.
    """
    from activator.runtime.listen import listen_fds  # noqa: PLC0415 - an import of serve stays cheap
    from activator.runtime.serving.engine import run  # noqa: PLC0415 - the same
    from activator.runtime.serving.settings import Settings  # noqa: PLC0415 - the same

    if None in (sys.stdin, sys.stdout, sys.stderr):  # closed when this process began
        from activator.common.descriptors import fill_standard  # noqa: PLC0415 - rarely needed

        fill_standard()
    mine = listeners is None
    try:
        settings = Settings(
            drain=drain,
            drain_delay=drain_delay,
            loop=loop,
            threads=threads,
            idle_exit=idle_exit,
            max_connections=max_connections,
            max_per_source=max_per_source,
            message_max=message_max,
            metrics=metrics,
            log_level=log_level,
            tls_cert=tls_cert,
            tls_key=tls_key,
            proxy_protocol=proxy_protocol,
        )
        listeners = listen_fds() if listeners is None else listeners
        try:
            status, _ = run(handler, listeners, settings)
        finally:
            if mine:
                listeners.close()
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise
        # There are none to load anything with.
        sys.stderr.write(f"cannot serve: {error.strerror}; a higher LimitNOFILE= would help\n")
        raise SystemExit(1) from None
    except ActivatorError as error:
        # An import of serve stays cheap.
        from activator.runtime.serving.report import last_words  # noqa: PLC0415

        for text in error.lines():
            last_words(text)
        raise SystemExit(error.status) from None
    if status:
        raise SystemExit(status)
