"""What needs are to a service in a container: keys of its [Container] section."""

from functools import cache

from activator.common import tables
from activator.errors import ActivatorError
from activator.generate import hardening


@cache
def _table() -> dict[str, tuple[str, str]]:
    """Return the key and the value of each need; the key is empty for what is left out."""
    return {need: (key, value) for need, key, value in tables.rows(__file__, "containers.tsv")}


def key_of(text: str) -> tuple[str, str]:
    """Return the key of [Container] and its value that give a need, both empty for the network.

    Raises:
        ActivatorError: A container has no such key, or there is no such need.
    """
    need, argument = hardening.find(text)
    if need.form not in _table():
        hint = f"a container's needs are {', '.join(_table())}; [container] takes all else"
        raise ActivatorError(f"the need {text!r} means nothing to a container", hint)
    key, template = _table()[need.form]
    # Quadlet puts the value into a command line of systemd's.
    literal = argument.replace("%", "%%").replace("$", "$$")
    return key, template.format(argument=literal)
