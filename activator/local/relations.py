"""Which units name which: the relations of one run, looked up from either side at once.

Every question is answered without a look at all units, of which there may be ten thousand.
"""

from activator.local.units.service_model import Relations as Named

_EMPTY: dict[str, None] = {}
# systemd.unit(5): what is stopped with a unit, and what a unit pulls in.
STOPPED_WITH = ("requires", "part_of")
PULLED = ("requires", "wants", "upholds")
FOLLOWED = ("on_failure", "on_success")
_KINDS = (*PULLED, *FOLLOWED, "part_of", "binds_to", "after", "before", "conflicts")


class Relations:
    """What the loaded services say of others, by who says it and by whom they name.

    Attributes:
        unneeded: The services with StopWhenUnneeded=.
    """

    def __init__(self) -> None:
        self.unneeded: set[str] = set()
        self._of: dict[str, Named] = {}
        # Kind → the unit that is named → who names it, in order.
        self._naming: dict[str, dict[str, dict[str, None]]] = {kind: {} for kind in _KINDS}

    def set(self, name: str, relations: Named) -> None:
        """Know the relations of a service, in place of those that it had."""
        if self._of.get(name) is relations:
            return
        self.remove(name)
        self._of[name] = relations
        for kind in _KINDS:
            for other in getattr(relations, kind):
                self._naming[kind].setdefault(other, {})[name] = None
        if relations.stop_when_unneeded:
            self.unneeded.add(name)

    def remove(self, name: str) -> None:
        """Forget a service."""
        relations = self._of.pop(name, None)
        self.unneeded.discard(name)
        if relations is None:
            return
        for kind in _KINDS:
            for other in dict.fromkeys(getattr(relations, kind)):
                naming = self._naming[kind][other]
                del naming[name]
                if not naming:
                    del self._naming[kind][other]

    def naming(self, name: str, *kinds: str) -> dict[str, None]:
        """Return the services that name a unit in one of some relations."""
        if len(kinds) == 1:
            return self._naming[kinds[0]].get(name, _EMPTY)
        return {each: None for kind in kinds for each in self._naming[kind].get(name, ())}

    def named(self, name: str, *kinds: str) -> list[str]:
        """Return the units that a service names in some relations."""
        relations = self._of[name]
        return [each for kind in kinds for each in getattr(relations, kind)]
