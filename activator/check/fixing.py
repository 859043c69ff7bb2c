"""Mend unit files where that is safe: line by line, all else stays as it is."""

import os
from collections.abc import Iterable
from pathlib import Path

from activator.check import check
from activator.check.inputs import Scope, worlds
from activator.check.registry import Found
from activator.check.units import Fix
from activator.errors import ActivatorError
from activator.output import seal
from activator.output.atomic import write_all
from activator.output.folder import real
from activator.output.plan import File
from activator.unitfile.parse import Chunk, Entry, UnitFile

_ROUNDS_MAX = 8


def mend(found: Iterable[Found]) -> dict[str, str]:
    """Return the texts of the files that can be mended, by path.

    Args:
        found: What was found in them; what has no safe change is passed over.
    """
    changes: dict[str, dict[int, tuple[Entry, Fix]]] = {}
    files: dict[str, UnitFile] = {}
    for one in found:
        entry, fix = one.problem.entry, one.problem.fix
        if entry is None or fix is None or one.unit is None or entry.file != one.finding.file:
            continue
        file = next((file for file in one.unit.files if file.name == entry.file), None)
        if file is not None and file.clean and not _is_made(file):
            files[entry.file] = file
            changes.setdefault(entry.file, {}).setdefault(entry.line, (entry, fix))
    return {path: _mended(files[path], lines) for path, lines in changes.items()}


def _is_made(file: UnitFile) -> bool:
    """Return whether a file was made from a spec, which is what must be changed then."""
    return seal.read(os.path.basename(file.name), file.dump()) is not None


def _mended(file: UnitFile, changes: dict[int, tuple[Entry, Fix]]) -> str:
    """Return a file's text with some lines changed."""
    pieces = []
    for chunk in file.chunks:
        change = changes.get(chunk.line)
        pieces.append(chunk.raw if change is None else _changed(chunk, *change))
    return "".join(pieces)


def _changed(chunk: Chunk, entry: Entry, fix: Fix) -> str:
    """Return the text of one line as it should be."""
    if fix.remove:
        return ""
    raw = chunk.raw
    if fix.value is not None:
        raw = _with_value(raw, entry, fix.value)
        if raw == chunk.raw:
            return raw
    if fix.name:
        raw = raw.replace(entry.name, fix.name, 1)
    end = "\r\n" if raw.endswith("\r\n") else "\n"
    return f"{fix.above}{end}{raw}" if fix.above else raw


def _with_value(raw: str, entry: Entry, value: str) -> str:
    """Return an assignment with another value."""
    body = raw.rstrip("\r\n")
    if "\n" in body:
        # Over several lines only a part of a word is changed, at the same place.
        shorter = raw.replace("/var/run/", "/run/")
        return shorter if entry.value.replace("/var/run/", "/run/") == value else raw
    head, equals, rest = raw.partition("=")
    blank = rest[: len(rest) - len(rest.lstrip(" \t"))]
    return f"{head}{equals}{blank}{value}{raw[len(body) :]}"


def mended(scope: Scope) -> tuple[list[File], list[Found]]:
    """Return the files to change, and what is found once they are.

    Nothing is written. A line may have several faults, so what was changed is read again.

    Args:
        scope: What to look at.
    """
    texts: dict[str, str] = {}
    found: list[Found] = []
    for _ in range(_ROUNDS_MAX):
        changed = scope._replace(texts=texts)
        found = [one for world in worlds(changed) for one in check(world)]
        more = {path: text for path, text in mend(found).items() if texts.get(path) != text}
        if not more:
            break
        texts = texts | more
    files = []
    for path, text in texts.items():
        with open(path, encoding="utf-8", newline="") as file:
            files.append(File(Path(path), file.read(), text, "file"))
    return [file for file in files if file.before != file.after], found


def write(file: File) -> None:
    """Write a file anew, with its permissions and owner; another user's link is not followed.

    Raises:
        ActivatorError: It cannot be written; nothing was changed then.
    """
    try:
        path = Path(real(str(file.path)))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ActivatorError(f"cannot write: {reason}", place=str(file.path)) from None
    write_all(path.parent, {path.name: file.after or ""}, keep=True)
