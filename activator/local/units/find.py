"""Find a unit's file and its drop-ins, where systemd would look for them.

Source: systemd.unit(5), "Unit File Load Path" and the paragraphs on drop-ins.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from activator.errors import ActivatorError, combine
from activator.unit import UnitFile

# Where the system manager looks, most important first.
SYSTEM_PATH = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
# Where packages have put theirs.
VENDOR_PATH = ("/usr/lib/systemd/", "/lib/systemd/")
SUFFIXES = (".socket", ".service")


class Units:
    """Find unit files by name, in directories and among given texts.

    Args:
        texts: Unit name → its text and what to call it in messages.
    """

    def __init__(self, texts: Mapping[str, tuple[str, str]]) -> None:
        self._texts = texts
        self._directories: list[Path] = []
        self._parsed: dict[str, list[UnitFile] | None] = {}

    def search(self, directory: Path) -> None:
        """Look in a directory, too; one of the system manager's stands for all of those."""
        wanted = directory.absolute()
        system = [Path(each) for each in SYSTEM_PATH]
        for each in system if wanted in system else [directory]:
            if each not in self._directories:
                self._directories.append(each)

    def search_system(self) -> None:
        """Look where the system manager looks."""
        self.search(Path(SYSTEM_PATH[0]))

    def forget(self, name: str) -> None:
        """Look for a unit again that was not there."""
        self._parsed.pop(name, None)

    def files(self) -> list[str]:
        """Return every file that was read or could change a unit that was, drop-ins included."""
        named = [unit.name for units in self._parsed.values() for unit in units or ()]
        return list(dict.fromkeys(name for name in named if os.sep in name or Path(name).exists()))

    def find(self, name: str) -> list[UnitFile] | None:
        """Return a unit's file and its drop-ins, or None if there is none.

        An instance ``a@b.service`` without a file of its own is made from ``a@.service``.

        Raises:
            ActivatorError: A file cannot be read, or holds what systemd would skip.
        """
        if name not in self._parsed:
            self._parsed[name] = self._read(name)
        return self._parsed[name]

    def _read(self, name: str) -> list[UnitFile] | None:
        """Read a unit and its drop-ins."""
        template = template_of(name)
        names = [name] if template is None else [name, template]
        found = next((unit for unit in map(self._fragment, names) if unit is not None), None)
        if found is None:
            return None
        return [found, *(_parse(_text(path), str(path)) for path in self._drop_ins(name))]

    def _fragment(self, name: str) -> UnitFile | None:
        """Return the parsed unit file, or None if there is none.

        Raises:
            ActivatorError: It is masked, cannot be read, or holds what systemd would skip.
        """
        if name in self._texts:
            return _parse(*self._texts[name])
        for directory in self._directories:
            path = directory / name
            if is_masked(path):
                what = "is masked" if path.is_symlink() else "is empty, and so masked"
                hint = "write something into it, or give another file"
                raise ActivatorError(f"{name} {what}", hint, place=str(path))
            if path.exists():
                return _parse(_text(path), str(path))
        return None

    def _drop_ins(self, name: str) -> list[Path]:
        """Return the drop-ins of a unit, in the order in which they apply.

        Of several with one file name the most specific one counts; one that is masked hides
        the others.
        """
        found: dict[str, Path] = {}
        for folder in drop_in_folders(name):
            for directory in self._directories:
                for path in (directory / folder).glob("[!.]*.conf"):
                    found.setdefault(path.name, path)
        return [found[each] for each in sorted(found) if not is_masked(found[each])]


def drop_in_folders(name: str) -> Iterator[str]:
    """Yield the names of the folders that may hold drop-ins of a unit, most specific first.

    ``a-b@i.service`` has ``a-b@i.service.d``, ``a-b@.service.d``, those of ``a-@i.service``
    and ``a-@.service``, and that of the type, ``service.d``.
    """
    stem, _, suffix = name.rpartition(".")
    prefix, at, instance = stem.partition("@")
    while True:
        for tail in dict.fromkeys((f"{at}{instance}", at)):
            yield f"{prefix}{tail}.{suffix}.d"
        shorter = prefix.removesuffix("-").rpartition("-")
        if not shorter[1]:
            break
        prefix = f"{shorter[0]}-"
    yield f"{suffix}.d"


def template_of(name: str) -> str | None:
    """Return the template's name of an instance, None for what is none."""
    stem, _, suffix = name.rpartition(".")
    prefix, at, instance = stem.partition("@")
    return f"{prefix}@.{suffix}" if at and instance else None


def is_template(name: str) -> bool:
    """Tell whether a unit's name is that of a template, which needs an instance."""
    return name.rpartition(".")[0].endswith("@")


def is_masked(path: Path) -> bool:
    """Tell whether a unit file or drop-in is a link to /dev/null, or empty, and so hides others."""
    try:
        return str(path.resolve()) == os.devnull or (path.is_file() and path.stat().st_size == 0)
    except OSError:
        return False


def _text(path: Path) -> str:
    """Read a unit file."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ActivatorError(f"cannot read it: {error.strerror}", place=str(path)) from None
    except UnicodeDecodeError:
        raise ActivatorError("it is not UTF-8", "save it as UTF-8", place=str(path)) from None


def _parse(text: str, name: str) -> UnitFile:
    """Parse a unit file; what systemd would skip is an error here."""
    unit = UnitFile.parse(text, name)
    if unit.problems:
        raise combine(unit.problems)
    return unit
