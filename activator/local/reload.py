"""Take up changed units while everything runs, and tell others when units have got somewhere.

What a reload does to each unit:

=====================  ====================================================================
a socket is unchanged  it stays open, with all that is queued, whatever its service is now
its settings changed   likewise; options, backlog, mode, owner, symlinks are set on what is open
its addresses, Accept= its service ends, if it runs; addresses that stay are handed over as they
or Service= changed    are, with all who wait; new ones are opened, and others closed
a socket is new        it is opened, and what it requires or wants is started
a socket is gone       it is closed, its files are removed, its service ends; with Accept=yes
                       whoever waits is served first
a service has changed  it runs on as it is; the next start is that of the new unit
=====================  ====================================================================

All new addresses are opened before anything is closed. When one cannot be opened everything
stays as it was. Where text stands in its file is no change.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import cached_property

from activator.errors import ActivatorError, combine
from activator.local.services.service import Service
from activator.local.services.states import GONE, State
from activator.local.sockets.life import OVER, SocketLife
from activator.local.sockets.node import owner_of
from activator.local.sockets.per_connection import PerConnectionSocket
from activator.local.sockets.renewing import Handed, fixed
from activator.local.sockets.shared import SharedSocket
from activator.local.sockets.taken import Taken
from activator.local.supervisor import Supervisor
from activator.local.units.models import Listen, Plan, SocketUnit, same
from activator.unitfile.address import Address


class LiveSupervisor(Supervisor):
    """A supervisor whose plan can be replaced while it runs, and whose units others wait for."""

    _news = cached_property(lambda _: asyncio.Event())
    _reloading = cached_property(lambda _: asyncio.Lock())

    async def open(self) -> None:
        """Open all sockets of all units; see :meth:`Supervisor.open`."""
        async with self._reloading:
            await super().open()

    @property
    def idle(self) -> bool:
        """Tell whether no process runs, or is about to."""
        busy = any(life.busy for life in self.lives)
        return not busy and not self._live

    def hold(self, name: str) -> None:
        """Keep a service down: whoever comes waits until :meth:`let_go`."""
        for life in self._starting.get(name, ()):
            if isinstance(life, SharedSocket):
                life.held = True
                life.unwatch()
        if name in self.services:
            self._jobs.stop(name)

    def let_go(self) -> None:
        """Start again the services that were kept down."""
        held = [each for each in self.lives if isinstance(each, SharedSocket) and each.held]
        for life in held:
            life.held = False
        self._jobs.start(*{life.unit.service: None for life in held})

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds, which is looked at when a unit has changed."""
        while not condition():
            self._news.clear()
            await self._news.wait()

    async def reload(self, plan: Plan) -> list[str]:
        """Replace the plan.

        Args:
            plan: The units as they are now.

        Returns:
            What has changed, a few words a unit; nothing if nothing has.

        Raises:
            ActivatorError: A socket cannot be opened; then all is as it was, but that the
                services of those that changed may have ended.
        """
        async with self._reloading:
            old = {unit.name: unit for unit in self._plan.sockets}
            new = {unit.name: unit for unit in plan.sockets}
            kept = {name for name in new if self._keeps(name, old, new)}
            for name in kept:
                self._check_owner(new[name])
            before, self._plan = self._plan, plan
            added = self._add_services(plan)
            try:
                fresh = await self._replace(before, old, new, kept)
            except BaseException:
                self._plan = before
                for name in added:
                    self._forget(name)
                raise
            self.sockets = {name: fresh.get(name) or self.sockets[name] for name in new}
            self._group()
            told = [f"{name} closed" for name in old if name not in new]
            told += [f"{name} {'made anew' if name in old else 'opened'}" for name in fresh]
            for name, unit in new.items():
                if name in kept and not same(old[name], unit):
                    self.sockets[name].become(unit)
                    told.append(f"{name} changed")
            self.bonds.learn(self.sockets.values())
            told += self._renew(before, plan)
            self._watch_paths()
            for life in fresh.values():
                life.announce()
                life.listen()
            self._jobs.start(*self.bonds.pulled(fresh))
            for name in old.keys() - new.keys():
                self._jobs.closed(name, old[name].relations)
            return told

    # --- inside ------------------------------------------------------------------------

    def _keeps(self, name: str, old: dict[str, SocketUnit], new: dict[str, SocketUnit]) -> bool:
        """Tell whether a socket stays open, whatever else of it has changed."""
        if name not in old or self.sockets[name].state in OVER:
            return False
        one, other = old[name], new[name]
        if (one.accept, one.service) != (other.accept, other.service):
            return False
        fixings = [[fixed(unit, listen) for listen in unit.listens] for unit in (one, other)]
        return fixings[0] == fixings[1]

    def _check_owner(self, unit: SocketUnit) -> None:
        """Raise if there is no such user or group as a unit names."""
        try:
            owner_of(unit.node)
        except ActivatorError as error:
            raise error.at(unit.place)  # noqa: B904 - the same error, with its place

    async def _replace(
        self, before: Plan, old: dict[str, SocketUnit], new: dict[str, SocketUnit], kept: set[str]
    ) -> dict[str, SocketLife]:
        """Open what is new, then close what has gone; on an error put back what was there."""
        leaving = {name: self.sockets[name] for name in old if name not in kept}
        taken = [each.address for life in leaving.values() for each in life.listeners]
        self._taken = Taken((old[name], each) for name in kept for each in old[name].listens)
        lives = {name: self._life(unit) for name, unit in new.items() if name not in kept}
        later = [name for name in lives if _overlaps(new[name].listens, taken)]
        handed = Handed()
        handed.want(new[name] for name in lives)
        try:
            await self._start(lives, [name for name in lives if name not in later], handed)
            await self._end_services([*leaving.values()], [*lives.values()])
            for name, life in leaving.items():
                life.hand_over(handed)
                if isinstance(life, PerConnectionSocket):
                    life.finish()
                life.stop()
                await self.until(lambda life=life: life.state in OVER)  # type: ignore[misc]
                self._retired.append(self.sockets.pop(name))
                self._group()
            await self._start(lives, later, handed)
        except ActivatorError:
            for life in lives.values():
                life.hand_over(handed)
                life.close()
            self._plan = before
            handed.want(old[name] for name in leaving)
            await self._put_back(
                old, [name for name in leaving if name not in self.sockets], handed
            )
            raise
        finally:
            handed.close()
        return lives

    async def _start(
        self, lives: dict[str, SocketLife], names: Iterable[str], handed: Handed
    ) -> None:
        """Open the sockets of some units.

        Raises:
            ActivatorError: One cannot be opened.
        """
        problems: list[ActivatorError] = []
        for name in names:
            problems += await lives[name].start(self._taken.take, handed)
        if problems:
            raise combine(problems)

    async def _put_back(self, old: dict[str, SocketUnit], names: list[str], handed: Handed) -> None:
        """Open sockets again that were closed for others that could not be opened."""
        for name in names:
            life = self._life(old[name])
            if not await life.start(lambda _, __: None, handed):
                life.announce()
                life.listen()
            self.sockets[name] = life
        self._group()

    async def _end_services(self, leaving: list[SocketLife], coming: list[SocketLife]) -> None:
        """End the services whose descriptors change; the next client starts them again."""
        names = {life.unit.service for life in (*leaving, *coming) if not life.unit.accept}
        running = [name for name in names if self._runs(name)]
        self._jobs.stop(*running)  # sockets that require one stay open
        await self.until(lambda: not any(map(self._runs, running)))

    def _runs(self, name: str) -> bool:
        """Tell whether a service is there and has not gone."""
        return name in self.services and self.services[name].state not in GONE

    def _renew(self, before: Plan, plan: Plan) -> list[str]:
        """Give the services and templates their new units; return what has changed."""
        told = []
        for name, unit in plan.services.items():
            if name in before.services and not same(before.services[name], unit):
                self.services[name].renew(unit)
                told.append(f"{name} changed")
        for name in before.services:
            if name not in plan.services and not self._runs(name):
                self._forget(name)
        for name, template in plan.templates.items():
            if name not in before.templates or same(before.templates[name].sample, template.sample):
                continue
            told.append(f"{name} changed")
            for life in self.sockets.values():
                if isinstance(life, PerConnectionSocket) and life.unit.service == name:
                    life.renew(template)
        return told

    def _changed(self, service: Service, before: State) -> None:
        """Take note that a service is in another state."""
        super()._changed(service, before)
        self._news.set()

    def _on_over(self, life: SocketLife) -> None:
        """Take note that a socket unit listens no more."""
        if not self._reloading.locked():
            super()._on_over(life)
        self._retired = [each for each in self._retired if each.busy]
        self._news.set()


def _overlaps(listens: tuple[Listen, ...], taken: list[Address]) -> bool:
    """Tell whether an address is, or may be, in use by one that is about to close."""
    ports = {address.port for address in taken if address.is_ip}
    for listen in listens:
        address = listen.address
        if (address.is_ip and address.port in ports) or address in taken:
            return True
        if not address.is_ip and any(address.path == other.path for other in taken):
            return True
    return False
