"""What is typed in each picture, and what of its output differs from run to run."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.tree import ROOT

PICTURES = ROOT / "docs/pictures"
_HERE = Path(__file__).parent
FILES = _HERE / "shop"
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
# Process ids are shown from here on, in the order in which they come.
_FIRST_PID = 4711
# As it stands in the files; what is really listened on may be another one.
PORT = "8080"


class Step(NamedTuple):
    """A line that is typed.

    Attributes:
        line: What stands behind the prompt; with ``&`` at its end, it runs until the scene ends.
        until: What has to be written before the next line is typed, if its end is not enough.
        status: The exit status that it has to have.
    """

    line: str
    until: str = ""
    status: int = 0


class Scene(NamedTuple):
    """A picture.

    Attributes:
        name: The stem of its files.
        title: What a reader is told that it shows, in a few words.
        text: The same for those who cannot see it, in sentences.
        columns: How wide the terminal is.
        steps: What is typed.
        files: What stands in the folder in which it is typed: files of shop/.
        box: Whether it needs a booted systemd.
        before: What is done before, in a box, and not shown.
        lines: After how many lines it is cut; 0 if all are shown.
        shown: Patterns of what differs from run to run → what is shown in its place.
        varies: Patterns of figures that differ and are shown as they were.
        pids: A pattern whose groups are process ids.
        only: A pattern of the lines that are compared; of all, if it is empty.
        ordered: Whether its lines always come in the same order.
    """

    name: str
    title: str
    text: str
    columns: int
    steps: tuple[Step, ...]
    files: tuple[str, ...] = ()
    box: bool = False
    before: tuple[str, ...] = ()
    lines: int = 0
    shown: tuple[tuple[str, str], ...] = ()
    varies: tuple[str, ...] = ()
    pids: str = ""
    only: str = ""
    ordered: bool = True

    def neutral(self, written: str) -> str:
        """Return what was written, colours and all, without what is this machine's own."""
        for pattern, text in self.shown:
            written = re.sub(pattern, text, written)
        if self.pids:
            known: dict[str, str] = {}

            def shown(match: re.Match[str]) -> str:
                number = next(group for group in match.groups() if group)
                pid = known.setdefault(number, str(_FIRST_PID + len(known)))
                return match[0].replace(number, pid)

            written = re.sub(self.pids, shown, written)
        return self._cut(written)

    def _cut(self, written: str) -> str:
        lines = written.splitlines()
        if not self.lines or len(lines) <= self.lines:
            return written
        return "\n".join([*lines[: self.lines], "\x1b[2m[the rest is left out]"])

    def compared(self, text: str) -> list[str]:
        """Return the lines of a text as far as they are the same in each run."""
        lines = []
        for line in text.strip().splitlines():
            # A terminal goes on in the next line, and so does the picture.
            starts = range(0, max(len(line), 1), self.columns)
            for part in (line[start : start + self.columns] for start in starts):
                known = re.sub("|".join(self.varies) or "(?!)", "N", part)
                lines += [known.rstrip()] if re.search(self.only, part) else []
        return lines if self.ordered else sorted(lines)

    def path(self, theme: str) -> Path:
        """Return where its picture is, in a theme."""
        return PICTURES / f"{self.name}-{theme}.svg"


def plain(written: str) -> str:
    """Return what was written without its colours."""
    return _ESCAPE.sub("", written)


def scenes() -> Iterator[Scene]:
    """Yield all scenes, in the order of the file."""
    table = tomllib.loads((_HERE / "scenes.toml").read_text(encoding="utf-8"))
    for name, entry in table.items():
        steps = tuple(Step(**step) for step in entry.pop("steps"))
        shown = tuple(entry.pop("shown", {}).items())
        lists = {key: tuple(entry.pop(key, ())) for key in ("before", "files", "varies")}
        given = {"name": name, "steps": steps, "shown": shown, **lists, **entry}
        yield Scene(**given)
