"""Read one unit's directives, each with its place, and tell which have no effect here."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from activator import directives
from activator.address import KINDS
from activator.errors import ActivatorError
from activator.local.units.honoured import honours
from activator.specifiers import expand
from activator.unit import Entry, UnitFile
from activator.unquoting import UNQUOTE, words

T = TypeVar("T")
# [Unit] and [Install] order and enable units, which has no meaning here; these would decide
# whether a unit runs at all.
_INSTANCE = re.compile("%[iInNf]")
_NOTED_IN_UNIT = ("Condition", "Assert", "StartLimitAction", "JoinsNamespaceOf")


class Reader:
    """One unit: its file and drop-ins, read with its specifiers.

    Args:
        name: The unit's full name.
        files: The unit file, then its drop-ins in order.
        table: Specifier letter → text.

    Attributes:
        name: The unit's full name.
        place: The unit file, for messages.
    """

    def __init__(self, name: str, files: Sequence[UnitFile], table: dict[str, str]) -> None:
        self.name = name
        self.place = files[0].name
        self._table = table
        self._entries = [entry for file in files for entry in file.entries]

    def specifier(self, letter: str) -> str:
        """Return what a specifier stands for, such as ``t`` for ``%t``."""
        return self._table[letter]

    @property
    def depends_on_instance(self) -> bool:
        """Tell whether any value changes with the instance's name."""
        return any(_INSTANCE.search(entry.value) for entry in self._entries)

    def entries(self, section: str, *names: str) -> list[Entry]:
        """Return the assignments that count, in order, specifiers not resolved.

        An empty one clears those before it, of all the names given.
        """
        kept: list[Entry] = []
        for entry in self._entries:
            if entry.section == section and entry.name in names:
                if entry.value:
                    kept.append(entry)
                else:
                    kept.clear()
        return kept

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

        Raises:
            ActivatorError: The text is wrong; systemd would skip the line.
        """
        entries = self.entries(section, name)
        return self._parsed(entries[-1], parse) if entries else default

    def _parsed(self, entry: Entry, parse: Callable[[str], T]) -> T:
        """Return the value of one assignment, or raise with its name and place."""
        try:
            return parse(self.expand(entry))
        except ActivatorError as error:
            if error.place:
                raise
            what = f"{entry.name}=: {error.message}"
            raise ActivatorError(what, error.hint, place=entry.place) from None

    def lines(self, section: str, name: str) -> list[Entry]:
        """Return all assignments of a directive, the empty ones too."""
        return [each for each in self._entries if (each.section, each.name) == (section, name)]

    def checked(self, section: str, *names: str) -> list[Entry]:
        """Return the assignments that count, each looked at by what knows systemd's values.

        Raises:
            ActivatorError: systemd would skip one.
        """
        found = self.entries(section, *names)
        if found:
            from activator import values  # noqa: PLC0415 - few units need it
        for entry in found:
            known = directives.lookup(section, entry.name)
            assert known is not None  # noqa: S101 - we ask for what there is
            try:
                values.check(known, entry.value)
            except ActivatorError as error:
                raise error.at(entry.place)  # noqa: B904 - the same error, with its place
        return found

    def text(self, section: str, name: str, default: str = "") -> str:
        """Return a directive's last value as it stands, specifiers resolved."""
        return self.value(section, name, str, default)

    def words(self, section: str, name: str, mode: str = UNQUOTE) -> list[tuple[str, Entry]]:
        """Return the words of all lines of a list directive, each with its line.

        Args:
            section: The directive's section.
            name: Its name.
            mode: What is undone, a constant of :mod:`activator.unquoting`.
        """
        found = []
        for entry in self.entries(section, name):
            try:
                split = list(words(entry.value, mode))
            except ActivatorError as error:
                raise error.at(entry.place)  # noqa: B904 - the same error, with its place
            found += [(self.expand(entry, word), entry) for word in split]
        return found

    def ignored(self) -> Iterable[str]:
        """Yield the names of directives that have no effect here."""
        for entry in self._entries:
            if entry.name.startswith("X-") or entry.section.startswith("X-"):
                continue
            if honours(entry.section, entry.name) or entry.section == "Install":
                continue
            if entry.name in KINDS:  # refused: nothing would listen
                continue
            if directives.lookup(entry.section, entry.name) is None:
                continue
            if entry.section != "Unit" or entry.name.startswith(_NOTED_IN_UNIT):
                yield entry.name

    def unknown(self) -> Iterable[str]:
        """Yield a note for each directive that systemd does not know."""
        for entry in self._entries:
            known = directives.lookup(entry.section, entry.name)
            if known or entry.name.startswith("X-") or entry.section.startswith("X-"):
                continue
            hint = directives.suggest(entry.section, entry.name)
            what = f"{entry.place}: systemd skips {entry.name}= in [{entry.section}]"
            yield f"{what}; {hint}" if hint else what


def one_of(*choices: str) -> Callable[[str], str]:
    """Return a parser that takes one of some words."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ActivatorError(f"'{text}' is unknown", f"write {', '.join(choices)}")
        return text

    return parse
