"""What writing units would change on disk, and what must not be overwritten."""

import os
import stat
from collections.abc import Container, Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from activator.common import origin
from activator.common.regular_file import contents
from activator.errors import ActivatorError, combine
from activator.output import seal
from activator.output.atomic import write_all

SUFFIXES = (".socket", ".service", ".container")


class Status(StrEnum):
    """How a file on disk stands to what it should be."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    STALE = "stale"  # an earlier version of the spec made it, this one does not


class File(NamedTuple):
    """A file as it is and as it should be.

    Attributes:
        path: Where it is.
        before: Its text on disk, undecodable bytes as surrogates; None if it is missing or
            no regular file.
        after: Its text as it should be; None if it should not be there.
        kind: What is there: ``missing``, ``file``, ``link`` (to a file or nothing) or
            ``other``.
        modified: When it was last modified, in nanoseconds since the epoch; 0 if it is missing.
        unit: The name that it bears once it is installed, if that is another than here.
    """

    path: Path
    before: str | None
    after: str | None
    kind: str = "missing"
    modified: int = 0
    unit: str = ""

    @property
    def name(self) -> str:
        """Return the unit's name."""
        return self.path.name

    @property
    def status(self) -> Status:
        """Return what is to do about it."""
        if self.after is None:
            return Status.STALE
        if self.kind == "missing":
            return Status.NEW
        return Status.UNCHANGED if self.before == self.after else Status.CHANGED

    @property
    def owner(self) -> seal.Seal | None:
        """Return what the file on disk says of its origin, or None if we did not write it."""
        if self.before is None or self.kind != "file":
            return None
        return seal.read(self.unit or self.name, self.before)

    @property
    def refusal(self) -> ActivatorError | None:
        """Return why the file must not be replaced or removed unasked, if it must not."""
        place = str(self.path)
        if self.status in (Status.NEW, Status.UNCHANGED):
            return None
        if self.kind == "link":
            hint = "remove the link, or use --force to replace it"
            return ActivatorError("it is a symbolic link", hint, place=place)
        owner = self.owner
        if owner is None:
            hint = "move it away, or use --force to replace it"
            return ActivatorError("it was not written by activator", hint, place=place)
        if not owner.intact:
            hint = "put the change into the spec, then use --force"
            return ActivatorError("it was edited since it was written", hint, place=place)
        if self.after is not None and owner.name != origin.name_of(self.after):
            hint = "choose another name, or use --force to replace it"
            return ActivatorError(f"it belongs to {owner.name!r}", hint, place=place)
        return None

    def diff(self) -> list[str]:
        """Return a unified diff from the disk to what it should be, lines without their ends."""
        import difflib  # noqa: PLC0415 - seldom asked for

        before, after = _lines(self.before or ""), _lines(self.after or "")
        old = "/dev/null" if self.status is Status.NEW else str(self.path)
        new = "/dev/null" if self.status is Status.STALE else str(self.path)
        return [
            line.encode(errors="surrogateescape").decode(errors="replace")
            for line in difflib.unified_diff(before, after, old, new, lineterm="")
        ]


def plan(
    directory: str | os.PathLike[str],
    texts: Mapping[str, str],
    units: Mapping[str, str] = MappingProxyType({}),
) -> list[File]:
    """Compare texts with the files on disk.

    Args:
        directory: Where they should be; it may be missing.
        texts: File name → text.
        units: File name → the name it will be installed under, if that is another.

    Returns:
        A file each, in order, then those that earlier versions of the same specs left there.

    Raises:
        ActivatorError: A file cannot be read.
    """
    base = Path(directory)
    looked = (_look(base / name, text) for name, text in texts.items())
    files = [file._replace(unit=units.get(file.name, "")) for file in looked]
    names = {name for text in texts.values() if (name := origin.name_of(text))}
    return files + written(base, names, besides=texts)


def written(
    directory: str | os.PathLike[str], names: Container[str], *, besides: Container[str] = ()
) -> list[File]:
    """Return the units in a directory that were made from specs of some names.

    Args:
        directory: Where to look; it may be missing.
        names: The specs' names.
        besides: Names of files to pass over.

    Raises:
        ActivatorError: A file cannot be read.
    """
    return [file for owner, file in _sealed(Path(directory), besides) if owner.name in names]


def installed(directory: str | os.PathLike[str]) -> set[str]:
    """Return the names of all specs that units in a directory were made from.

    Raises:
        ActivatorError: A file cannot be read.
    """
    return {owner.name for owner, _ in _sealed(Path(directory))}


def _sealed(base: Path, besides: Container[str] = ()) -> Iterator[tuple[seal.Seal, File]]:
    """Yield the units in a directory that carry a fingerprint, sorted; it may be missing."""
    try:
        with os.scandir(base) as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith(SUFFIXES))
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unreadable(base, error) from None
    for name in names:
        if name not in besides and os.access(base / name, os.R_OK):
            file = _look(base / name, None)
            if file.owner is not None:
                yield file.owner, file


def due(files: Iterable[File]) -> list[File]:
    """Return those files that must be written."""
    return [file for file in files if file.status in (Status.NEW, Status.CHANGED)]


def refuse(files: Iterable[File]) -> None:
    """Raise if some of the files must not be replaced or removed unasked.

    Raises:
        ActivatorError: One line for each such file.
    """
    problems = [problem for file in files if (problem := file.refusal)]
    if problems:
        raise combine(problems)


def write(
    directory: str | os.PathLike[str],
    texts: Mapping[str, str],
    units: Mapping[str, str] = MappingProxyType({}),
    *,
    force: bool = False,
) -> list[File]:
    """Write what differs into a directory, all or nothing.

    Args:
        directory: Where to; it is made if it is missing.
        texts: File name → text.
        units: File name → the name it will be installed under, if that is another.
        force: Whether to replace files that were edited or that we did not write, too.

    Returns:
        The files as they were before, as :func:`plan` gives them.

    Raises:
        ActivatorError: Files must not be replaced, or cannot be written.
    """
    files = plan(directory, texts, units)
    changing = due(files)
    if not force:
        refuse(changing)
    write_all(directory, {file.name: texts[file.name] for file in changing})
    return files


def differences(files: Iterable[File]) -> Iterator[ActivatorError]:
    """Yield a line for each file that is not what it should be."""
    for file in files:
        place = str(file.path)
        if file.status is Status.NEW:
            yield ActivatorError("it is missing", "generate it", place=place)
        elif file.status is Status.CHANGED:
            edited = file.owner is not None and not file.owner.intact
            what = "it was edited since it was written" if edited else "it is out of date"
            yield ActivatorError(what, "see --diff, and generate it again", place=place)
        elif file.status is Status.STALE:
            yield ActivatorError("no spec makes it any more", "remove it", place=place)


def _look(path: Path, after: str | None) -> File:
    """Look at a file on disk, never waiting for a FIFO or the like."""
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            regular = path.is_file()
            return File(path, _read(path) if regular else None, after, "link", found.st_mtime_ns)
        if not stat.S_ISREG(found.st_mode):
            return File(path, None, after, "other", found.st_mtime_ns)
        return File(path, _read(path), after, "file", found.st_mtime_ns)
    except (FileNotFoundError, NotADirectoryError):
        return File(path, None, after)
    except OSError as error:
        raise _unreadable(path, error) from None


def _read(path: Path) -> str:
    """Return a file's text."""
    return contents(path)[0].decode(errors="surrogateescape")


def _lines(text: str) -> list[str]:
    """Return a text's lines without their ends, and a remark if the last has none."""
    lines = text.split("\n")
    return lines[:-1] if not lines[-1] else [*lines, "\\ No newline at end of file"]


def _unreadable(path: Path, error: OSError) -> ActivatorError:
    """Return the error for what cannot be read."""
    reason = (error.strerror or str(error)).lower()
    return ActivatorError(f"cannot read: {reason}", "choose another directory", place=str(path))
