"""The spec's JSON Schema: what an editor needs to complete, explain and check one.

Made from the tables alone: the catalogue of directives with its value forms, the spec's own
keys (``intents.tsv``), and what the reader reserves. What ``activator gen`` takes fits the
schema, but for a few forms that are legal and pointless, see :func:`schema`; what does not fit
is wrong. Relations between values (a handler for every socket) are left to the reader.

Draft 2020-12, written so that editors with an older one get along: what describes a key
stands beside ``anyOf``, never beside ``$ref`` or ``allOf``.
"""

import json
import re
from typing import Any

from activator.generate.schema_keys import (
    HANDLED,
    LINE,
    NO_IMAGE,
    SOCKETS,
    Node,
    escaped,
    key_value,
    only_with,
    quadlet_value,
)
from activator.generate.specfile.container import RESERVED as CONTAINER_RESERVED
from activator.generate.specfile.intents import Intent, intents
from activator.generate.specfile.reader import RESERVED, SERVICE_TABLES, SOCKET_TABLES
from activator.generate.specfile.spec import Mode
from activator.unitfile import directives, forms, manual, quadlet
from activator.unitfile.directives import Directive
from activator.unitfile.values import judge_written
from activator.unitfile.values.numbers import BOOLEANS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Asked whether a directive takes TOML's numbers.
_INTEGERS = (-5, -1, 0, 1, 2, 3, 5, 15, 80, 132, 500, 1000, 65536)
_FLOATS = (0.5, 1.5)
# Repeats of these add up, so that a list makes sense.
_ADDING = ("lines", "words", "words-kept")
# {literal = ...} differs from a plain string where these undo something.
_QUOTED = ("words", "environment", "command")


def schema(version: int | None = None) -> Node:
    """Return the schema.

    Stricter than the reader: a list is for directives whose repeats add up, ``{literal =
    ...}`` for those where it differs from a string, and true and false stand for yes and no
    alone.

    Args:
        version: A systemd version whose directives and values it is limited to; without one
            it has those of every supported version.

    Returns:
        A tree of plain values, as :func:`json.dumps` takes.
    """
    return _Schema(version).root()


class _Schema:
    """Builds one schema, collecting the definitions that its parts share."""

    def __init__(self, version: int | None) -> None:
        self.version = version or directives.NEWEST
        self.versions = (version,) if version else directives.VERSIONS
        self.shared: Node = {}
        self._names: dict[str, str] = {}

    def root(self) -> Node:
        """Return the whole schema."""
        table = intents()
        properties = {key: self.intent(key, row) for key, row in table.items()}
        return {
            "$schema": DIALECT,
            "title": "activator spec",
            "description": "A service and its sockets, for activator gen.",
            "type": "object",
            "properties": properties,
            "required": [key for key, row in table.items() if row.required],
            "oneOf": [{"required": ["image"]}, {"required": ["exec"], **NO_IMAGE}, HANDLED],
            "dependentSchemas": {
                **{key: only_with(row) for key, row in table.items() if row.modes},
                **{key: {"required": ["image"]} for key in ("container", "podman")},
            },
            "if": {"required": ["mode"], "properties": {"mode": {"const": Mode.PROXY.value}}},
            "then": {
                "required": ["backend"],
                "not": HANDLED,
                "properties": {
                    "sockets": {"additionalProperties": {"not": {"required": ["mode"]}}}
                },
            },
            "additionalProperties": False,
            "$defs": self.shared,
        }

    # --- the spec's own keys -----------------------------------------------------------

    def intent(self, key: str, row: Intent) -> Node:
        """Return the schema of one of the spec's own keys."""
        node: Node = {"description": row.summary}
        if row.default is not None:
            node["default"] = row.default
        if row.values:
            return {**node, "enum": list(row.values)}
        return {**node, **self.intent_value(key, row)}

    def intent_value(self, key: str, row: Intent) -> Node:
        """Return the schema of a key's value."""
        if key in SERVICE_TABLES:
            return self.section(SERVICE_TABLES[key])
        if key == "container":
            return self.container()
        if key == "sockets":
            return {**SOCKETS, "additionalProperties": self.define("socket", self.socket())}
        return key_value(key, row)

    def container(self) -> Node:
        """Return the schema of the table of Quadlet's keys."""
        known = {name: quadlet.lookup("Container", name) for name in quadlet.names("Container")}
        properties = {
            name: self.define("quadlet-reserved", {"not": {}})
            if name in CONTAINER_RESERVED
            else quadlet_value(key)
            for name, key in known.items()
            if key
        }
        return {"type": "object", "properties": properties, "additionalProperties": False}

    # --- tables of directives ----------------------------------------------------------

    def socket(self) -> Node:
        """Return the schema of one [sockets.NAME] table."""
        section = self.section("Socket")
        own: Node = {"mode": self.intent("mode", intents()["mode"])}
        own["mode"].pop("default")
        # A proxy stands before all sockets of a spec, or before none.
        own["mode"]["enum"] = [word for word in own["mode"]["enum"] if word != Mode.PROXY.value]
        for key, name in SOCKET_TABLES.items():
            own[key] = {
                "description": f"Directives of the socket unit's [{name}] section.",
                **self.section(name),
            }
        listens = [key for key in section["properties"] if key.startswith("Listen")]
        return {
            **section,
            "properties": {**own, **section["properties"]},
            "anyOf": [{"required": [key]} for key in listens],
        }

    def section(self, section: str) -> Node:
        """Return the schema of a table that holds a section's directives."""
        known = (directives.lookup(section, name) for name in directives.names(section))
        return {
            "type": "object",
            "properties": {
                entry.name: self.directive(entry) for entry in known if entry and self.works(entry)
            },
            "additionalProperties": False,
        }

    def works(self, directive: Directive) -> bool:
        """Return whether some value of a directive has an effect."""
        examples = forms.form(directive, self.version).examples
        return any(self.takes(directive, example) for example in examples)

    def takes(self, directive: Directive, value: str) -> bool:
        """Return whether a value is right for one of the versions."""
        return any(judge_written(directive, value, version).accepted for version in self.versions)

    def directive(self, directive: Directive) -> Node:
        """Return the schema of one directive."""
        reserved = RESERVED.get((directive.section, directive.name))
        if reserved:
            words = f"Not set here: {reserved}."
            return {"not": {}, "description": words, "x-taplo": {"hidden": True}}
        form = forms.form(directive, self.version)
        value = self.value(directive, form)
        node: Node = {"description": describe(directive, form)}
        node["markdownDescription"] = describe(directive, form, markdown=True)
        if (default := self.default(directive, form)) is not None:
            node["default"] = default
        if directive.use or directive.status in ("legacy", "deprecated"):
            node["deprecated"] = True
        node["anyOf"] = [value]
        if directive.repeat in _ADDING:
            name = f"{value['$ref'].rpartition('/')[2]}-list"
            node["anyOf"].append(self.define(name, {"type": "array", "items": value}))
        if url := manual.place(directive):
            node["x-taplo"] = {"links": {"key": url}}
        # Most of what [Service] has, [Socket] has as well.
        if len(directives.homes(directive.name)) > 1:
            return self.define(directive.name, node)
        return node

    def default(self, directive: Directive, form: forms.Form) -> Any:
        """Return a directive's default as TOML writes it; None if there is no plain one."""
        text = directive.default
        if not re.fullmatch(r"[A-Za-z0-9%.+-]+", text) or not self.takes(directive, text):
            return None
        if form.booleans and text in ("yes", "no"):
            return text == "yes"
        return int(text) if form.low is not None and re.fullmatch("0|[1-9][0-9]*", text) else text

    # --- values ------------------------------------------------------------------------

    def value(self, directive: Directive, form: forms.Form) -> Node:
        """Return the schema of one value, a reference to a shared definition."""
        choices: list[Node] = []
        if form.booleans:
            choices += [{"type": "boolean"}, {"enum": ["yes", "no"]}]
        if form.words:
            choices.append({"enum": list(form.words)})
        choices += [
            {"const": word, "deprecated": True, "description": why}
            for word, why in form.obsolete.items()
        ]
        choices += self.numbers(directive, form)
        choices.append(self.text(directive, form))
        if directive.quoting in _QUOTED or directive.expanded:
            choices.append(self.literal(directive))
        return self.define(directive.type, {"anyOf": choices})

    def numbers(self, directive: Directive, form: forms.Form) -> list[Node]:
        """Return the schemas of TOML's numbers, where a value may be one."""
        # A mode is octal, and TOML's 0o660 would arrive as 432.
        if directive.type == "mode":
            return []
        limits = {"minimum": form.low, "maximum": form.high}
        known = {name: limit for name, limit in limits.items() if limit is not None}
        if known and any(self.takes(directive, str(number)) for number in _FLOATS):
            return [{"type": "number", **known}]
        if any(self.takes(directive, str(number)) for number in _INTEGERS):
            return [{"type": "integer", **known}]
        return []

    def text(self, directive: Directive, form: forms.Form) -> Node:
        """Return the schema of a value that is a string."""
        patterns = [form.pattern] if form.pattern else []
        if form.closed or patterns:
            patterns += [_folded(word) for word in BOOLEANS] if form.booleans else []
            patterns += [_folded(word) for word in form.words] if form.fold else []
            patterns += [escaped(word) for word in (*form.words, *form.obsolete)]
            patterns += [forms.INTEGER_PATTERN] if form.closed and form.low is not None else []
        elif form.booleans and not form.words:
            patterns = [_folded(word) for word in BOOLEANS]
        if not patterns:
            return {"type": "string", "pattern": LINE}
        empty = "?" if self.takes(directive, "") else ""
        pattern = rf"^\s*(?:{'|'.join(patterns)}){empty}\s*$"
        if directive.expanded:
            pattern += "|%"
        return {"type": "string", "pattern": pattern}

    def literal(self, directive: Directive) -> Node:
        """Return the schema of ``{literal = ...}``."""
        text = {"type": "string", "pattern": r"^[^\x00]*$"}
        lists = directive.quoting in _QUOTED
        words = {"type": "array", "items": text, **({"minItems": 1} if lists else {})}
        node = {
            "type": "object",
            "description": "Text that is quoted for the directive, whatever it holds.",
            "properties": {"literal": {"anyOf": [text, words] if lists else [text]}},
            "required": ["literal"],
            "additionalProperties": False,
        }
        return self.define("literal-list" if lists else "literal", node)

    def define(self, name: str, node: Node) -> Node:
        """Return a reference to a definition; equal ones are one."""
        text = json.dumps(node, sort_keys=True)
        if text not in self._names:
            slug = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")
            free = (
                f"{slug}-{number}" if number else slug for number in range(len(self.shared) + 1)
            )
            self._names[text] = next(word for word in free if word not in self.shared)
            self.shared[self._names[text]] = node
        return {"$ref": f"#/$defs/{self._names[text]}"}


def describe(directive: Directive, form: forms.Form, *, markdown: bool = False) -> str:
    """Return what a directive does, takes and is by default, in a few lines.

    Args:
        directive: The directive.
        form: Its form.
        markdown: Whether to write Markdown, with a link to the manual.
    """
    facts = {
        "Values": form.text,
        "Default": directive.default,
        "Use instead": directive.use,
        "Since": f"systemd {directive.first}" if directive.first > directives.OLDEST else "",
        "Ignored since": f"systemd {directive.until}" if directive.until else "",
        "Manual": directive.man,
    }
    if markdown and directive.man:
        facts["Manual"] = f"[{directive.man}]({manual.place(directive)})"
    head = f"{directive.summary.rstrip('.')}." if directive.summary else f"{directive.name}="
    mark = "- " if markdown else ""
    lines = [f"{mark}{what}: {said}" for what, said in facts.items() if said]
    return f"{head}\n\n" + "\n".join(lines)


def _folded(word: str) -> str:
    """Return a pattern for a word in upper and lower case."""
    return "".join(
        f"[{char.upper()}{char.lower()}]" if char.isalpha() else escaped(char) for char in word
    )
