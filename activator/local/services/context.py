"""What all units of one run share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from activator.local.events import Event
from activator.local.services.descriptor_limit import DescriptorLimit
from activator.local.services.family import Family
from activator.local.services.output import Intake
from activator.local.services.spawners import Spawners
from activator.local.services.states import State


@dataclass
class Context:
    """What all units of one run share.

    Attributes:
        emit: Gets the events.
        family: Knows the processes below ours.
        changed: Called when a service has gone to another state, with the one before.
        notify_path: What NOTIFY_SOCKET is set to; empty while nobody needs it.
        told: Returns what the service of a name is told of another that it follows.
        extra: Environment variables for every service.
        intake: Reads what the processes write.
        descriptors: The limit of descriptors of this process.
    """

    emit: Callable[[Event], None]
    family: Family
    changed: Callable[[Any, State], None]  # the service, which itself knows this file
    notify_path: str = ""
    told: Callable[[str], Mapping[str, str]] = lambda _: {}
    extra: Mapping[str, str] = field(default_factory=dict)
    intake: Intake = field(default_factory=Intake)
    descriptors: DescriptorLimit = field(default_factory=DescriptorLimit)
    _spawners: Spawners | None = None

    @property
    def spawners(self) -> Spawners:
        """Return the threads that start processes; they are made when they are first needed."""
        if self._spawners is None:
            self._spawners = Spawners()
        return self._spawners

    def close(self) -> None:
        """End the threads, adopt no more processes, and have our own limits again."""
        if self._spawners is not None:
            self._spawners.close()
        self.descriptors.restore()
        self.family.close()
