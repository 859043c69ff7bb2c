"""What Quadlet and podman make of a key's value; whether an image or a path exists is not asked."""

import re
from functools import cache
from typing import NamedTuple

from activator.common import tables
from activator.errors import ActivatorError
from activator.unitfile.quadlet import Key
from activator.unitfile.quadlet.versions import Version

# The first podman that takes Notify=healthy; an older one takes it for false.
HEALTHY_SINCE: Version = (5, 0)
_TRUE = re.compile("1|yes|true|on", re.IGNORECASE)


class Form(NamedTuple):
    """What a value may be: a pattern, empty for any text, and the same in words."""

    pattern: str
    words: str


@cache
def forms() -> dict[str, Form]:
    """Return the table of forms by type."""
    return {kind: Form(*rest) for kind, *rest in tables.rows(__file__, "forms.tsv")}


def check(key: Key, value: str, version: Version) -> None:
    """Check a value, as it stands in the file.

    A specifier may stand for anything, so that a value with one is not looked at.

    Raises:
        ActivatorError: Quadlet or podman would not take it, or would take it for another.
    """
    form = forms()[key.type]
    if key.type == "notify" and value.lower() == "healthy" and version < HEALTHY_SINCE:
        what = f"podman {version[0]}.{version[1]} does not know {key.name}=healthy"
        raise ActivatorError(what, "it needs podman 5.0 or later")
    if not value or "%" in value or not form.pattern:
        return
    if not re.fullmatch(form.pattern, value, re.IGNORECASE | re.ASCII):
        raise ActivatorError(f"{key.name}={value} is not {form.words}", f"give {form.words}")


def is_true(value: str) -> bool:
    """Tell whether Quadlet takes a value for yes: all it does not know is no."""
    return bool(_TRUE.fullmatch(value))
