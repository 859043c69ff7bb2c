"""``activator serve``: what ExecStart= runs, without click and its start-up time."""

import atexit
import os
import sys

from activator.errors import ActivatorError, UsageError
from activator.journal import journal
from activator.serving.options import PROCESS, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import Any

    from activator.listen import Listeners
    from activator.serving.engine import Settings
    from activator.serving.load import Wrapper
    from activator.serving.metrics import Meter


def main(words: "Sequence[str]") -> int:
    """Serve what was passed with the handlers named on the command line.

    Args:
        words: The words after ``activator serve``.

    Returns:
        The exit status: 0 done, 1 a failed run, 2 wrong usage.
    """
    journal.look()
    try:
        return _run(words)
    except ActivatorError as error:
        from activator.serving.report import last_words  # noqa: PLC0415 - rarely needed

        for text in error.lines():
            last_words(text)
        return error.status


def _run(words: "Sequence[str]") -> int:
    values, targets = parse(words)
    # Only now, so that wrong usage is told even where systemd-python is not installed.
    from activator.listen import listen_fds  # noqa: PLC0415
    from activator.serving.engine import Settings, not_activated, run, run_program  # noqa: PLC0415
    from activator.serving.handlers import CONNECTED  # noqa: PLC0415
    from activator.serving.load import load  # noqa: PLC0415

    app_dir = values.pop("app-dir")
    if app_dir:
        sys.path.insert(0, app_dir)
    program, workers = values.pop("inetd"), values.pop("workers")
    start_limit = values.pop("start-limit")
    web = {kind: values.pop(kind) for kind in ("asgi", "wsgi")}
    _check(values, [*targets, *web["asgi"], *web["wsgi"]], program, workers)
    settings = Settings(**{name.replace("-", "_"): value for name, value in values.items()})
    # First the descriptors, so that nothing the module starts inherits or takes them.
    listeners = listen_fds()
    try:
        if workers and listeners and not all(item.kind == CONNECTED for item in listeners):
            from activator.serving.worker import is_worker  # noqa: PLC0415 - rarely needed

            if not is_worker():
                from activator.serving import workers as parent  # noqa: PLC0415 - the same

                shared = settings.isolation != PROCESS
                times = settings.drain, start_limit
                with _meter(listeners, settings) as meter:
                    return parent.run(listeners, workers, *times, passes_on=shared, meter=meter)
            from activator.serving.channels import with_channels  # noqa: PLC0415 - the same

            listeners = with_channels(listeners)
            settings.is_worker = True
            if workers > 1:
                settings.batch = 1  # for the others to get some
        if program:
            return run_program(program, listeners, settings)[0]
        handlers = load(targets, list(_applications(**web, settings=settings, workers=workers)))
        if not listeners:
            raise not_activated(listeners.absence)
        status, in_time = run(handlers, listeners, settings)
    finally:
        listeners.close()
    if not in_time:
        _leave_threads(status)
    return status


def _applications(
    asgi: "Sequence[str]", wsgi: "Sequence[str]", settings: "Settings", workers: int
) -> "Iterator[tuple[str, Wrapper]]":
    """Yield the words for applications, each with what makes its handler."""
    if asgi:
        from activator.serving.asgi import Application  # noqa: PLC0415 - rarely needed

        for word in asgi:
            yield word, Application
    if wsgi:
        from activator.serving.wsgi import Application as Wsgi  # noqa: PLC0415 - the same

        for word in wsgi:
            yield (
                word,
                lambda app, name: Wsgi(app, name, settings.threads, is_shared=workers > 1),
            )


def _meter(listeners: "Listeners", settings: "Settings") -> "AbstractContextManager[Meter | None]":
    """Return what tells the workers' figures, or a context without it."""
    if settings.metrics:
        from activator.serving.metrics import Meter  # noqa: PLC0415 - rarely needed

        return Meter(listeners, settings.metrics)
    from contextlib import nullcontext  # noqa: PLC0415 - the same

    return nullcontext()


def _check(
    values: "dict[str, Any]", targets: "Sequence[str]", program: "Sequence[str]", workers: int
) -> None:
    """Refuse options that contradict each other.

    Raises:
        UsageError: They do.
    """
    is_process = values["isolation"] == PROCESS
    if program and not is_process:
        raise UsageError("it is for --isolation process", place="--inetd")
    if program and targets:
        raise UsageError("a handler and a program", "give one", place="--inetd")
    if values["cgroup"] and not is_process:
        raise UsageError("it is for --isolation process", place="--cgroup")
    if workers > 1 and is_process:
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
