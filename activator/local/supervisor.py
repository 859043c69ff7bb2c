"""The local activator as a whole: open everything or nothing, serve, stop cleanly.

The states, and what leads from one to the next::

    NEW --open(): all sockets of all units, or an error and none--> OPEN
    OPEN --run()--> SERVING: see sockets/life.py, services/states.py and jobs.py
    SERVING --stop()--> STOPPING: sockets closed and removed, services asked to end
    STOPPING --stop() again--> their processes are killed
    SERVING, STOPPING --no socket listens and no service is left--> CLOSED
    any --end()--> CLOSED: whatever is left is killed and removed
"""

import asyncio
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from activator.errors import ActivatorError, combine
from activator.local import messages
from activator.local.bonds import Bonds
from activator.local.events import Event
from activator.local.followers import Followers
from activator.local.jobs import Jobs
from activator.local.notify import Message, NotifySocket
from activator.local.relations import Relations
from activator.local.services.context import Context
from activator.local.services.family import Family
from activator.local.services.output import Intake
from activator.local.services.service import Service
from activator.local.services.spawn import Passed
from activator.local.services.states import GONE, State
from activator.local.sockets.life import OVER, SocketLife
from activator.local.sockets.per_connection import PerConnectionSocket
from activator.local.sockets.shared import SharedSocket
from activator.local.sockets.taken import Taken
from activator.local.sockets.vanishing import Vanishing
from activator.local.units.models import Plan, SocketUnit
from activator.local.units.paths import RuntimeDir
from activator.unitfile.address import Address

_POLL = 0.02  # seconds


class Supervisor:
    """Run a plan.

    Args:
        plan: What :func:`activator.local.units.load.load` returned.
        on_event: Gets every event, in the order in which things happen, from the event
            loop's thread; it must not block or raise.
        runtime: Where paths below /run go.
        environment: Variables for every service, below the units' own.

    Attributes:
        intake: Reads what the services write.
        bonds: What sockets have to do with services beside starting their own.
        services: Name → the services that are loaded, instances of templates while they
            live.
        sockets: Name → the socket units.
        stays: Whether it runs on when nothing is left: something may be started again.
    """

    def __init__(
        self,
        plan: Plan,
        on_event: Callable[[Event], None],
        *,
        runtime: RuntimeDir | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._plan = plan
        self._emit = on_event
        self._runtime = runtime or RuntimeDir()
        self.intake = Intake()
        self.family = Family()
        self.services: dict[str, Service] = {}
        self.sockets: dict[str, SocketLife] = {}
        self.stays = False
        # All but the instances of templates that have nothing to do with other units.
        self._linked: dict[str, Service] = {}
        # Those that were closed for a reload and whose connections are still served.
        self._retired: list[SocketLife] = []
        # The services that have not gone.
        self._live: set[Service] = set()
        self._taken = Taken()
        self._relations = Relations()
        self.bonds = bonds = Bonds(on_event, self._relations)
        self._jobs = Jobs(
            self._linked, self._relations, self._on_dependency, bonds.need, bonds.stop_with
        )
        self._followers = Followers(self.services, self._relations, self._follow)
        self._context = Context(
            on_event,
            self.family,
            self._changed,
            told=self._followers.told,
            extra=dict(environment or {}),
            intake=self.intake,
        )
        self._notify: NotifySocket | None = None  # until a service needs it
        self._vanishing = Vanishing()
        if self._vanishing.fileno() >= 0:
            asyncio.get_running_loop().add_reader(self._vanishing, self._on_vanished)
        self._over = asyncio.Event()
        self._looking = self._serving = self._stopping = self._ended = False
        self._add_services(plan)
        for unit in plan.sockets:
            self.sockets[unit.name] = self._life(unit)
        self._group()

    @property
    def lives(self) -> list[SocketLife]:
        """Return all socket units, also those that have connections only."""
        return [*self.sockets.values(), *self._retired]

    @property
    def addresses(self) -> list[Address]:
        """Return what is open, as bound here, in the units' order."""
        return [each.address for life in self.sockets.values() for each in life.listeners]

    async def open(self) -> None:
        """Open all sockets of all units, with the commands that go with them.

        Raises:
            ActivatorError: One or more cannot be opened; then none is left open.
        """
        problems: list[ActivatorError] = []
        try:
            for life in self.sockets.values():
                problems += await life.start(self._taken.take)
        except BaseException:
            self.close()
            raise
        if problems:
            self.close()
            raise combine(problems)
        self._watch_paths()
        for life in self.sockets.values():
            life.announce()

    async def run(self) -> bool:
        """Serve until :meth:`stop` is called, or until nothing is left to serve.

        :meth:`open` must have been called.

        Returns:
            Whether it ended because it was asked to.
        """
        try:
            if not self._stopping:
                self._serving = True
                for life in self.sockets.values():
                    life.listen()
                self._jobs.start(*self.bonds.pulled(self.sockets))
                self._look()
                await self._over.wait()
        finally:
            self.end()
        self._emit(Event("stopped"))
        return self._stopping

    def end(self) -> None:
        """Kill what runs and close what is open, at once; nothing is left of this run."""
        if self._ended:
            return
        self._ended = True
        self.take_over()
        for service in [*self.services.values()]:
            service.abandon()
        self.close()
        # KillMode=process leaves processes to a system that goes on, but this one ends.
        while self.family.signal(signal.SIGKILL):
            time.sleep(_POLL)

    def stop(self) -> None:
        """Close the sockets and let every service end; called again, kill them.

        It may be called at any time, also for an event.
        """
        again, self._stopping = self._stopping, True
        if not again:
            self._emit(Event("stopping"))
        if self._serving:
            asyncio.get_running_loop().call_soon(self._stop_all, again)

    def _stop_all(self, again: bool) -> None:  # noqa: FBT001 - call_soon() has no keywords
        """Stop every unit, or kill what is left."""
        self.take_over()
        for life in self.sockets.values():
            life.stop()
        if again:
            for service in [*self.services.values()]:
                service.kill()
        else:
            self._jobs.stop(*self._linked)
            for name in self.services.keys() - self._linked.keys():
                self.services[name].stop()
        self._look()

    def close(self) -> None:
        """Close what is open and remove its files; processes are not touched."""
        for life in self.sockets.values():
            life.close()
        if self._notify is not None:
            asyncio.get_running_loop().remove_reader(self._notify)
            self._notify.close()
            self._notify = None
        if self._vanishing.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._vanishing)
            self._vanishing.close()
        self._context.close()

    def start_units(self, *names: str) -> None:
        """Start services, and first what they require."""
        self._jobs.start(*names)

    def stop_unit(self, name: str) -> None:
        """Stop a service, or a socket unit, and what requires it or is part of it."""
        if name in self.sockets:
            self.sockets[name].stop()
        stopped = self.bonds.stop_with(name)
        for each in self.services.keys() & {*stopped} - self._linked.keys():
            self.services[each].stop()
        self._jobs.stop(*stopped)

    def restart_units(self, *names: str) -> None:
        """Stop services and start them again."""
        self._jobs.restart(*names)

    def starters(self, name: str) -> Iterator[str]:
        """Yield the open sockets whose clients start a service."""
        for life in self._starting.get(name, ()):
            if not life.unit.accept and life.state not in OVER:
                yield life.unit.name

    def waits(self, name: str) -> bool:
        """Tell whether a service is being started, stopped or restarted."""
        return self._jobs.waits(name)

    # --- inside ------------------------------------------------------------------------

    def _add_services(self, plan: Plan) -> list[str]:
        """Make the services of a plan that are new; return their names."""
        if plan.notifies and self._notify is None:
            self._notify = NotifySocket(self._on_message)
            self._context.notify_path = self._notify.path
            asyncio.get_running_loop().add_reader(self._notify, self._notify.receive)
        added = [name for name in plan.services if name not in self.services]
        for name in added:
            service = Service(plan.services[name], self._context, partial(self._passed, name))
            self.services[name] = service
            self._link(service)
        return added

    def _link(self, service: Service) -> None:
        """Have jobs for a service that has to do with others."""
        self._linked[service.unit.name] = service
        self._relations.set(service.unit.name, service.unit.relations)

    def _drop(self, service: Service) -> None:
        """Forget an instance that has gone, and close its connection."""
        if service.unit.name not in self._plan.services:
            self._forget(service.unit.name)
            for life in self.lives:
                if isinstance(life, PerConnectionSocket):
                    life.gone(service)

    def _forget(self, name: str) -> None:
        """Drop a service that has gone."""
        self.services.pop(name, None)
        self._linked.pop(name, None)
        self._relations.remove(name)

    def _life(self, unit: SocketUnit) -> SocketLife:
        """Make the life of a socket unit, by its mode."""
        common = (unit, self._context, self._runtime, self._on_over)
        if unit.accept:
            template = self._plan.templates[unit.service]
            return PerConnectionSocket(
                *common, template=template, activate=self._add, adopt=self._adopt
            )
        service = self.services[unit.service]
        return SharedSocket(*common, service=service, activate=self.start_units)

    def _group(self) -> None:
        """Find anew which sockets a service has to do with; to be called when others are there."""
        self._places = {name: place for place, name in enumerate(self.sockets)}
        self._starting: dict[str, list[SocketLife]] = {}
        for life in self.lives:
            self._starting.setdefault(life.unit.service, []).append(life)
        self.bonds.learn(self.sockets.values())

    def _passed(self, name: str) -> list[Passed]:
        """Return the descriptors of all sockets of a service, in the units' order."""
        more = self._plan.services[name].sockets
        found = [*self._starting.get(name, ())]
        found += [self.sockets[each] for each in more if each in self.sockets]
        lives = {
            self._places[life.unit.name]: life
            for life in found
            if not life.unit.accept and self.sockets.get(life.unit.name) == life
        }
        return [passed for _, life in sorted(lives.items()) for passed in life.passed()]

    def _add(self, service: Service) -> None:
        """Start an instance, which is gone when it ends."""
        name = service.unit.name
        self.services[name] = service
        relations = service.unit.relations
        pulled = (*relations.requires, *relations.wants, *relations.upholds)
        if any(other in self._linked for other in pulled):
            self._link(service)
            self._jobs.start(name)
        else:
            service.start()

    def _adopt(self, service: Service) -> None:
        """Take note of an instance whose process runs already."""
        self.services[service.unit.name] = service

    def take_over(self) -> None:
        """Make services of all processes of connections."""
        for life in self.lives:
            if isinstance(life, PerConnectionSocket):
                life.take_over()

    def _changed(self, service: Service, before: State) -> None:
        """Take note that a service is in another state."""
        name = service.unit.name
        if service.state in GONE:
            self._live.discard(service)
        else:
            self._live.add(service)
        self._relations.set(name, service.unit.relations)  # it may be another unit now
        if name in self._linked:
            self._jobs.changed(service, before)
        if name in self._plan.services:
            asyncio.get_running_loop().call_soon(self._tell_sockets, name)
        self._followers.changed(service, before)
        self.bonds.changed(service, before)
        if service.state in GONE:
            self._drop(service)
            self._look()

    def _tell_sockets(self, name: str) -> None:
        """Let the sockets of a service see in which state it is now."""
        waits = self._jobs.waits(name)
        for life in self._starting.get(name, ()):
            if isinstance(life, SharedSocket):
                life.service_changed(waits=waits)

    def _on_dependency(self, service: Service, failed: str) -> None:
        """Tell that a service was not started for the sake of another unit."""
        what = f"not started: it requires {failed}, which has not started (dependency)"
        self._emit(Event("failed", service.unit.name, f"{what}; see why"))
        self._tell_sockets(service.unit.name)
        self._followers.unstarted(service)
        self._drop(service)

    def _on_over(self, life: SocketLife) -> None:
        """Take note that a socket unit listens no more."""
        self._followers.socket_ended(life.unit, life.result)
        self._jobs.closed(life.unit.name, life.unit.relations)
        self._look()

    def _watch_paths(self) -> None:
        addresses = self.addresses
        self._vanishing.follow(each.path for each in addresses if each.has_node)

    def _on_vanished(self) -> None:
        self._vanishing.drain()
        for life in self.sockets.values():
            life.look()

    def _follow(self, name: str) -> None:
        if self._serving and not self._stopping:
            self._jobs.start(name)

    def _look(self) -> None:
        """See soon whether anything is left: once for all that happens at a time."""
        if self._serving and not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_soon(self._look_now)

    def _look_now(self) -> None:
        self._looking = False
        sockets = any(life.state not in OVER or life.busy for life in self.lives)
        if not (self._live or sockets or (self.stays and not self._stopping)):
            self._over.set()

    def _on_message(self, message: Message) -> None:
        """Give a notification to the service whose process has sent it."""
        self._context.descriptors.look(max(message.descriptors, default=0))
        service = messages.sender(message.sender, self.services.values(), self.family)
        if service is not None:
            messages.take(service, message)
