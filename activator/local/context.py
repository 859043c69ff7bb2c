"""What all units of one run share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from activator.local.events import Event
from activator.local.services.family import Family
from activator.local.services.output import Intake

if TYPE_CHECKING:
    from activator.local.services.base import ServiceBase
    from activator.local.services.states import State


@dataclass
class Context:
    """What all units of one run share.

    Attributes:
        emit: Gets the events.
        family: Knows the processes below ours.
        changed: Called when a service has gone to another state, with the one before.
        notify_path: What NOTIFY_SOCKET is set to; empty while nobody needs it.
        extra: Environment variables for every service.
        intake: Reads what the processes write.
    """

    emit: Callable[[Event], None]
    family: Family
    changed: "Callable[[ServiceBase, State], None]"
    notify_path: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
    intake: Intake = field(default_factory=Intake)
