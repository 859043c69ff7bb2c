"""The keys of a spec that are not directives, from the table ``intents.tsv``."""

from functools import cache
from typing import Any, NamedTuple

from activator.common import tables
from activator.common.suggest import nearest
from activator.errors import ActivatorError

# The type's word in the table → what TOML gives.
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "path": (str,),
    "command": (str, list),
    "handler": (str, dict),
    "number": (int, float),
    "version": (int, str),
    "boolean": (bool,),
    "proxies": (bool, list),
    "count": (int,),
    "timespan": (str, int, float),
    "endpoint": (str, int),
    "list": (list,),
    "table": (dict,),
}
# The keys of what the runtime serves, in place of a program.
HANDLERS = ("handler", "asgi", "wsgi")
_WORDS: dict[type, str] = {
    str: "a string",
    list: "a list of strings",
    dict: "a table",
    int: "a number",
    float: "a number",
    bool: "true or false",
}


class Intent(NamedTuple):
    """One key.

    Attributes:
        type: A word of :data:`TYPES`.
        required: Whether a spec must have it.
        default: What holds without it, or None.
        values: All the values there are; empty if there are more than can be listed.
        modes: The only modes that it is for; empty for all.
        handler: Which handlers may have it in spite of that: empty for none, ``yes`` for those
            of shared sockets, ``any``.
        summary: What it says.
    """

    type: str
    required: bool
    default: Any
    values: tuple[str, ...]
    modes: tuple[str, ...]
    handler: str
    summary: str


@cache
def intents() -> dict[str, Intent]:
    """Return the table by key."""
    return {
        key: Intent(
            kind,
            required == "yes",
            _default(kind, default),
            tuple(values.split()),
            tuple(modes.split()),
            handler,
            summary,
        )
        for key, kind, required, default, values, modes, handler, summary in tables.rows(
            __file__, "intents.tsv"
        )
    }


@cache
def defaults() -> dict[str, Any]:
    """Return what holds for each key without it."""
    return {key: intent.default for key, intent in intents().items()}


def check(key: str, value: Any) -> None:
    """Check that a key exists and that its value has the right type.

    Raises:
        ActivatorError: It does not.
    """
    intent = intents().get(key)
    if intent is None:
        raise ActivatorError(f"unknown key {key!r}", _suggest(key))
    types = TYPES[intent.type]
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        words = " or ".join(dict.fromkeys(_WORDS[kind] for kind in types))
        raise ActivatorError(f"{key} is not {words}", f"give {words}")
    if intent.values and value not in intent.values:
        raise ActivatorError(f"{key} = {value!r} is unknown", f"give {' or '.join(intent.values)}")


def _default(kind: str, text: str) -> Any:
    """Return a default as TOML would give it."""
    if not text:
        return None
    if bool in TYPES[kind]:
        return text == "yes"
    return int(text) if text.isdecimal() else text


def _suggest(key: str) -> str:
    """Return a hint for an unknown key."""
    near = nearest(key, intents())
    if near:
        return f"did you mean {near!r}?"
    return "directives belong in [sockets.NAME], [service], [unit] or [install]"
