"""Look up the keys of a spec that are no directives: what they say, and what may stand there."""

from typing import Any

from activator.generate import hardening
from activator.generate.specfile.intents import Intent, intents

# A type → its values, in words.
TYPES = {
    "string": "a string",
    "path": "an absolute path",
    "command": "a string in systemd's syntax, or a list of literal arguments",
    "handler": "`MODULE:NAME`, or a table from fdname to it",
    "number": "a number",
    "count": "a whole number",
    "boolean": "true or false",
    "proxies": "true, false or a list",
    "timespan": 'a time span, as `90`, `"5min"` or `"infinity"`',
    "endpoint": "a path, or a port with or without an address",
    "list": "a list of strings",
    "version": "a number or a name",
    "table": "a table",
}


def facts(name: str) -> dict[str, Any] | None:
    """Return all that is known about a key, as plain values; None if there is no such key."""
    key = intents().get(name)
    if key is None:
        return None
    return {
        "name": name,
        "kind": "key of a spec",
        "summary": key.summary,
        "values": ", ".join(key.values) or TYPES[key.type].replace("`", ""),
        "words": list(key.values),
        "entries": _entries(name),
        "required": key.required,
        "default": key.default,
        "modes": modes(key),
        "manual": "activator-needs(7)" if _entries(name) else "activator.toml(5)",
    }


def modes(key: Intent) -> str:
    """Return where a key may stand, in words; empty for everywhere."""
    words = " or ".join(f"mode {mode}" for mode in key.modes)
    return f"{words}, or with handler, asgi or wsgi" if key.handler else words


def _entries(name: str) -> dict[str, str]:
    """Return what may stand for a key, with what it means."""
    if name == "needs":
        return {form: need.summary for form, need in hardening.needs().items()}
    if name == "hardening":
        return {form: profile.summary for form, profile in hardening.profiles().items()}
    return {}
