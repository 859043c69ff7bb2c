"""Which services have failed at their start, so that nobody was served."""

import asyncio

from activator.local.events import Event
from activator.local.reload import LiveSupervisor
from activator.local.services.results import SUCCESS
from activator.local.services.service import Service
from activator.local.services.states import State
from activator.local.sockets.shared import SharedSocket

_AT_THE_START = 5.0  # seconds, in which a mistake in the code shows
_IN_A_ROW = 3  # failures without a word of readiness
_TELLING = ("ended", "failed", "note", "restarting")


class Starts:
    """Watches the starts of one run.

    Args:
        supervisor: The run.
    """

    def __init__(self, supervisor: LiveSupervisor) -> None:
        self._supervisor = supervisor
        self._begun: dict[str, float] = {}
        self._ready: set[str] = set()
        self._failures: dict[str, int] = {}

    def take(self, event: Event) -> None:
        """Take note of what has happened."""
        if event.kind == "started":
            self._begun[event.unit] = asyncio.get_running_loop().time()
            self._ready.discard(event.unit)
        elif event.kind == "ready":
            self._ready.add(event.unit)

    def broken(self, event: Event) -> bool:
        """Tell whether an end shows a mistake in the code, which another start does not mend."""
        service = self._supervisor.services.get(event.unit)
        failed = event.kind == "ended" and bool(event.status)
        return failed and service is not None and service.result != SUCCESS and self._soon(service)

    def failed(self, event: Event) -> bool:
        """Tell whether a service has failed before it could serve anybody.

        To be asked once for each event, when what it tells of is over. A service that does not
        say READY=1 has served nobody if it ends with an error soon, a few times in a row, and
        somebody waits: once, this may be the next client of one that it has served.
        """
        service = self._supervisor.services.get(event.unit)
        if event.kind not in _TELLING or service is None:
            return False
        if service.state not in (State.FAILED, State.AUTO_RESTART) or service.result == SUCCESS:
            return False
        if service.unit.waits_for_ready:
            return event.unit not in self._ready
        if not event.pid:
            return True  # before its main process
        if event.kind == "ended":
            alike = service.result == "exit-code" and self._soon(service)
            count = self._failures.get(event.unit, 0) + 1
            self._failures[event.unit] = count if alike and self._awaited(event.unit) else 0
        return self._failures.get(event.unit, 0) >= _IN_A_ROW

    def _awaited(self, name: str) -> bool:
        lives = (life for life in self._supervisor.lives if life.unit.service == name)
        return any(isinstance(life, SharedSocket) and life.awaited for life in lives)

    def _soon(self, service: Service) -> bool:
        now = asyncio.get_running_loop().time()
        return now - self._begun.get(service.unit.name, now) < _AT_THE_START
