"""Entries of xinetd.conf to drafts: which are enabled, with their defaults."""

from collections.abc import Iterator, Sequence

from activator.adopt import superserver
from activator.adopt.model import Adopted, Kind, Note
from activator.adopt.xinetd.grammar import Attribute, Entry, Files
from activator.adopt.xinetd.translation import translated
from activator.errors import ActivatorError

# Values of these add up; those of others are replaced.
_SETS = ("only_from", "no_access", "log_on_success", "log_on_failure", "passenv", "env", "flags")
# Defaults that say which services there are.
_CHOICES = ("enabled", "disabled")


def read(path: str) -> Iterator[Adopted]:
    """Yield what becomes of each service of a file or a folder.

    Args:
        path: xinetd.conf, a file that it includes, or a folder of those.
    """
    files = Files(path)
    if files.notes:
        yield Adopted(path, None, tuple(files.notes))
    defaults = [line for entry in files.entries if not entry.service for line in entry.attributes]
    names: dict[str, int] = {}
    for entry in files.entries:
        if not entry.service:
            continue
        said = merged(entry, defaults)
        name = f"{entry.service} ({entry.place})"
        if why := _disabled(entry, said, defaults):
            yield Adopted(name, None, (Note(Kind.GONE, entry.place, f"{entry.service}: {why}"),))
            continue
        notes: list[Note] = []
        try:
            served = translated(entry, said, notes, path)
        except ActivatorError as error:
            what = f"{error.message}; {error.hint}" if error.hint else error.message
            refused = Note(Kind.REFUSED, error.place or entry.place, what)
            yield Adopted(name, None, (*notes, refused))
            continue
        protocol = "udp" if served.socket_type == "dgram" else "tcp"
        served = served._replace(name=superserver.unlike(served.name, protocol, names))
        yield Adopted(name, superserver.draft(served), tuple(notes))


def merged(entry: Entry, defaults: Sequence[Attribute]) -> dict[str, Attribute]:
    """Return what holds for a service: its own attributes upon the defaults."""
    said: dict[str, Attribute] = {}
    for line in defaults:
        if line.name not in _CHOICES:
            _set(said, line, adds=line.name in _SETS or line.name == "log_type")
    for line in entry.attributes:
        _set(said, line, adds=line.name in _SETS and line.sign != "=")
    return said


def _set(said: dict[str, Attribute], line: Attribute, *, adds: bool) -> None:
    """Take a line, upon what was said before."""
    before = said.get(line.name)
    if before is not None and line.sign == "-=":
        left = tuple(word for word in before.words if word not in line.words)
        line = line._replace(words=left)
    elif before is not None and adds:
        line = line._replace(words=(*before.words, *line.words))
    said[line.name] = line


def _disabled(entry: Entry, said: dict[str, Attribute], defaults: Sequence[Attribute]) -> str:
    """Return why xinetd does not serve an entry; empty if it does."""
    identifier = said["id"].words[:1] if "id" in said else ()
    known = {*identifier} or {entry.service}
    enabled = [word for line in defaults if line.name == "enabled" for word in line.words]
    disabled = [word for line in defaults if line.name == "disabled" for word in line.words]
    if "disable" in said and said["disable"].words[:1] == ("yes",):
        return "disable = yes"
    if "flags" in said and "DISABLE" in said["flags"].words:
        return "flags = DISABLE"
    if known & {*disabled}:
        return "the defaults have it disabled"
    if enabled and not known & {*enabled}:
        return "the defaults have others enabled alone"
    return ""
