"""One step of an installation: what is done, to which units, and why."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Verb(StrEnum):
    """What a step does; all but the first two are systemctl's own words."""

    WRITE = "write"
    REMOVE = "remove"
    ENABLE = "enable"
    REENABLE = "reenable"
    DISABLE = "disable"
    RELOAD = "daemon-reload"
    RESET_FAILED = "reset-failed"
    START = "start"
    STOP = "stop"
    RESTART = "restart"
    TRY_RESTART = "try-restart"
    TRY_RELOAD = "try-reload-or-restart"


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes:
        verb: What is done.
        names: The units, or the one file's path.
        why: A few words; may be empty.
        back: Whether it takes back what was done before.
    """

    verb: Verb
    names: tuple[str, ...] = ()
    why: str = ""
    back: bool = False

    def __str__(self) -> str:
        text = " ".join([*(["roll back:"] if self.back else []), self.verb, *self.names])
        return f"{text}: {self.why}" if self.why else text

    def describe(self) -> dict[str, Any]:
        """Return the step as plain values, for other programs."""
        plain = {"do": self.verb.value, "names": list(self.names), "why": self.why}
        return plain | ({"back": True} if self.back else {})
