"""The addresses that this run has opened, none of them twice."""

from collections.abc import Iterable

from activator.errors import ActivatorError
from activator.local.units.models import Listen, SocketUnit

# What may be opened by several at once.
_SHARED_KINDS = ("netlink", "special", "mqueue")


class Taken:
    """Remember who has opened what, so that nobody else is blamed for it.

    Args:
        opened: What is open already.
    """

    def __init__(self, opened: Iterable[tuple[SocketUnit, Listen]] = ()) -> None:
        self._opened = [*opened]

    def take(self, unit: SocketUnit, listen: Listen) -> None:
        """Take note of an address that is opened now.

        Raises:
            ActivatorError: Another line of this run has the same.
        """
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
