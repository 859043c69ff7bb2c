"""How a service ends: how long connections may take, and what balancers are told before."""

from collections.abc import Callable, Mapping
from typing import Any

from activator.common.url_path import is_url_path
from activator.generate.specfile import intents
from activator.generate.specfile.spec import Ending, Mode

# Seconds: the longest drain; a day.
DRAIN_MAX = 86_400
_APPLICATIONS = frozenset({"asgi", "wsgi"})


def read(
    tree: Mapping[str, Any],
    values: Mapping[str, Any],
    mode: Mode,
    problem: Callable[[tuple[str], str, str], None],
) -> Ending:
    """Return what the keys say, and report where they have no place.

    Args:
        tree: The spec as it is.
        values: The values of its own keys, of the right types, with defaults.
        mode: The mode of sockets that name none.
        problem: Called with the path of each mistake, with what it is and a hint.
    """
    if "websocket-drain" in tree and "asgi" not in tree:
        problem(("websocket-drain",), "websocket-drain is for asgi", "leave it out")
    stays = mode is not Mode.PROXY and any(name in tree for name in intents.HANDLERS)
    if "drain-delay" in tree and not (stays or values["isolation"] == "process"):
        what = "drain-delay is for what the runtime serves"
        problem(("drain-delay",), what, "leave it out; exec ends when it wants to")
    path = values["health"] or ""
    if "health" in tree and _APPLICATIONS.isdisjoint(tree):
        hint = "for a handler, serve activator.examples.agent:agent on a socket of its own"
        problem(("health",), "health is for asgi and wsgi", hint)
    elif "health" in tree and not is_url_path(path):
        hint = "write /health; nothing in it may be encoded"
        problem(("health",), f"health = {path!r} is not a path", hint)

    def seconds(key: str) -> float:
        value = values[key]
        if 0 <= value <= DRAIN_MAX:
            return float(value)
        problem((key,), f"{key} = {value} is out of range", f"give seconds, from 0 to {DRAIN_MAX}")
        return 0.0

    return Ending(seconds("drain"), seconds("drain-delay"), seconds("websocket-drain"), path)
