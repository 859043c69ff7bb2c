"""Where in a unit's files a directive stands, to name the line that something is about.

Source: systemd.syntax(7), as far as finding a line takes.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from activator.live.units import Unit

_LINE = re.compile(r"\s*([A-Za-z0-9]+)\s*=\s*(.*)")
_COMMENT = ("#", ";")


def lines_of(unit: Unit, directives: Iterable[str], words: str = "") -> list[str]:
    """Return the lines of a unit's files that set some directives, as ``FILE:LINE: TEXT``.

    An empty assignment takes back the lines before it. Where a line names a path that is also in
    ``words``, what the manager or the program said, only such lines are returned.

    Args:
        unit: The unit.
        directives: Their names.
        words: What was said.
    """
    wanted, found = set(directives), dict[str, list[str]]()
    for path in map(Path, unit.files):
        for number, name, value in _settings(path):
            if name not in wanted:
                continue
            if not value:
                found.pop(name, None)
            else:
                found.setdefault(name, []).append(f"{path}:{number}: {name}={value}")
    lines = [line for some in found.values() for line in some]
    paths = set(re.findall(r"/[\w./@-]*\w", words))
    about = [line for line in lines if paths & set(re.findall(r"/[\w./@-]*\w", line.split("=")[1]))]
    return about or lines


def _settings(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield the number, name and value of each assignment; of a continued one, its first line."""
    text = ""
    with suppress(OSError):
        text = path.read_text(errors="replace")
    continued = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith(_COMMENT):
            continue  # also between the lines of one that is continued
        if not continued and (match := _LINE.match(line)):
            yield number, match[1], match[2].rstrip()
        continued = line.endswith("\\")
