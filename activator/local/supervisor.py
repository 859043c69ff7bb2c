"""The local activator as a whole: open everything or nothing, serve, stop cleanly.

The states, and what leads from one to the next::

    NEW --open(): all sockets of all units, or an error and none--> OPEN
    OPEN --run()--> SERVING: see socket_life.py, states.py and jobs.py
    SERVING --stop()--> STOPPING: sockets closed and removed, services asked to end
    STOPPING --stop() again--> their processes are killed
    SERVING, STOPPING --no socket listens and no service is left--> CLOSED
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from activator.address import Address
from activator.errors import ActivatorError, combine
from activator.local import messages
from activator.local.context import Context
from activator.local.events import Event
from activator.local.followers import Followers
from activator.local.jobs import Jobs
from activator.local.notify import Message, NotifySocket
from activator.local.services.base import ServiceBase
from activator.local.services.family import Family
from activator.local.services.output import Intake
from activator.local.services.service import Service
from activator.local.services.spawn import Passed
from activator.local.services.states import GONE, State
from activator.local.sockets.life import OVER, SocketLife
from activator.local.sockets.per_connection import PerConnectionSocket
from activator.local.sockets.shared import SharedSocket
from activator.local.units.models import Listen, Plan, SocketUnit
from activator.local.units.paths import RuntimeDir

_POLL = 0.02  # seconds
# What may be opened by several at once.
_SHARED_KINDS = ("netlink", "special", "mqueue")


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
        self._environment = dict(environment or {})
        self.intake = Intake()
        self.services: dict[str, Service] = {}
        self.sockets: dict[str, SocketLife] = {}
        self._linked: dict[str, Service] = {}
        # Those that were closed for a reload and whose connections are still served.
        self._retired: list[SocketLife] = []
        self._jobs: Jobs | None = None
        self._followers = Followers(self.services, self._follow)
        self._context: Context | None = None
        self._notify: NotifySocket | None = None
        self._over = asyncio.Event()
        self._opened: list[tuple[SocketUnit, Listen]] = []
        self.stays = False
        self._serving = False
        self._stopping = False

    @property
    def lives(self) -> list[SocketLife]:
        """Return all socket units, also those that have connections only."""
        return [*self.sockets.values(), *self._retired]

    @property
    def family(self) -> Family:
        """Return what knows our processes; :meth:`open` has made it."""
        assert self._context is not None  # noqa: S101 - see above
        return self._context.family

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
            self._prepare()
            for life in self.sockets.values():
                problems += await life.start(self._refuse_twice)
        except BaseException:
            self.close()
            raise
        if problems:
            self.close()
            raise combine(problems)
        for life in self.sockets.values():
            life.announce()

    async def run(self) -> bool:
        """Serve until :meth:`stop` is called, or until nothing is left to serve.

        :meth:`open` must have been called.

        Returns:
            Whether it ended because it was asked to.
        """
        assert self._context is not None  # noqa: S101 - open() has made it
        family = self._context.family
        try:
            if not self._stopping:
                self._serving = True
                for life in self.sockets.values():
                    life.listen()
                self._look()
                await self._over.wait()
        finally:
            self.take_over()
            for service in [*self.services.values()]:
                service.abandon()
            self.close()
            # KillMode=process leaves processes to a system that goes on, but this one ends.
            while family.signal(signal.SIGKILL):
                time.sleep(_POLL)  # noqa: ASYNC251 - the loop has nothing left to do
        self._emit(Event("stopped"))
        return self._stopping

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
        for service in [*self.services.values()]:
            if again:
                service.kill()
            elif service.unit.name in self._linked:
                self._all_jobs.stop(service.unit.name)
            else:
                service.stop()
        self._look()

    def close(self) -> None:
        """Close what is open and remove its files; processes are not touched."""
        for life in self.sockets.values():
            life.close()
        if self._notify is not None:
            asyncio.get_running_loop().remove_reader(self._notify)
            self._notify.close()
            self._notify = None
        if self._context is not None:
            self._context.close()

    def start_unit(self, name: str) -> None:
        """Start a service, and first what it requires."""
        self._all_jobs.start(name)

    def stop_unit(self, name: str) -> None:
        """Stop a service, or a socket unit, and what requires it."""
        if name in self.sockets:
            self.sockets[name].stop()
        elif name in self._linked:
            self._all_jobs.stop(name)
        else:
            self.services[name].stop()

    def restart_unit(self, name: str) -> None:
        """Stop a service and start it again."""
        self._all_jobs.restart(name)

    def starters(self, name: str) -> Iterator[str]:
        """Yield the open sockets whose clients start a service."""
        for life in self.sockets.values():
            if life.unit.service == name and not life.unit.accept and life.state not in OVER:
                yield life.unit.name

    def waits(self, name: str) -> bool:
        """Tell whether a service is being started, stopped or restarted."""
        return self._all_jobs.waits(name)

    # --- inside ------------------------------------------------------------------------

    @property
    def _all_jobs(self) -> Jobs:
        """Return the jobs, which exist once everything is open."""
        assert self._jobs is not None  # noqa: S101 - open() has made it
        return self._jobs

    def _prepare(self) -> None:
        """Make the services and the sockets' lives; nothing is open or started yet."""
        context = self._context = Context(
            self._emit, Family(), self._changed, extra=self._environment, intake=self.intake
        )
        self._jobs = Jobs(self._linked, self._on_dependency)
        context.told = self._followers.told
        if self._plan.notifies:
            self._listen_for_messages(context)
        for name, unit in self._plan.services.items():
            service = Service(unit, context, partial(self._passed, name))
            self.services[name] = self._linked[name] = service
        for socket in self._plan.sockets:
            self.sockets[socket.name] = self._life(socket, context)

    def _listen_for_messages(self, context: Context) -> None:
        """Make the socket behind NOTIFY_SOCKET, once."""
        if self._notify is None:
            self._notify = NotifySocket(self._on_message)
            context.notify_path = self._notify.path
            asyncio.get_running_loop().add_reader(self._notify, self._notify.receive)

    def _life(self, unit: SocketUnit, context: Context) -> SocketLife:
        """Make the life of a socket unit, by its mode."""
        common = (unit, context, self._runtime, self._on_over)
        if unit.accept:
            template = self._plan.templates[unit.service]
            return PerConnectionSocket(
                *common, template=template, activate=self._add, adopt=self._adopt
            )
        service = self.services[unit.service]
        return SharedSocket(*common, service=service, activate=self.start_unit)

    def _passed(self, name: str) -> list[Passed]:
        """Return the descriptors of all sockets of a service, in the units' order."""
        more = self._plan.services[name].sockets
        return [
            passed
            for life in self.sockets.values()
            if not life.unit.accept and (life.unit.service == name or life.unit.name in more)
            for passed in life.passed()
        ]

    def _add(self, service: Service) -> None:
        """Start an instance, which is gone when it ends."""
        name = service.unit.name
        self.services[name] = service
        relations = service.unit.relations
        pulled = (*relations.requires, *relations.wants, *relations.upholds)
        if any(other in self._linked for other in pulled):
            self._linked[name] = service
            self._all_jobs.start(name)
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

    def _changed(self, service: ServiceBase, before: State) -> None:
        """Take note that a service is in another state."""
        name = service.unit.name
        if name in self._linked:
            self._all_jobs.changed(service, before)
        if name in self._plan.services:
            asyncio.get_running_loop().call_soon(self._tell_sockets, name)
        self._followers.changed(service, before)
        if name not in self._plan.services and service.state in GONE:
            self._linked.pop(name, None)
            self.services.pop(name, None)
            for life in self.lives:
                if isinstance(life, PerConnectionSocket):
                    life.gone(service)
        if service.state in GONE:
            self._look()

    def _tell_sockets(self, name: str) -> None:
        """Let the sockets of a service see in which state it is now."""
        waits = self._all_jobs.waits(name)
        for life in self.lives:
            if isinstance(life, SharedSocket) and life.unit.service == name:
                life.service_changed(waits=waits)

    def _on_dependency(self, service: Service, failed: str) -> None:
        """Tell that a service was not started for the sake of another unit."""
        what = f"not started: it requires {failed}, which has not started (dependency)"
        self._emit(Event("failed", service.unit.name, f"{what}; see why"))
        self._tell_sockets(service.unit.name)

    def _on_over(self, life: SocketLife) -> None:
        """Take note that a socket unit listens no more."""
        self._followers.socket_ended(life.unit, life.result)
        self._look()

    def _follow(self, name: str) -> None:
        """Start what follows a unit that has ended, unless all is to end."""
        if self._serving and not self._stopping:
            self._all_jobs.start(name)

    def _look(self) -> None:
        """See whether anything is left."""
        sockets = any(life.state not in OVER for life in self.lives)
        services = any(service.state not in GONE for service in self.services.values())
        services |= any(life.busy for life in self.lives)
        left = sockets or services or (self.stays and not self._stopping)
        if self._serving and not left:
            self._over.set()

    def _on_message(self, message: Message) -> None:
        """Give a notification to the service whose process has sent it."""
        assert self._context is not None  # noqa: S101 - open() has made it
        self._context.descriptors.look(max(message.descriptors, default=0))
        service = self._owner(message.sender)
        if service is not None:
            messages.take(service, message)

    def _owner(self, pid: int) -> Service | None:
        """Return the service that a process belongs to, None if it has gone or is no one's."""
        assert self._context is not None  # noqa: S101 - open() has made it
        try:
            session = os.getsid(pid)
        except ProcessLookupError:
            return None
        live = [service for service in self.services.values() if service.state not in GONE]
        for service in live:
            if session in service.processes.sessions:
                return service
        invocation = self._context.family.invocation_of(pid)
        return next((each for each in live if each.processes.invocation == invocation), None)

    def _refuse_twice(self, unit: SocketUnit, listen: Listen) -> None:
        """Refuse an address that another line of this run has, rather than blame a stranger."""
        if listen.address.kind in _SHARED_KINDS:
            return
        for other_unit, other in self._opened:
            reuse = "ReusePort" in unit.options.values and "ReusePort" in other_unit.options.values
            same = listen.address.resolved() == other.address.resolved()
            if same and not (reuse and listen.address.is_ip):
                raise ActivatorError(
                    f"{listen.address.human()} is the same address as in {other.place}",
                    f"change {listen.address.directive}=",
                    place=listen.place,
                )
        self._opened.append((unit, listen))
