"""What starts when another unit has ended: OnFailure= and OnSuccess=.

Source: systemd.unit(5); systemd.exec(5), $MONITOR_SERVICE_RESULT and its kin.
"""

from collections.abc import Callable, Mapping

from activator.local.relations import FOLLOWED, Relations
from activator.local.services import results
from activator.local.services.results import SUCCESS
from activator.local.services.service import Service
from activator.local.services.states import GONE, State
from activator.local.units.models import SocketUnit


class Followers:
    """Starts the services that follow others.

    Args:
        services: Name → the services that are loaded now.
        relations: What they have to do with others.
        start: Starts one of them.
    """

    def __init__(
        self, services: Mapping[str, Service], relations: Relations, start: Callable[[str], None]
    ) -> None:
        self._services = services
        self._relations = relations
        self._start = start

    def changed(self, service: Service, before: State) -> None:
        """Take note that a service is in another state."""
        relations = service.unit.relations
        if service.state is State.FAILED and before is not State.FAILED:
            self._start_all(relations.on_failure)
        elif service.state is State.AUTO_RESTART:
            # As from systemd 254 on, where a service goes through its end before a restart.
            good = service.result == SUCCESS
            self._start_all(relations.on_success if good else relations.on_failure)
        elif service.state is State.DEAD and before not in (*GONE, State.AUTO_RESTART):
            self._start_all(relations.on_success)

    def unstarted(self, service: Service) -> None:
        """Take note that a service was not started for the sake of another unit."""
        self._start_all(service.unit.relations.on_failure)

    def socket_ended(self, unit: SocketUnit, result: str) -> None:
        """Take note that a socket listens no more."""
        relations = unit.relations
        self._start_all(relations.on_success if result == SUCCESS else relations.on_failure)

    def told(self, name: str) -> dict[str, str]:
        """Return what a service is told of the one that it follows, if it is one alone."""
        others = self._relations.naming(name, *FOLLOWED)
        if len(others) != 1:
            return {}
        other = self._services[next(iter(others))]
        found = results.exit_variables(other.result, other.main_status, dumped=other.dumped)
        found |= {"INVOCATION_ID": other.processes.invocation, "UNIT": other.unit.name}
        return {f"MONITOR_{key}": value for key, value in found.items() if value}

    def _start_all(self, names: tuple[str, ...]) -> None:
        """Start services, as far as they are loaded."""
        for name in names:
            if name in self._services:
                self._start(name)
