"""What a unit says of its own name, when its name becomes another."""

import re

from activator.check.units import Unit
from activator.unitfile.directives import Directive
from activator.unitfile.parse import Entry

# Old forms of directives: what the catalogue says to write instead.
_USE = r"(\w+)=(?: in \[(\w+)\])?"


def unescaped(instance: str) -> str:
    r"""Return an instance's name as %I has it: dashes are slashes, and ``\xHH`` are bytes."""
    raw = instance.replace("-", "/").encode(errors="surrogateescape")
    return re.sub(rb"\\x([0-9a-fA-F]{2})", lambda m: bytes.fromhex(m[1].decode()), raw).decode(
        errors="replace"
    )


def settled(value: str, unit: Unit, new: str) -> str:
    """Return a value with the specifiers written out that depend on the unit's name.

    Args:
        value: As it stands in the unit.
        unit: The unit.
        new: The name that it will have; what has the same is left alone.
    """
    if unit.name == new or "%" not in value:
        return value
    known = {
        "n": unit.name,
        "N": unit.stem,
        "p": unit.prefix,
        "i": unit.instance,
        "I": unescaped(unit.instance),
    }
    if unit.is_template:  # instances are made of the new template as they were of the old
        del known["i"], known["I"], known["n"], known["N"]

    def written(match: re.Match[str]) -> str:
        text = known.get(match[1])
        return match[0] if text is None else text.replace("%", "%%")

    return re.sub(r"%(.)", written, value)


def canonical(entry: Entry, directive: Directive) -> tuple[str, str]:
    """Return the section and name of a line by which systemd knows it today."""
    match = re.fullmatch(_USE, directive.use) if directive.status == "legacy" else None
    return (match[2] or entry.section, match[1]) if match else (entry.section, entry.name)
