"""What socket units have to do with services, beside starting their own.

What a socket requires, wants or is bound to starts once it is open, as all sockets are. It is
closed when what it is bound to has gone, when what it requires or is part of is stopped, by hand
or for a conflict, and when something starts that it conflicts with.

Source: systemd.unit(5).
"""

from collections.abc import Callable, Iterable

from activator.local.events import Event
from activator.local.relations import PULLED, STOPPED_WITH, Relations
from activator.local.services.service import Service
from activator.local.services.states import ROWS, State
from activator.local.sockets.life import OVER, SocketLife

_UP = ("active", "reloading", "activating")


class Bonds:
    """The relations of the socket units of one run.

    Args:
        emit: Gets the events.
        services: What the services have to do with others.
    """

    def __init__(self, emit: Callable[[Event], None], services: Relations) -> None:
        self._emit = emit
        self._services = services
        self._relations = Relations()
        self._lives: dict[str, SocketLife] = {}

    def learn(self, lives: Iterable[SocketLife]) -> None:
        """Know the sockets that are there now, in place of all others."""
        self._relations = Relations()
        self._lives = {life.unit.name: life for life in lives}
        for name, life in self._lives.items():
            self._relations.set(name, life.unit.relations)

    def pulled(self, names: Iterable[str]) -> list[str]:
        """Return what is to be started for the sake of those of some sockets that are open."""
        return [
            other
            for name in names
            if self._lives[name].state not in OVER
            for other in self._relations.named(name, *PULLED)
        ]

    def need(self, name: str) -> bool:
        """Tell whether an open socket requires or wants a service."""
        naming = self._relations.naming(name, *PULLED)
        return any(self._lives[each].state not in OVER for each in naming)

    def changed(self, service: Service, before: State) -> None:
        """Take note that a service is in another state."""
        name = service.unit.name
        was, is_up = ROWS[before].activity in _UP, service.activity in _UP
        if was and not is_up:
            self._close(self._relations.naming(name, "binds_to"), f"is bound to {name}, which ends")
        elif is_up and not was:
            others = (*self._relations.naming(name, "conflicts"), *service.unit.relations.conflicts)
            self._close(others, f"conflicts with {name}, which starts")

    def stop_with(self, *names: str) -> list[str]:
        """Close the sockets that are stopped with some units.

        Returns:
            The units, and all that is stopped with them: what requires one or is part of it, what
            requires that, and so on.
        """
        found = dict.fromkeys(names)
        left = [*found]
        for each in left:
            sockets = self._relations.naming(each, *STOPPED_WITH)
            fresh = [other for other in sockets if other not in found]
            self._close(fresh, f"requires {each} or is part of it, which is stopped")
            others = (*fresh, *self._services.naming(each, *STOPPED_WITH))
            left += [other for other in others if other not in found]
            found |= dict.fromkeys(others)
        return [*found]

    def _close(self, names: Iterable[str], why: str) -> None:
        for name in dict.fromkeys(names):
            life = self._lives.get(name)
            if life is not None and life.state not in OVER:
                life.stop()
                self._emit(Event("note", name, f"closed: it {why}"))
