"""What a service's Result= means, by a table; the first row that holds counts."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from activator.common import tables


class Meaning(NamedTuple):
    """What a result means.

    Attributes:
        name: The finding.
        what: What happened, for ``NAME.service ...``.
        lines: The directives that it is about.
        cure: What to do by hand.
        settings: What a drop-in sets until then.
        ends: Whether the end of the process tells more of what is to be mended.
    """

    name: str
    what: str
    lines: tuple[str, ...]
    cure: str
    settings: dict[str, str]
    ends: bool


def meaning(result: str, kind: str, messages: Iterable[str]) -> Meaning | None:
    """Return what a result means; None for those that the end of the process explains.

    Args:
        result: Result= of the service.
        kind: Its Type=.
        messages: What the manager logged of it.
    """
    text = "\n".join(messages)
    for row in tables.rows(__file__, "results.tsv"):
        of, words, kinds, name, what, lines, cure, settings = row
        if of == result and re.search(words, text) and (not kinds or re.fullmatch(kinds, kind)):
            pairs = dict(part.split("=", 1) for part in settings.split())
            return Meaning(name, what, tuple(lines.split()), cure, pairs, not cure)
    return None
