"""What starts and stops when: the relations between the units of one run.

A job waits for those of the units that its own is ordered after, then runs, and is done when
the unit has started or stopped::

    start:  waiting --all it is After= have no job--> running --active, or over--> done
            waiting --something it requires has failed or stopped--> failed
    stop:   waiting --all that are After= it have stopped--> running --inactive--> done

Source: systemd.unit(5), Requires=, BindsTo=, After=, PartOf=, Upholds=, StopWhenUnneeded=,
Conflicts=.
Units that are not loaded are taken as started.

A job that has to wait is looked at again when the unit that it waits for has news, so that ten
thousand units start and stop in as many steps.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping

from activator.local.limits import RateLimit
from activator.local.relations import PULLED, STOPPED_WITH, Relations
from activator.local.services.service import Service
from activator.local.services.states import GONE, ROWS, State
from activator.local.units.models import Rate
from activator.local.units.service_model import Relations as Named

START, STOP, RESTART = "start", "stop", "restart"
# How often a unit is started for the sake of Upholds=: systemd's own limit.
_UPHOLDING = Rate(10.0, 16)
_ACTIVE = ("active", "reloading")
_UP = (*_ACTIVE, "activating")


class Jobs:
    """The jobs of one run.

    Args:
        services: Name → every service that is loaded now; it may change.
        relations: What they have to do with others.
        on_failed: Called with a service whose start failed for the sake of another unit,
            and that unit's name.
        needed: Tells whether a unit that is no service requires or wants one.
        stop_with: Called with services that are stopped for a conflict; stops what is no service
            and is stopped with them, and returns them and all others that are.
    """

    def __init__(
        self,
        services: Mapping[str, Service],
        relations: Relations,
        on_failed: Callable[[Service, str], None],
        needed: Callable[[str], bool] = lambda _: False,
        stop_with: Callable[..., Iterable[str]] = lambda *names: names,
    ) -> None:
        self._services = services
        self._relations = relations
        self._on_failed = on_failed
        self._needed_besides = needed
        self._stop_with = stop_with
        self._loop = asyncio.get_running_loop()
        self._jobs: dict[str, str] = {}
        self._running: set[str] = set()
        # The units that have news: another job, or another state.
        self._news: dict[str, None] = {}
        # Unit → whose jobs wait for it.
        self._waiting: dict[str, dict[str, None]] = {}
        self._planned = False
        self._upholding: dict[str, RateLimit] = {}

    def start(self, *names: str) -> None:
        """Start services, and first what they require; what is not loaded is passed over."""
        self._want(*(each for each in names if each in self._services))
        self._look()

    def stop(self, *names: str) -> None:
        """Stop services, and first what requires them."""
        self._end(*names)
        self._look()

    def restart(self, *names: str) -> None:
        """Stop services and start them again, and likewise what requires them and runs."""
        for each in self._dependents(names):
            if self._services[each].state not in GONE:
                self._set(each, RESTART)
            elif each in names:
                self._set(each, START)
        self._look()

    def waits(self, name: str) -> bool:
        """Tell whether a unit has a job that is not done."""
        return name in self._jobs

    def changed(self, service: Service, before: State) -> None:
        """Take note that a service is in another state."""
        name = service.unit.name
        kind = self._jobs.get(name)
        if kind == START and name in self._running:
            if service.activity in _ACTIVE or service.state in GONE:
                self._forget(name)
        elif kind == STOP and service.state in GONE:
            self._forget(name)
        elif kind == RESTART and service.state in GONE:
            self._set(name, START)
        if ROWS[before].activity in _UP and service.activity not in _UP:
            self._stop_bound(name)  # as soon as it goes, not only when it has gone
        self._news[name] = None
        self._plan()

    def closed(self, name: str, relations: Named) -> None:
        """Take note that a socket is open no more, so that it does without what it pulled in."""
        self._stop_bound(name)
        pulled = (each for kind in PULLED for each in getattr(relations, kind))
        self._news |= {each: None for each in pulled if each in self._services}
        self._plan()

    # --- inside ------------------------------------------------------------------------

    def _want(self, *names: str) -> None:
        """Add the jobs that start services."""
        for each in self._pulled(names):
            service = self._services[each]
            if self._jobs.get(each) == STOP:
                self._set(each, RESTART)
            elif service.activity not in _ACTIVE and each not in self._jobs:
                self._set(each, START)
        for name in names:
            if others := self._conflicting(name):
                self._end(*self._stop_with(*others))

    def _end(self, *names: str) -> None:
        """Add the jobs that stop services."""
        for each in self._dependents(names):
            if self._services[each].state not in GONE:
                self._set(each, STOP)
            elif self._jobs.get(each) == START:
                self._forget(each)

    def _set(self, name: str, kind: str) -> None:
        """Have a job, which is still to be run."""
        self._jobs[name] = kind
        self._running.discard(name)
        self._news[name] = None

    def _forget(self, name: str) -> None:
        """End a job."""
        self._jobs.pop(name, None)
        self._running.discard(name)
        self._news[name] = None

    def _plan(self) -> None:
        """Look at what has news soon: not within the change that calls for it."""
        if not self._planned:
            self._planned = True
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        """Run the jobs that need not wait any more."""
        self._planned = False
        while self._news:
            names, self._news = self._news, {}
            self._stop_unneeded(names)
            self._start_upheld(names)
            names |= self._news  # jobs that these have just made
            self._news = {}
            for each in [*names]:
                names |= self._waiting.pop(each, {})
            for name in names:
                if name in self._jobs and name not in self._running and self._may(name):
                    self._run(name)

    def _run(self, name: str) -> None:
        """Run a job."""
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
        elif service.activity in _ACTIVE:
            self._forget(name)
        else:
            service.start()

    def _may(self, name: str) -> bool:
        """Tell whether a job need not wait; otherwise remember for whom it does."""
        other = self._awaited(name)
        if other is not None:
            self._waiting.setdefault(other, {})[name] = None
        return other is None

    def _awaited(self, name: str) -> str | None:
        """Return a unit that a job waits for, None if there is none."""
        if self._jobs[name] == START:
            if self._services[name].activity == "deactivating":
                return name
            # What starts before it.
            others = self._around(name, "after", "before")
            return next((other for other in others if other in self._jobs), None)
        # What starts after it, and stops before it.
        for other in self._around(name, "before", "after"):
            ends = self._jobs.get(other) in (STOP, RESTART)
            if ends and self._services[other].state not in GONE:
                return other
        return None

    def _around(self, name: str, named: str, naming: str) -> Iterator[str]:
        """Yield the loaded services that one names in a relation, or that name it in another."""
        yield from (o for o in self._relations.named(name, named) if o in self._services)
        yield from (o for o in self._relations.naming(name, naming) if o in self._services)

    def _pulled(self, names: Iterable[str]) -> Iterator[str]:
        """Yield services and all that they require or want, what is needed first."""
        seen: dict[str, None] = {}
        for name in names:
            found: list[str] = []
            left = [name]
            while left:
                each = left.pop()
                if each not in seen and each in self._services:
                    seen[each] = None
                    found.append(each)
                    left += reversed(self._relations.named(each, *PULLED))
            yield from reversed(found)

    def _dependents(self, names: Iterable[str]) -> dict[str, None]:
        """Return services and all that stop with them."""
        found: dict[str, None] = {}
        left = [*names]
        for each in left:
            if each not in found and each in self._services:
                found[each] = None
                left += self._relations.naming(each, *STOPPED_WITH)
        return found

    def _conflicting(self, name: str) -> list[str]:
        """Return the services that must not run beside one."""
        others = dict.fromkeys(self._around(name, "conflicts", "conflicts"))
        return [each for each in others if each != name and self._services[each].state not in GONE]

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
        """Stop what is bound to a unit that has gone."""
        for other in [*self._relations.naming(name, "binds_to")]:
            service = self._services.get(other)
            if service is not None and service.state not in GONE and other not in self._jobs:
                self._end(other)

    def _stop_unneeded(self, names: Iterable[str]) -> None:
        """Stop what nothing requires any more and that wants to stop then."""
        if not self._relations.unneeded:
            return
        concerned = dict.fromkeys(each for news in names for each in (news, *self._pulls(news)))
        for name in concerned:
            if name not in self._relations.unneeded or name in self._jobs:
                continue
            if self._services[name].activity in _ACTIVE and not self._needed(name):
                self._set(name, STOP)

    def _start_upheld(self, names: Iterable[str]) -> None:
        """Start what something that is up upholds, and is not up."""
        for name in [*names]:
            upheld = self._relations.naming(name, "upholds")
            for other in (*self._pulls(name, "upholds"), *([name] if upheld else ())):
                if (
                    other in self._services
                    and other not in self._jobs
                    and self._services[other].state in GONE
                    and any(map(self._active, self._relations.naming(other, "upholds")))
                ):
                    limit = self._upholding.setdefault(other, RateLimit(_UPHOLDING))
                    if limit.allows():
                        self._want(other)

    def _pulls(self, name: str, *kinds: str) -> list[str]:
        """Return what a service names, if it is still loaded."""
        return self._relations.named(name, *(kinds or PULLED)) if name in self._services else []

    def _active(self, name: str) -> bool:
        return name in self._services and self._services[name].activity in _ACTIVE

    def _needed(self, name: str) -> bool:
        """Tell whether a service that is up, or will be, requires or wants another."""
        return self._needed_besides(name) or any(
            other in self._services
            and (
                self._services[other].activity in (*_UP, "deactivating")
                or self._jobs.get(other) in (START, RESTART)
            )
            for other in self._relations.naming(name, *PULLED)
        )
