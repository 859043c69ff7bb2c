"""The keys of a spec that are not directives, from the table ``intents.toml``."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from activator.errors import ActivatorError
from activator.suggest import nearest

# The type's word in the table → what TOML gives.
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "path": (str,),
    "command": (str, list),
    "handler": (str, dict),
    "number": (int, float),
    "version": (int, str),
    "boolean": (bool,),
    "count": (int,),
    "timespan": (str, int, float),
    "endpoint": (str, int),
    "list": (list,),
    "table": (dict,),
}
_WORDS: dict[type, str] = {
    str: "a string",
    list: "a list of strings",
    dict: "a table",
    int: "a number",
    float: "a number",
    bool: "true or false",
}


@cache
def intents() -> dict[str, dict[str, Any]]:
    """Return the table: key → its type, summary, default and whether it is required."""
    return tomllib.loads((Path(__file__).parent / "intents.toml").read_text())


def check(key: str, value: Any) -> None:
    """Check that a key exists and that its value has the right type.

    Raises:
        ActivatorError: It does not.
    """
    intent = intents().get(key)
    if intent is None:
        raise ActivatorError(f"unknown key {key!r}", _suggest(key))
    types = TYPES[intent["type"]]
    if not isinstance(value, types) or isinstance(value, bool) is not (types == (bool,)):
        words = " or ".join(dict.fromkeys(_WORDS[kind] for kind in types))
        raise ActivatorError(f"{key} is not {words}", f"give {words}")
    values = intent.get("values")
    if values and value not in values:
        raise ActivatorError(f"{key} = {value!r} is unknown", f"give {' or '.join(values)}")


def _suggest(key: str) -> str:
    """Return a hint for an unknown key."""
    near = nearest(key, intents())
    if near:
        return f"did you mean {near!r}?"
    return "directives belong into [sockets.NAME], [service], [unit] or [install]"
