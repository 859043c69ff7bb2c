"""What a word means: a unit, a file of inetd's, of xinetd's, a Procfile, or a folder of those."""

import os
import re
from collections.abc import Iterator, Sequence

from activator.adopt import command_line, inetd, units, xinetd
from activator.adopt.model import Adopted, Kind, Note
from activator.adopt.proving import proven, proven_units
from activator.adopt.reading import read
from activator.adopt.unit_files import UnitFolder
from activator.errors import ActivatorError

UNITS = (".socket", ".service")
# Podman's, from which Quadlet makes services.
_CONTAINERS = (".container", ".pod", ".kube")
_XINETD = r"(?m)^\s*(service\s+\S+|defaults|include(dir)?\s+\S+)\s*\{?\s*$"
_INETD = r"(?m)^[^#\s]\S*\s+(stream|dgram|raw|rdm|seqpacket)\s"
_PROCFILE = r"(?m)^[A-Za-z0-9_-]+:\s*\S"


class Taker:
    """Takes sources over, one after the other.

    Args:
        root: The root directory of the system whose units are named.
        listen: Where a service listens that has no socket, if that is said apart.
        name: The name of the spec for a command.
    """

    def __init__(self, root: str = "", listen: Sequence[str] = (), name: str = "") -> None:
        self.root = root.rstrip("/")
        self.listen = listen
        self.name = name
        self._folders: dict[str | None, UnitFolder] = {}
        self._done: set[str] = set()

    def words(self, words: Sequence[str]) -> Iterator[Adopted]:
        """Yield what becomes of each service of some sources."""
        for word in words:
            try:
                yield from self._word(word)
            except ActivatorError as error:
                what = f"{error.message}; {error.hint}" if error.hint else error.message
                yield Adopted(word, None, (Note(Kind.REFUSED, error.place, what),))
            except OSError as error:
                what = f"it cannot be read: {(error.strerror or str(error)).lower()}"
                yield Adopted(word, None, (Note(Kind.REFUSED, word, what),))

    def command(self, argv: Sequence[str]) -> Iterator[Adopted]:
        """Yield what becomes of a command."""
        made = command_line.adopt(argv, "the command", name=self.name, listen=self.listen)
        yield proven(made)

    def _word(self, word: str) -> Iterator[Adopted]:
        if word.endswith(_CONTAINERS):
            what = f"{word} is a file of Quadlet's"
            raise ActivatorError(what, "name the service that it makes", place=word)
        if word.endswith(UNITS):
            yield from self._unit(word)
        elif not os.path.lexists(word) and "/" not in word:
            found = (f"{word}{end}" for end in UNITS if self._folder(None).unit(f"{word}{end}"))
            yield from self._unit(next(found, f"{word}.service"))
        elif os.path.isdir(word):
            yield from self._all(word)
        else:
            yield from self._file(word)

    def _all(self, folder: str) -> Iterator[Adopted]:
        """Yield what becomes of all in a folder: units, or what xinetd would read."""
        names = sorted(os.listdir(folder))
        found = [name for end in UNITS for name in names if name.endswith(end)]
        if found:
            for name in found:
                if not name.endswith(("@.socket", "@.service")):
                    yield from self.words([os.path.join(folder, name)])
        else:
            yield from map(proven, xinetd.read(folder))

    def _file(self, path: str) -> Iterator[Adopted]:
        """Yield what becomes of a file, by what is in it."""
        text = read(path)
        if re.search(_XINETD, text):
            yield from map(proven, xinetd.read(path))
        elif re.search(_INETD, text):
            yield from map(proven, inetd.read(text, path))
        elif re.search(_PROCFILE, text):
            yield from map(proven, command_line.procfile(text, path, listen=self.listen))
        else:
            hint = "name a unit, inetd.conf, xinetd.conf or a Procfile"
            raise ActivatorError("nothing in it is known here", hint, place=path)

    def _unit(self, word: str) -> Iterator[Adopted]:
        """Yield what becomes of a unit and what belongs to it, once."""
        name = os.path.basename(word)
        named = "/" in word or os.path.lexists(word)
        directory = os.path.dirname(word) if named else None
        service, sockets = units.service_of(self._folder(directory), name)
        key = f"{directory}/{service.name}"
        if key in self._done:
            return
        self._done.add(key)
        made = units.adopt(service, sockets, self.listen)
        yield proven_units(made, service, sockets) if sockets else proven(made)

    def _folder(self, directory: str | None) -> UnitFolder:
        if directory not in self._folders:
            self._folders[directory] = UnitFolder(directory, self.root)
        return self._folders[directory]
