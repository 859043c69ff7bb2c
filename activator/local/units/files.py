"""The files of the units that a run needs: in folders, the system's, or given as texts."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from activator.common.regular_file import contents
from activator.errors import ActivatorError
from activator.unitfile.parse import UnitFile
from activator.unitfile.search import SYSTEM, Search, UnitFiles, system_path, template_of, user_path


class Found(NamedTuple):
    """A unit: its name, that of the file behind an alias, its file, and its drop-ins."""

    name: str
    files: list[UnitFile]


class Units:
    """Find units by name, in directories and among given texts.

    Args:
        texts: Unit name → its text and what to call it in messages.
    """

    def __init__(self, texts: Mapping[str, tuple[str, str]]) -> None:
        self._texts = texts
        self._directories: list[str] = []
        self._search: Search | None = None
        self._found: dict[str, Found | None] = {}
        self._names: dict[str, str] = {}

    def add(self, directory: Path) -> None:
        """Look in a directory, too; one of a manager's stands for all of those."""
        place = str(directory.absolute())
        wanted = ["" if str(directory) == "." else str(directory)]
        if place in SYSTEM:
            wanted = system_path()
        elif "/systemd/user" in place and place in (user := user_path()):
            wanted = user
        if more := [each for each in wanted if each not in self._directories]:
            self._directories += more
            self._search = None
            self._names = {}
            self._found = {name: found for name, found in self._found.items() if found}

    def add_system(self) -> None:
        """Look where the system manager looks."""
        self.add(Path(SYSTEM[-2]))

    def find(self, name: str) -> Found | None:
        """Return a unit by its name or an alias, or None if there is none.

        An instance ``a@b.service`` without a file of its own is made from ``a@.service``.

        Raises:
            ActivatorError: It is masked, or a file cannot be read.
        """
        if name not in self._found:
            self._found[name] = self._read(name)
        return self._found[name]

    def canonical(self, name: str) -> str:
        """Return the name of the file behind an alias; of what is none or not there, the name."""
        if name not in self._names:
            files = None if name in self._texts else self._searched().find(name)
            self._names[name] = files.name if files is not None else name
        return self._names[name]

    def _searched(self) -> Search:
        if self._search is None:
            self._search = Search(self._directories)
        return self._search

    def _read(self, name: str) -> Found | None:
        search = self._searched()
        template = template_of(name) or name
        given = self._texts.get(name)
        files = None if given else search.find(name)
        given = given if files else given or self._texts.get(template)
        if given:
            drop_ins = search.dropins(name)
            return Found(name, [UnitFile.parse(*given), *map(_parsed, drop_ins)])
        if files is None:
            return None
        _refuse_masked(files)
        return Found(files.name, [_parsed(path) for path in (files.path, *files.dropins)])


def _refuse_masked(files: UnitFiles) -> None:
    if files.masked:
        what = "is masked" if Path(files.path).is_symlink() else "is empty, and so masked"
        hint = "write something into it, or give another file"
        raise ActivatorError(f"{files.name} {what}", hint, place=files.path)


def _parsed(path: str) -> UnitFile:
    """Read a unit file; bytes that are not UTF-8 become surrogates.

    Raises:
        ActivatorError: It cannot be read.
    """
    try:
        data, _ = contents(path)
    except OSError as error:
        what = f"the file cannot be read: {(error.strerror or str(error)).lower()}"
        hint = "mend the link or the permissions"
        raise ActivatorError(what, hint, place=path) from None
    return UnitFile.parse(data.decode(errors="surrogateescape"), path)
