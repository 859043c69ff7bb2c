"""What all groups and processes of one run share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from activator.local.events import Event
from activator.local.family import Family


@dataclass
class Context:
    """What all groups and processes of one run share.

    Attributes:
        emit: Gets the events.
        family: Knows the processes below ours.
        notify_path: What NOTIFY_SOCKET is set to; empty while nobody needs it.
        extra: Environment variables for every service.
    """

    emit: Callable[[Event], None]
    family: Family
    notify_path: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
