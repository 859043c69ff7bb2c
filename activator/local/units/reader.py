"""Read one unit's directives as systemd takes them, and tell what it ignores and what we do."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from activator.errors import ActivatorError, combine
from activator.local.units.honoured import honours
from activator.local.units.paths import RuntimeDir
from activator.unitfile import directives, read
from activator.unitfile.effective import Settings
from activator.unitfile.kinds import KINDS
from activator.unitfile.parse import Entry, UnitFile
from activator.unitfile.refusals import Refusal
from activator.unitfile.search import is_template
from activator.unitfile.sections import sections_of, skipped, unread
from activator.unitfile.specifiers import expand
from activator.unitfile.values import kept
from activator.unitfile.values.verdict import IGNORED, REFUSED

T = TypeVar("T")
# [Unit] and [Install] order and enable units, which has no meaning here; these would decide
# whether a unit runs at all.
_INSTANCE = re.compile(r"%[iInNf]|@\.")
_NOTED_IN_UNIT = ("Condition", "Assert", "StartLimitAction", "JoinsNamespaceOf")
# What stands for a byte that is not UTF-8.
_SURROGATE = re.compile("[\ud800-\udfff]")


class Reader:
    """One unit: its file and drop-ins, read with its specifiers.

    Args:
        name: The unit's full name.
        files: The unit file, then its drop-ins in order.
        table: Specifier letter → text.
        canonical: Gives the name of the unit behind an alias.
        runtime: Where paths below /run are.

    Attributes:
        name: The unit's full name.
        canonical, runtime: As given.
        place: The unit file, for messages.
        settings: What the lines set together.
        notes: What systemd reports and ignores.
    """

    def __init__(
        self,
        name: str,
        files: Sequence[UnitFile],
        table: dict[str, str],
        canonical: Callable[[str], str],
        runtime: RuntimeDir,
    ) -> None:
        self.name = name
        self.canonical = canonical
        self.runtime = runtime
        self.place = files[0].name
        self._table = table
        kind = name.rpartition(".")[2]
        problems = [problem for file in files for problem in _syntax(file, kind)]
        entries = [
            entry
            for file in files
            for entry in file.entries
            if entry.section in sections_of(kind) and not entry.name.startswith("X-")
            if not _not_utf8(entry)
        ]
        self.settings = Settings(entries, directives.NEWEST)
        problems += [
            verdict.error().at(entry.place)
            for entry, _, verdict in self.settings.remarks
            if verdict.outcome == IGNORED
        ]
        problems += map(_unknown, self.settings.unknown)
        self.notes = problems
        self._broken = files[0].broken
        self._lines: dict[tuple[str, str], list[tuple[int, Entry, bool]]] = {}
        for number, (entry, directive) in enumerate(self.settings.taken):
            line = (number, entry, directive.resets)
            self._lines.setdefault((entry.section, entry.name), []).append(line)

    def refuse(self, refusals: Iterable[Refusal]) -> None:
        """Raise why systemd refuses the unit, if it does.

        Raises:
            ActivatorError: It does.
        """
        if self._broken is not None:
            raise self._broken
        alone = [
            verdict.error().at(entry.place)
            for entry, _, verdict in self.settings.remarks
            if verdict.outcome == REFUSED
        ]
        found = [each.error().at(self.place) for each in refusals if each.outcome == REFUSED]
        if found:
            # What is missing may be what is wrong elsewhere.
            raise combine(alone or [*self.notes, *found])

    def specifier(self, letter: str) -> str:
        """Return what a specifier stands for, such as ``t`` for ``%t``."""
        return self._table[letter]

    def other(self, name: str) -> str:
        """Return the name of a unit that this one has to do with.

        A template stands for its instance of this unit's own instance, or else prefix.
        """
        if is_template(name):
            stem, _, suffix = name.rpartition(".")
            name = f"{stem}{self._table['i'] or self._table['p']}.{suffix}"
        return self.canonical(name)

    @property
    def depends_on_instance(self) -> bool:
        """Tell whether any value changes with the instance's name."""
        return any(_INSTANCE.search(entry.value) for entry, _ in self.settings.taken)

    def entries(self, section: str, *names: str) -> list[Entry]:
        """Return the assignments that count, in order, specifiers not resolved.

        An empty one clears those before it, of all the names given.
        """
        kept: list[Entry] = []
        for _, entry, resets in self.taken(section, *names):
            if entry.value:
                kept.append(entry)
            elif resets:
                kept.clear()
        return kept

    def lines(self, section: str, name: str) -> list[Entry]:
        """Return the assignments of a directive that systemd takes, the empty ones too."""
        return [entry for _, entry, _ in self.taken(section, name)]

    def taken(self, section: str, *names: str) -> list[tuple[int, Entry, bool]]:
        """Return the lines that systemd takes: number, line, and whether an empty one resets."""
        if len(names) == 1:
            return self._lines.get((section, names[0]), [])
        return sorted(line for name in names for line in self._lines.get((section, name), ()))

    def expand(self, entry: Entry, text: str | None = None) -> str:
        """Resolve the specifiers of an assignment's value, or of a word of it.

        Raises:
            ActivatorError: One is unknown.
        """
        text = entry.value if text is None else text
        known = directives.lookup(entry.section, entry.name)
        if known is not None and not known.specifiers:
            return text
        try:
            return expand(text, self._table)
        except ActivatorError as error:
            raise error.at(entry.place)  # noqa: B904 - the same error, with its place

    def value(self, section: str, name: str, parse: Callable[[str], T], default: T) -> T:
        """Return a directive's last value.

        Args:
            section: Its section.
            name: Its name.
            parse: Makes the value of the text, or raises ActivatorError.
            default: What is returned if it is not set.
        """
        found = self.taken(section, name)
        return self._last(found, parse, default) if found else default

    def last(self, places: Iterable[tuple[str, str]], parse: Callable[[str], T], default: T) -> T:
        """Return the last value of some directives that set the same."""
        found = sorted(line for where, name in places for line in self.taken(where, name))
        return self._last(found, parse, default)

    def _last(
        self, lines: list[tuple[int, Entry, bool]], parse: Callable[[str], T], default: T
    ) -> T:
        """Return what the last right line says, where an empty one may reset."""
        value = default
        for _, entry, resets in lines:
            if not entry.value and resets:
                value = default
                continue
            try:
                value = parse(self.expand(entry))
            except ActivatorError as error:
                self._note(entry, error)
        return value

    def _note(self, entry: Entry, error: ActivatorError) -> None:
        """Report a line that was right but for what its specifiers stand for."""
        what = f"{entry.name}=: {error.message}"
        self.notes.append(ActivatorError(what, error.hint, place=entry.place))

    def text(self, section: str, name: str, default: str = "") -> str:
        """Return a directive's last value as it stands, specifiers resolved."""
        return self.value(section, name, str, default)

    def words(self, section: str, name: str) -> list[tuple[str, Entry]]:
        """Return the words of all lines of a list that systemd keeps, each with its line."""
        known = directives.lookup(section, name)
        assert known is not None  # noqa: S101 - we ask for what there is
        return [
            (self.expand(entry, word), entry)
            for entry in self.entries(section, name)
            for word in kept(known, entry.value)
        ]

    def paths(self, section: str, name: str) -> tuple[str, ...]:
        """Return the absolute paths of all lines of a list, each once."""
        found: dict[str, None] = {}
        for word, entry in self.words(section, name):
            try:
                found[read.path(word)] = None
            except ActivatorError as error:
                self._note(entry, error)
        return tuple(found)

    def ignored(self) -> Iterator[str]:
        """Yield the names of directives that have no effect here."""
        for entry, _ in self.settings.taken:
            if honours(entry.section, entry.name) or entry.section == "Install":
                continue
            if entry.name in KINDS:  # refused: nothing would listen
                continue
            if entry.section != "Unit" or entry.name.startswith(_NOTED_IN_UNIT):
                yield entry.name


def _syntax(file: UnitFile, kind: str) -> Iterator[ActivatorError]:
    """Yield what systemd skips of a file before it looks at any value."""
    found = dict(unread(file, kind))
    for chunk in file.chunks:
        entry, place = chunk.entry, f"{file.name}:{chunk.line}"
        if chunk.section is not None and (remark := skipped(chunk.section, kind)):
            found[chunk.line] = ActivatorError(*remark, place=place)
        elif entry is not None and entry.section in sections_of(kind) and _not_utf8(entry):
            what, hint = "the line is not UTF-8", "save the file as UTF-8"
            found[chunk.line] = ActivatorError(what, hint, place=place)
    yield from (found[line] for line in sorted(found))


def _not_utf8(entry: Entry) -> bool:
    return _SURROGATE.search(entry.name + entry.value) is not None


def _unknown(entry: Entry) -> ActivatorError:
    """Return what to say of a directive that no systemd knows."""
    hint = directives.suggest(entry.section, entry.name)
    return ActivatorError(f"[{entry.section}] has no {entry.name}=", hint, place=entry.place)
