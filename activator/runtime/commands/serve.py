"""``activator serve``: what ExecStart= runs, without click and its start-up time."""

import atexit
import os
import sys

from activator.errors import ActivatorError, UsageError
from activator.runtime.journal import journal
from activator.runtime.serving.options import PROCESS
from activator.runtime.serving.settings import parsed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from activator.runtime.listen import Listeners
    from activator.runtime.serving.load import Wrapper
    from activator.runtime.serving.metrics import Meter
    from activator.runtime.serving.settings import Settings


def main(words: "Sequence[str]") -> int:
    """Serve what was passed with the handlers named on the command line.

    Args:
        words: The words after ``activator serve``.

    Returns:
        The exit status: 0 done, 1 a failed run, 2 wrong usage.
    """
    journal.look()
    # Where it is no terminal, what a handler prints would be seen at the end of the service.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)
    try:
        return _run(words)
    except ActivatorError as error:
        from activator.runtime.serving.report import last_words  # noqa: PLC0415 - rarely needed

        for text in error.lines():
            last_words(text)
        return error.status


def _run(words: "Sequence[str]") -> int:
    settings, targets = parsed(words)
    # Only now, so that wrong usage is told even where systemd-python is not installed.
    from activator.runtime.listen import listen_fds  # noqa: PLC0415
    from activator.runtime.serving.engine import not_activated, run, run_program  # noqa: PLC0415
    from activator.runtime.serving.handlers import CONNECTED  # noqa: PLC0415
    from activator.runtime.serving.load import load  # noqa: PLC0415

    if settings.app_dir:
        sys.path.insert(0, settings.app_dir)
    _check(settings, [*targets, *settings.asgi, *settings.wsgi])
    workers = settings.workers
    # First the descriptors, so that nothing the module starts inherits or takes them.
    listeners = listen_fds()
    try:
        if workers and listeners and not all(item.kind == CONNECTED for item in listeners):
            from activator.runtime.serving.workers.worker import tied  # noqa: PLC0415 - rarely needed

            lifeline = tied()
            if not lifeline:
                from activator.runtime.serving.workers import parent  # noqa: PLC0415 - the same

                with _meter(listeners, settings) as meter:
                    return parent.run(listeners, settings.but(meter=meter))
            from activator.runtime.serving.workers.channels import with_channels  # noqa: PLC0415 - the same

            listeners = with_channels(listeners)
            # One connection at a time, for the others to get some.
            settings = settings.but(lifeline=lifeline, batch=1 if workers > 1 else settings.batch)
        if settings.inetd:
            return run_program(settings.inetd, listeners, settings)[0]
        handlers = load(targets, list(_applications(settings)))
        if not listeners:
            raise not_activated(listeners.absence)
        status, in_time = run(handlers, listeners, settings)
    finally:
        listeners.close()
    if not in_time:
        _leave_threads(status)
    return status


def _applications(settings: "Settings") -> "Iterator[tuple[str, Wrapper]]":
    """Yield the words for applications, each with what makes its handler."""
    if settings.asgi:
        from activator.runtime.serving.web.asgi import Application  # noqa: PLC0415 - rarely needed

        for word in settings.asgi:
            yield word, lambda app, name: Application(app, name, settings)
    if settings.wsgi:
        from activator.runtime.serving.web.wsgi import Application as Wsgi  # noqa: PLC0415 - the same

        shared = settings.workers > 1
        for word in settings.wsgi:
            yield (
                word,
                lambda app, name: Wsgi(
                    app, name, settings.threads, is_shared=shared, path=settings.health
                ),
            )


def _meter(listeners: "Listeners", settings: "Settings") -> "AbstractContextManager[Meter | None]":
    """Return what tells the workers' figures, or a context without it."""
    if settings.metrics:
        from activator.runtime.serving.metrics import Meter  # noqa: PLC0415 - rarely needed

        return Meter(listeners, settings.metrics)
    from contextlib import nullcontext  # noqa: PLC0415 - the same

    return nullcontext()


def _check(settings: "Settings", targets: "Sequence[str]") -> None:
    """Refuse options that contradict each other.

    Raises:
        UsageError: They do.
    """
    is_process = settings.isolation == PROCESS
    if settings.inetd and not is_process:
        raise UsageError("it is for --isolation process", place="--inetd")
    if settings.inetd and targets:
        raise UsageError("a handler and a program", "give one", place="--inetd")
    if settings.cgroup and not is_process:
        raise UsageError("it is for --isolation process", place="--cgroup")
    for option in ("worker-max-connections", "worker-max-memory"):
        if getattr(settings, option.replace("-", "_")) and not settings.workers:
            raise UsageError("it is for --workers", place=f"--{option}")
    if settings.inetd and (settings.tls_cert or settings.tls_key):
        what = "a program cannot speak TLS with its standard input"
        raise UsageError(what, "give a handler", place="--tls-cert")
    if settings.health and not (settings.asgi or settings.wsgi):
        hint = "for a handler, serve activator.examples.agent:agent on a socket of its own"
        raise UsageError("it is for --asgi and --wsgi", hint, place="--health")
    if settings.workers > 1 and is_process:
        raise UsageError("each connection has its process already", place="--workers")


def _leave_threads(status: int) -> None:
    """End the process at once if threads would keep it that cannot be cancelled.

    They are those of asyncio.to_thread(), for one: the interpreter would wait for them, and
    the service manager would lose patience and kill.
    """
    threading = sys.modules.get("threading")
    if threading is None or all(
        thread.daemon or thread is threading.main_thread() for thread in threading.enumerate()
    ):
        return
    atexit._run_exitfuncs()  # noqa: SLF001 - os._exit() skips what the program registered
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
