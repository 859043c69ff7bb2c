"""What is set for a service: a value for each of the options, and what the service adds itself."""

from activator.runtime.options import parse
from activator.runtime.serving.options import BY_NAME, OPTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, NoReturn, Self

    # The exit status, and whether all handlers ended within the time they had.
    Ending = tuple[int, bool]

BY_ATTRIBUTE = {option.attribute: option for option in OPTIONS}
OWN: "dict[str, Any]" = {
    # How many connections to accept from one listener before others have their turn.
    "batch": 64,
    # The descriptor that ties a worker to its parent (workers/lifeline.py); 0 if this is none.
    "lifeline": 0,
    # Tells the figures to whoever asks (metrics.Meter), if somebody is to.
    "meter": None,
    # The certificates, and the proxies that are trusted, if there are to be some.
    "tls": None,
    "trusted": None,
}
DEFAULTS = {**{name: option.default for name, option in BY_ATTRIBUTE.items()}, **OWN}


class Settings:
    """Everything in :data:`~activator.runtime.serving.options.OPTIONS`, and :data:`OWN`; immutable.

    Args:
        values: Those that differ from the defaults, by attribute: ``idle_exit=5.0``.

    Raises:
        UsageError: A value makes no sense.
    """

    __slots__ = tuple(DEFAULTS)

    def __init__(self, **values: "Any") -> None:
        for name, value in values.items():
            if name in BY_ATTRIBUTE:
                BY_ATTRIBUTE[name].check(value)
            elif name not in OWN:
                raise TypeError(f"there is no such setting: {name!r}")
        for name, value in (DEFAULTS | values).items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> "NoReturn":
        raise AttributeError(f"settings do not change: {name}={value!r}")

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def but(self, **values: "Any") -> "Self":
        """Return the same settings except for these."""
        return type(self)(**{name: getattr(self, name) for name in DEFAULTS} | values)


def parsed(words: "Sequence[str]") -> tuple[Settings, list[str]]:
    """Return what the words of a command line set, and its other words.

    Raises:
        UsageError: An option is unknown, lacks its value or has a wrong one.
    """
    values, others = parse(words, OPTIONS)
    return Settings(**{BY_NAME[name].attribute: value for name, value in values.items()}), others
