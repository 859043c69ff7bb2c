"""Write a spec that a playbook has as YAML in TOML, which activator reads."""

from __future__ import annotations

import json


def dumps(tree):
    """Return a mapping as TOML, a line for each key at its top.

    Raises:
        ValueError: TOML has no such value; the message names its key.
    """
    lines = [f"{_text(key)} = {_value(key, tree[key])}\n" for key in tree]
    return "".join(lines)


def _value(where, value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (list, tuple)):
        items = ", ".join(_value(where, one) for one in value)
        return f"[{items}]"
    if isinstance(value, dict):
        pairs = ", ".join(f"{_text(key)} = {_value(f'{where}.{key}', value[key])}" for key in value)
        return f"{{{pairs}}}"
    what = "nothing" if value is None else type(value).__name__
    msg = f"spec: {where} is {what}, which TOML has not: leave it out"
    raise ValueError(msg)


def _text(value):
    # JSON's strings are TOML's, but for this one character.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
