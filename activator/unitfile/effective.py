"""What the lines of a unit set, together: a wrong line changes nothing, as in systemd."""

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import NamedTuple

from activator.unitfile import directives
from activator.unitfile.directives import Directive
from activator.unitfile.parse import Entry
from activator.unitfile.values import is_list, judge
from activator.unitfile.values.numbers import BOOLEANS
from activator.unitfile.values.verdict import BROKEN, IGNORED, OK, Verdict

Lookup = Callable[[str, str], Directive | None]


# What makes a timer or a path trigger; all lines of them are kept under the first name.
TIMES = (
    *("OnCalendar", "OnActiveSec", "OnBootSec", "OnStartupSec", "OnUnitActiveSec"),
    "OnUnitInactiveSec",
)
PATHS = ("PathExists", "PathExistsGlob", "PathChanged", "PathModified", "DirectoryNotEmpty")
# Older names of the same settings.
_RENAMED = {
    "StartLimitInterval": "StartLimitIntervalSec",
    "ReadWriteDirectories": "ReadWritePaths",
    "ReadOnlyDirectories": "ReadOnlyPaths",
    "InaccessibleDirectories": "InaccessiblePaths",
}


class Remark(NamedTuple):
    """A line that is not simply taken, and what systemd makes of it."""

    entry: Entry
    directive: Directive
    verdict: Verdict


class Settings:
    """The lines of a unit that count, by directive.

    Args:
        entries: The lines in order, of all files of the unit.
        version: The version of systemd.
        lookup: Finds the directive of a section and name.

    Attributes:
        version: The version of systemd.
        remarks: The lines that are not simply taken.
        unknown: The lines whose directive nobody knows.
        replaced: Pairs of lines of a directive that counts once: the earlier and the later.
        old: The lines that count whose directive has another name by now.
        taken: The lines of which systemd takes something, with their directives; of a list
            perhaps only some words, see :func:`activator.unitfile.values.kept`.
        last_listen: The last Listen*= line, whether it counts or not.
    """

    def __init__(
        self, entries: Iterable[Entry], version: int, lookup: Lookup = directives.lookup
    ) -> None:
        self.version = version
        self.remarks: list[Remark] = []
        self.unknown: list[Entry] = []
        self.replaced: list[tuple[Entry, Entry]] = []
        self.old: list[tuple[Entry, Directive]] = []
        self.taken: list[tuple[Entry, Directive]] = []
        self.last_listen: Entry | None = None
        self._lines: dict[str, list[Entry]] = {}
        for entry in entries:
            self._add(entry, lookup(entry.section, entry.name))

    def _add(self, entry: Entry, directive: Directive | None) -> None:
        """Take one line, as the parser does: a wrong one changes nothing."""
        if directive is None:
            self.unknown.append(entry)
            return
        if directive.type == "address":
            self.last_listen = entry
        verdict = judge(directive, entry.value, self.version)
        if verdict.outcome != OK:
            self.remarks.append(Remark(entry, directive, verdict))
        counts = verdict.accepted or verdict.outcome == BROKEN
        if counts or (verdict.outcome == IGNORED and is_list(directive)):
            self.taken.append((entry, directive))
        if counts:
            self._keep(entry, directive)

    def _keep(self, entry: Entry, directive: Directive) -> None:
        """Add a line to those that count."""
        if directive.status == "legacy":
            self.old.append((entry, directive))
        # An empty Listen*= clears the others too, as do times and paths that trigger.
        kept = self._lines.setdefault(_group(entry, directive), [])
        if not entry.value:
            if directive.resets:
                kept.clear()
        elif directive.repeat.startswith("single"):
            if kept:
                self.replaced.append((kept[-1], entry))
            kept[:] = [entry]
        else:
            kept.append(entry)

    def counts(self, entry: Entry) -> bool:
        """Return whether a line counts in the end."""
        return entry in self._counting

    @cached_property
    def _counting(self) -> frozenset[Entry]:
        """Return the lines that count, of which some units have very many."""
        return frozenset(entry for lines in self._lines.values() for entry in lines)

    def all(self, name: str) -> list[Entry]:
        """Return the lines of a directive that count; ``Listen`` stands for all Listen*=."""
        return self._lines.get(name, [])

    def get(self, name: str) -> Entry | None:
        """Return the line of a directive that counts, if there is one."""
        lines = self._lines.get(name)
        return lines[-1] if lines else None

    def value(self, name: str, default: str = "") -> str:
        """Return the value that counts."""
        lines = self._lines.get(name)
        return lines[-1].value if lines else default

    def on(self, name: str, *, default: bool = False) -> bool:
        """Return whether a switch is on."""
        value = self.value(name)
        return BOOLEANS.get(value.lower(), default) if value else default


def _group(entry: Entry, directive: Directive) -> str:
    """Return the name under which a line is kept: an empty one clears all of the same name."""
    if directive.type == "address":
        return "Listen"
    if entry.section == "Timer" and entry.name in TIMES:
        return TIMES[0]
    if entry.section == "Path" and entry.name in PATHS:
        return PATHS[0]
    return _RENAMED.get(entry.name, entry.name)
