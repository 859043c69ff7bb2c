"""The signals of a run, and what each does.

===================  ======================================================================
SIGTERM, SIGINT,     all services end; once more: what is left is killed
SIGQUIT
SIGHUP               the units are read again; services that can reload do so. If the terminal
                     has gone, the same as SIGTERM
SIGUSR1, SIGUSR2,    go on to the main processes of the services, but not to those of single
SIGWINCH             connections
===================  ======================================================================

As process 1 of a container, the run waits for every process that has lost its parent.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Iterable

from activator.local.services.service import Service

_STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_FORWARDED = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH)


class Signals:
    """Catches the signals of a run.

    Args:
        stop: Ends the run; called again, at once.
        reload: Reads the units again.
        reap: Waits for the processes that have ended.
        services: Returns the services that signals go on to.
    """

    def __init__(
        self,
        stop: Callable[[], None],
        reload: Callable[[], None],
        reap: Callable[[], None],
        services: Callable[[], Iterable[Service]],
    ) -> None:
        self._stop = stop
        self._reload = reload
        self._services = services
        self._terminal = _has_terminal()
        self._acts: dict[int, Callable[[], None]] = dict.fromkeys(_STOP, stop)
        self._acts[signal.SIGHUP] = self._on_hangup
        for number in _FORWARDED:
            self._acts[number] = lambda number=number: self._forward(number)  # type: ignore[misc]
        if os.getpid() == 1:
            self._acts[signal.SIGCHLD] = reap

    def catch(self) -> None:
        """Have them act, from the event loop."""
        for number, act in self._acts.items():
            asyncio.get_running_loop().add_signal_handler(number, act)

    def release(self) -> None:
        """Have them do what they did before."""
        for number in self._acts:
            asyncio.get_running_loop().remove_signal_handler(number)

    def _on_hangup(self) -> None:
        if self._terminal and not _has_terminal():
            self._stop()
        else:
            self._reload()

    def _forward(self, number: int) -> None:
        for service in self._services():
            if service.processes.main is not None:
                service.processes.main.signal(number)


def _has_terminal() -> bool:
    """Tell whether we have a controlling terminal that is still there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY))
    except OSError:
        return False
    return True
