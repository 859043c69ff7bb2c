"""The lines of strace(1), each as a call; one process a file (-ff), descriptors with paths (-y)."""

import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from activator.common import tables

_LINE = re.compile(r"(\w+)\((.*)\)\s+= (-?\w+|\?)(?:<(?P<opened>[^>]*)>)?(?: (E\w+))?")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_BASE = re.compile(r"(?:AT_FDCWD|\d+)<([^>]*)>, $")
_LAST = ("+++ exited", "+++ killed")
_ESCAPE = re.compile(r"\\([0-7]{1,3}|x[0-9a-f]{2}|.)")

# Calls of calls.tsv, which have to be traced.
CALLS = tuple(dict.fromkeys(row[0] for row in tables.rows(__file__, "calls.tsv")))


class Call(NamedTuple):
    """A system call.

    Attributes:
        program: Who made it, by the name of its program; empty if it is not known.
        name: Its name.
        arguments: Its arguments, as strace shows them.
        paths: The paths among them, absolute where that is known.
        error: Such as ``ENOENT``; empty if it succeeded.
    """

    program: str
    name: str
    arguments: str
    paths: tuple[str, ...]
    error: str


class Process:
    """A process, whose lines come piece by piece.

    Attributes:
        program: The name of its program; empty if it is not known.
        ended: Whether its last line has come.
    """

    def __init__(self) -> None:
        self.program = ""
        self.ended = False
        self._directory = "/"

    def calls(self, lines: Iterable[str]) -> Iterator[Call]:
        """Yield calls; lines that are none, such as signals, are left out."""
        for line in lines:
            match = _LINE.match(line)
            if match is None:
                self.ended = self.ended or line.startswith(_LAST)
                continue
            name, arguments, error = match[1], match[2], match[5] or ""
            paths = tuple(self._paths(arguments))
            if name == "chdir" and not error and paths:
                self._directory = paths[0]
            if name in ("execve", "execveat") and not error and paths:
                self.program = paths[0].rpartition("/")[2]
            yield Call(self.program, name, arguments, paths, error)

    def _paths(self, arguments: str) -> Iterator[str]:
        """Yield the texts among arguments, each as a path from the root on, in its plain form."""
        for match in _STRING.finditer(arguments):
            base = _BASE.search(arguments[: match.start()])
            if base and arguments[: match.start()].endswith(f"AT_FDCWD<{base[1]}>, "):
                self._directory = meant(base[1])
            above = meant(base[1]) if base else self._directory
            path = posixpath.normpath(posixpath.join(above, meant(match[1])))
            yield f"/{path.lstrip('/')}" if path.startswith("/") else path


def meant(text: str) -> str:
    """Return what strace has escaped, byte by byte, as a path."""
    return os.fsdecode(_ESCAPE.sub(lambda found: _byte(found[1]), text).encode("latin-1"))


def _byte(code: str) -> str:
    if code.isdecimal():
        return chr(int(code, 8))
    return chr(int(code[1:], 16)) if len(code) > 1 else {"n": "\n", "t": "\t"}.get(code, code)
