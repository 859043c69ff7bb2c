"""What a program shows that a line of its sandbox stops, and the need that opens that: a table.

May be loaded within a service, once something has failed there: no typing.
"""

import os
import re

from activator.common import tables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_PATH = re.compile(r"/[^\s'\":;,()\[\]]+")
_BELOW = re.compile(r"/(?:var/(?:lib|cache|log)|run)/([^/]+)")
_PORT = re.compile(r"(?:port |:|, )([1-9][0-9]{2,4})\b")


class Symptom:
    """A row of symptoms.tsv, whose head describes the columns."""

    __slots__ = ("ends", "given", "need", "path", "sure", "symptom", "words")

    def __init__(  # noqa: PLR0917 - a column each
        self, symptom: str, words: str, ends: str, path: str, given: str, need: str, sure: str
    ) -> None:
        self.symptom = symptom
        self.words = words
        self.ends = ends
        self.path = path
        self.given = given
        self.need = need
        self.sure = sure

    def shown(self, said: "Sequence[str]") -> list[tuple[str, str]]:
        """Return the lines that show it, each with the path that it is about; both may be empty.

        Args:
            said: What the program said, a line each.
        """
        if not self.words:
            return [("", "")]
        if not self.path:
            match = re.search(self.words, "\n".join(said), re.DOTALL)
            return [(match[0].split("\n")[-1], "")] if match else []
        return [
            (line, path)
            for line in said
            if re.search(self.words, line)
            for path in _PATH.findall(line)
            if re.fullmatch(self.path, path)
        ]


def symptoms() -> list[Symptom]:
    """Return the table, in order."""
    return [Symptom(*row) for row in tables.rows(__file__, "symptoms.tsv")]


def terms(name: str, path: str, said: str) -> dict[str, str]:
    """Return what a need may be about, by the names that the table uses.

    Args:
        name: The service's, which a directory without another name has.
        path: What the program failed with; may be empty.
        said: All that it said.
    """
    below, port = _BELOW.match(path), _PORT.search(said)
    return {
        "name": name,
        "path": path,
        "below": below[1] if below else name,
        "place": path if os.path.exists(path) else os.path.dirname(path),  # noqa: PTH110, PTH120
        "group": "",
        "owner": "",
        "port": port[1] if port else "1-65535",
    }
