"""Who uses the service: a command, or somebody until SIGINT or for a time."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from activator.errors import ActivatorError

# How often the traces are read, and is looked whether the service stays up: seconds.
_GLANCE_S = 0.5
Streams = tuple[int | None, int | None]


class Use(NamedTuple):
    """How a service is used.

    Attributes:
        client: The command; without it, the use lasts until SIGINT.
        streams: What the client gets as standard input and output, descriptors or DEVNULL of
            subprocess; None for our own. They stay the caller's.
        seconds: The longest that it lasts; 0 for no limit.
    """

    client: Sequence[str] = ()
    streams: Streams = (None, None)
    seconds: float = 0.0


def wait(use: Use, environment: Mapping[str, str], glance: Callable[[], object]) -> int:
    """Return the client's exit status when it has ended; 0 without one, and when time is up.

    Args:
        use: Who uses the service.
        environment: The client's environment.
        glance: Called again and again meanwhile; what it raises ends the client.

    Raises:
        ActivatorError: There is no such client.
    """
    end = time.monotonic() + use.seconds if use.seconds else float("inf")
    return _client(use, environment, glance, end) if use.client else _interrupted(glance, end)


def _interrupted(glance: Callable[[], object], end: float) -> int:
    """Return 0 when SIGINT has come, or the time."""
    asked: list[int] = []
    old = signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    try:
        while not asked and (left := end - time.monotonic()) > 0:
            time.sleep(min(_GLANCE_S, left))  # which goes on after a signal, and is short
            glance()
    finally:
        signal.signal(signal.SIGINT, old)
    return 0


def _client(
    use: Use, environment: Mapping[str, str], glance: Callable[[], object], end: float
) -> int:
    stdin, stdout = use.streams
    # So that its children end with it; at a terminal, it could not read in a session of its own.
    is_apart = not os.isatty(0)
    try:
        process = subprocess.Popen(
            list(use.client),
            env=environment,
            stdin=stdin,
            stdout=stdout,
            start_new_session=is_apart,
        )
    except OSError as error:
        raise ActivatorError(f"{use.client[0]}: {error.strerror}") from None
    try:
        while (left := end - time.monotonic()) > 0:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(min(_GLANCE_S, left))
            glance()
        return 0
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL) if is_apart else process.kill()
            process.wait()
