"""What starts and stops when: the relations between the units of one run.

A job waits for those of the units that its own is ordered after, then runs, and is done when
the unit has started or stopped::

    start:  waiting --all it is After= have no job--> running --active, or over--> done
            waiting --something it requires has failed or stopped--> failed
    stop:   waiting --all that are After= it have stopped--> running --inactive--> done

Source: systemd.unit(5), Requires=, BindsTo=, After=, PartOf=, Upholds=, StopWhenUnneeded=,
Conflicts=.
Units that are not loaded are taken as started.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping

from activator.local.limits import RateLimit
from activator.local.services.base import ServiceBase
from activator.local.services.service import Service
from activator.local.services.states import GONE, ROWS, State
from activator.local.units.models import Rate

START, STOP, RESTART = "start", "stop", "restart"
# How often a unit is started for the sake of Upholds=: systemd's own limit.
_UPHOLDING = Rate(10.0, 16)
_UP = ("active", "reloading", "activating")


class Jobs:
    """The jobs of one run.

    Args:
        services: Name → every service that is loaded now; it may change.
        on_failed: Called with a service whose start failed for the sake of another unit,
            and that unit's name.
    """

    def __init__(
        self, services: Mapping[str, Service], on_failed: Callable[[Service, str], None]
    ) -> None:
        self._services = services
        self._on_failed = on_failed
        self._loop = asyncio.get_running_loop()
        self._jobs: dict[str, str] = {}
        self._running: set[str] = set()
        self._planned = False
        self._upholding: dict[str, RateLimit] = {}

    def start(self, name: str) -> None:
        """Start a service, and first what it requires or wants."""
        self._want(name)
        self._look()

    def stop(self, name: str) -> None:
        """Stop a service, and first what requires it."""
        for each in self._dependents(name):
            if self._services[each].state not in GONE:
                self._jobs[each] = STOP
                self._running.discard(each)
            elif self._jobs.get(each) == START:
                self._forget(each)
        self._look()

    def restart(self, name: str) -> None:
        """Stop a service and start it again, and likewise what requires it and runs."""
        for each in self._dependents(name):
            if self._services[each].state not in GONE:
                self._jobs[each] = RESTART
                self._running.discard(each)
            elif each == name:
                self._jobs[each] = START
        self._look()

    def waits(self, name: str) -> bool:
        """Tell whether a unit has a job that is not done."""
        return name in self._jobs

    def changed(self, service: ServiceBase, before: State) -> None:
        """Take note that a service is in another state."""
        name = service.unit.name
        kind = self._jobs.get(name)
        if kind == START and name in self._running:
            if service.activity in ("active", "reloading") or service.state in GONE:
                self._forget(name)
        elif kind == STOP and service.state in GONE:
            self._forget(name)
        elif kind == RESTART and service.state in GONE:
            self._jobs[name] = START
            self._running.discard(name)
        if ROWS[before].activity in _UP and service.activity not in _UP:
            self._stop_bound(name)  # as soon as it goes, not only when it has gone
        self._plan()

    # --- inside ------------------------------------------------------------------------

    def _want(self, name: str) -> None:
        """Add the jobs that start a service."""
        for each in self._pulled(name):
            service = self._services[each]
            if self._jobs.get(each) == STOP:
                self._jobs[each] = RESTART
            elif service.activity not in ("active", "reloading") and each not in self._jobs:
                self._jobs[each] = START
        for other in self._conflicting(name):
            self.stop(other)

    def _plan(self) -> None:
        """Look at all jobs soon: not within the change that calls for it."""
        if not self._planned:
            self._planned = True
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        """Run the jobs that need not wait any more."""
        self._planned = False
        self._stop_unneeded()
        self._start_upheld()
        while ready := [name for name in self._jobs if self._may(name)]:
            for name in ready:
                self._run(name)

    def _run(self, name: str) -> None:
        """Run a job."""
        if name not in self._jobs:
            return  # one that ran before has ended it
        service, kind = self._services[name], self._jobs[name]
        self._running.add(name)
        if kind != START:
            if service.state in GONE:
                self.changed(service, service.state)
            else:
                service.stop(restart=kind == RESTART)
        elif failed := self._broken(service):
            self._forget(name)
            self._on_failed(service, failed)
        elif service.activity in ("active", "reloading"):
            self._forget(name)
        else:
            service.start()

    def _may(self, name: str) -> bool:
        """Tell whether a job is to be run: it waits, but not for another."""
        if name in self._running:
            return False
        if self._jobs[name] == START:
            if self._services[name].activity == "deactivating":
                return False
            return not any(other in self._jobs for other in self._earlier(name))
        return not any(
            self._jobs.get(other) in (STOP, RESTART) and self._services[other].state not in GONE
            for other in self._later(name)
        )

    def _forget(self, name: str) -> None:
        """End a job."""
        self._jobs.pop(name, None)
        self._running.discard(name)

    def _pulled(self, name: str) -> Iterator[str]:
        """Yield a service and all that it requires or wants, what is needed first."""
        seen: list[str] = []

        def visit(each: str) -> None:
            if each in seen or each not in self._services:
                return
            seen.append(each)
            relations = self._services[each].unit.relations
            for other in (*relations.requires, *relations.wants, *relations.upholds):
                visit(other)

        visit(name)
        yield from reversed(seen)

    def _dependents(self, name: str) -> list[str]:
        """Return a service and all that stop with it."""
        found = [name]
        for each in found:
            for other, service in self._services.items():
                relations = service.unit.relations
                if each in (*relations.requires, *relations.part_of) and other not in found:
                    found.append(other)
        return found

    def _conflicting(self, name: str) -> list[str]:
        """Return the services that must not run beside one."""
        mine = self._services[name].unit.relations.conflicts
        return [
            other
            for other, service in self._services.items()
            if other != name
            and (other in mine or name in service.unit.relations.conflicts)
            and service.state not in GONE
        ]

    def _earlier(self, name: str) -> Iterator[str]:
        """Yield the loaded services that start before one."""
        relations = self._services[name].unit.relations
        yield from (other for other in relations.after if other in self._services)
        for other, service in self._services.items():
            if name in service.unit.relations.before:
                yield other

    def _later(self, name: str) -> Iterator[str]:
        """Yield the loaded services that start after one, and stop before it."""
        yield from (
            other for other in self._services[name].unit.relations.before if other in self._services
        )
        for other, service in self._services.items():
            if name in service.unit.relations.after:
                yield other

    def _broken(self, service: Service) -> str:
        """Return what a service requires, is ordered after and has not started; or nothing."""
        relations = service.unit.relations
        for name in relations.requires:
            other = self._services.get(name)
            if other is not None and name in relations.after and other.activity not in _UP:
                ran_well = other.unit.type == "oneshot" and other.state is State.DEAD
                ran_well |= other.skipped
                if not ran_well or name in relations.binds_to:
                    return name
        return ""

    def _stop_bound(self, name: str) -> None:
        """Stop what is bound to a service that has gone."""
        for other, service in self._services.items():
            bound = name in service.unit.relations.binds_to
            if bound and service.state not in GONE and other not in self._jobs:
                self.stop(other)

    def _stop_unneeded(self) -> None:
        """Stop what nothing requires any more and that wants to stop then."""
        for name, service in self._services.items():
            if not service.unit.relations.stop_when_unneeded or name in self._jobs:
                continue
            if service.activity not in ("active", "reloading"):
                continue
            if not any(self._needs(other, name) for other in self._services):
                self._jobs[name] = STOP

    def _start_upheld(self) -> None:
        """Start what something that is up upholds, and is not up."""
        up = [each for each in self._services.values() if each.activity in ("active", "reloading")]
        for service in up:
            for other in service.unit.relations.upholds:
                if (
                    other in self._services
                    and other not in self._jobs
                    and self._services[other].state in GONE
                    and self._upholding.setdefault(other, RateLimit(_UPHOLDING)).allows()
                ):
                    self._want(other)

    def _needs(self, other: str, name: str) -> bool:
        """Tell whether a service that is up, or will be, requires or wants another."""
        service = self._services[other]
        relations = service.unit.relations
        named = name in (*relations.requires, *relations.wants, *relations.upholds)
        up = service.activity in (*_UP, "deactivating") or self._jobs.get(other) in (START, RESTART)
        return named and up
