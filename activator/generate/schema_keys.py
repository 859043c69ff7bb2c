"""The spec's own keys in its JSON Schema: what may stand in each, and what else it asks for."""

import re
from typing import Any

from activator.common import fdname
from activator.generate import hardening
from activator.generate.specfile import names
from activator.generate.specfile.ending import DRAIN_MAX
from activator.generate.specfile.intents import HANDLERS, TYPES, Intent
from activator.generate.specfile.spec import Mode
from activator.unitfile import directives, forms, quadlet
from activator.unitfile.quadlet import values
from activator.unitfile.quadlet.versions import written

Node = dict[str, Any]

# A value of one line: no line break or NUL, and no backslash that would join the next line.
LINE = r"^\s*(?:[^\\\n\r\x00]|\\[^\n\r\x00])*\s*$"
_TEXT = {"type": "string", "pattern": LINE}
_LITERAL = {
    "type": "object",
    "properties": {"literal": {"type": ["string", "array"]}},
    "required": ["literal"],
    "additionalProperties": False,
}
_HANDLER = {"type": "string", "pattern": f"^{names.HANDLER}$"}
NO_IMAGE: Node = {"not": {"required": ["image"]}}
HANDLED: Node = {"anyOf": [{"required": [key]} for key in HANDLERS]}
_JSON: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
}
# A type of the spec's own keys → its values, where they are narrower than TOML's types.
_TYPES: dict[str, Node] = {
    "string": _TEXT,
    "path": {"type": "string", "pattern": r"^/[^\x00]*$"},
    "command": {
        "anyOf": [
            {**_TEXT, "minLength": 1},
            {"type": "array", "items": {"type": "string"}, "minItems": 1},
        ]
    },
    "handler": {
        "anyOf": [
            _HANDLER,
            {"type": "object", "additionalProperties": _HANDLER, "minProperties": 1},
        ]
    },
    "count": {"type": "integer", "minimum": 1},
    "proxies": {"anyOf": [{"type": "boolean"}, {"type": "array", "items": _TEXT, "minItems": 1}]},
    "list": {"type": "array", "items": _TEXT},
    "timespan": {
        "anyOf": [
            {"type": "number", "minimum": 0},
            {"type": "string", "pattern": rf"^\s*(?:{forms.pattern('timespan')})\s*$"},
        ]
    },
    "endpoint": {
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": 65535},
            {
                "type": "string",
                "pattern": r"^\s*(?:/[^\n\r\x00]*|(?:[0-9.]+:|\[[0-9A-Fa-f:.]+\]:)?[0-9]+)\s*$",
            },
        ]
    },
    "version": {
        "anyOf": [
            {"type": "integer", "minimum": directives.OLDEST},
            {"enum": [*directives.SUITES, "installed"]},
            {"type": "string", "pattern": "^[0-9]+$"},
        ]
    },
}
# Keys whose values are narrower than their type.
_KEYS: dict[str, Node] = {
    "name": {
        "type": "string",
        "pattern": f"^{names.NAME}$",
        "not": {"pattern": r"^\."},
        "maxLength": names.NAME_MAX,
    },
    "tls": {
        "type": "object",
        "properties": {
            name: {"type": "string", "pattern": r"^/[^\n\r\x00]*$"} for name in ("cert", "key")
        },
        "required": ["cert"],
        "additionalProperties": False,
    },
    "drain": {"type": "number", "minimum": 0, "maximum": DRAIN_MAX},
    "drain-delay": {"type": "number", "minimum": 0, "maximum": DRAIN_MAX},
    "health": {"type": "string", "pattern": r'^/[!-"$&->@-~]*$'},
    "websocket-drain": {"type": "number", "minimum": 0, "maximum": DRAIN_MAX},
    "environment": {
        "type": "object",
        "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
        "additionalProperties": {"type": "string"},
    },
}
SOCKETS: Node = {
    "type": "object",
    "minProperties": 1,
    "propertyNames": {
        "pattern": f"^{fdname.PATTERN}$",
        "not": {"pattern": r"^\s|\s$"},
        "maxLength": fdname.LONGEST,
    },
}


def key_value(key: str, row: Intent) -> Node:
    """Return the schema of the value of a key that has no table of directives."""
    if key == "needs":
        return {"type": "array", "items": _need(), "uniqueItems": True}
    plain = {"type": [_JSON[kind] for kind in TYPES[row.type]]}
    return _KEYS.get(key) or _TYPES.get(row.type, plain)


def only_with(row: Intent) -> Node:
    """Return what else must be in a spec that has a key for some modes only."""
    node: Node = {"required": ["mode"], "properties": {"mode": {"enum": list(row.modes)}}}
    if not row.handler:
        return node
    if row.handler == "any":
        warm = {"required": ["isolation"], "properties": {"isolation": {"const": "process"}}}
        return {"anyOf": [node, HANDLED, warm]}
    per_connection = {"properties": {"mode": {"const": Mode.PER_CONNECTION.value}}}
    handler = {
        **HANDLED,
        "not": {"required": ["mode"], **per_connection},
        "properties": {"idle-exit": {"not": {"const": 0}}},
    }
    return {"anyOf": [node, handler]}


def quadlet_value(key: quadlet.Key) -> Node:
    """Return the schema of one key of a container."""
    form = values.forms()[key.type]
    since = f"Values: {form.words}\n\nSince: podman {written(key.since)}"
    plain: Node = {"anyOf": [_TEXT, {"type": ["boolean", "number"]}, _LITERAL]}
    listed = [{"type": "array", "items": plain}] if key.repeat != "single" else []
    return {"description": since, "anyOf": [plain, *listed]}


def _need() -> Node:
    """Return the schema of one item of ``needs``."""
    bare = {form: need.summary for form, need in hardening.needs().items() if not need.placeholder}
    heads = dict.fromkeys(need.name for need in hardening.needs().values() if need.placeholder)
    pattern = "|".join(escaped(head) for head in heads)
    words = {"enum": list(bare), "x-taplo": {"docs": {"enumValues": list(bare.values())}}}
    return {"anyOf": [words, {"type": "string", "pattern": f"^(?:{pattern}):."}]}


def escaped(text: str) -> str:
    """Return a pattern for a text; unlike re.escape(), with no more than ECMA-262 allows."""
    return re.sub(r"([\\^$.*+?()\[\]{}|/])", r"\\\1", text)
