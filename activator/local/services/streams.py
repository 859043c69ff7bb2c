"""Where the standard streams of a process go: StandardInput= and its kin.

Source: systemd.exec(5), "Logging and standard input/output". What would go to the journal,
the kernel's log or a terminal goes to a pipe that is read here.
"""

import os
import socket
import stat
from collections.abc import Mapping
from contextlib import ExitStack

from activator.errors import ActivatorError
from activator.local.units.service_model import Execution

_MODE = 0o666
_WRITING = {"file": 0, "append": os.O_APPEND, "truncate": os.O_TRUNC}


class Streams:
    """The three descriptors of one process; use it as a context manager.

    Args:
        execution: Where they go.
        sockets: What the process is passed, name → descriptor; they stay the caller's.
        journal: The writing end of the pipe that is read here, or -1 if there is none.
    """

    def __init__(self, execution: Execution, sockets: Mapping[str, int], journal: int) -> None:
        self._execution = execution
        self._sockets = sockets
        self._journal = journal
        self._stack = ExitStack()

    def __enter__(self) -> tuple[int, int, int]:
        """Open what must be opened.

        Raises:
            ActivatorError: A file cannot be opened, or there is no such descriptor.
        """
        try:
            stdin = self._input()
            stdout = self._output(self._execution.stdout, stdin)
            wanted = self._execution.stderr
            same = wanted in ("stdout", self._execution.stdout)
            return stdin, stdout, stdout if same else self._output(wanted, stdin)
        except BaseException:
            self._stack.close()
            raise

    def __exit__(self, *_: object) -> None:
        """Close what was opened."""
        self._stack.close()

    def _input(self) -> int:
        """Return the descriptor for 0."""
        kind, _, text = self._execution.stdin.partition(":")
        if kind == "socket" and self._sockets:
            return next(iter(self._sockets.values()))
        if kind == "fd":
            return self._named(text)
        if kind == "file":
            same = f"file:{text}" in (self._execution.stdout, self._execution.stderr)
            return self._open(text, os.O_RDWR | os.O_CREAT if same else os.O_RDONLY)
        if kind == "data":
            descriptor = self._own(os.memfd_create("stdin", os.MFD_CLOEXEC))
            os.write(descriptor, self._execution.data)
            os.lseek(descriptor, 0, os.SEEK_SET)
            return descriptor
        return self._null(os.O_RDWR if kind == "socket" else os.O_RDONLY)

    def _output(self, wanted: str, stdin: int) -> int:
        """Return the descriptor for 1 or 2."""
        kind, _, text = wanted.partition(":")
        if kind == "fd":
            return self._named(text)
        if kind in _WRITING and self._execution.stdin != f"file:{text}":
            return self._open(text, os.O_WRONLY | os.O_CREAT | _WRITING[kind])
        inherits = kind == "stdin" and self._execution.stdin not in ("null", "data")
        if inherits or kind in _WRITING:
            return stdin
        if kind == "journal" and self._journal >= 0:
            return self._journal
        socket_given = kind == "socket" and self._sockets
        return next(iter(self._sockets.values())) if socket_given else self._null(os.O_WRONLY)

    def _named(self, name: str) -> int:
        """Return a descriptor that is passed under a name."""
        if name not in self._sockets:
            raise ActivatorError(
                f"there is no descriptor named {name}", "correct fd:, or FileDescriptorName="
            )
        return self._sockets[name]

    def _open(self, path: str, flags: int) -> int:
        """Open a file, or connect to a Unix socket."""
        try:
            if _kind(path) == stat.S_IFSOCK:
                sock = socket.socket(socket.AF_UNIX)
                self._stack.callback(sock.close)
                sock.connect(path)
                return sock.fileno()
            if _kind(path) == stat.S_IFIFO:  # no process at its other end is waited for
                flags = flags & ~os.O_ACCMODE | os.O_RDWR
            wanted = flags | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
            descriptor = self._own(os.open(path, wanted, _MODE))
            os.set_blocking(descriptor, True)
        except OSError as error:
            what = f"cannot open {path}: {error.strerror}"
            raise ActivatorError(what, "correct the file of the standard stream") from None
        return descriptor

    def _null(self, flags: int) -> int:
        """Open /dev/null."""
        return self._own(os.open(os.devnull, flags | os.O_CLOEXEC))

    def _own(self, descriptor: int) -> int:
        """Close a descriptor in the end."""
        self._stack.callback(os.close, descriptor)
        return descriptor


def _kind(path: str) -> int:
    """Return what a path leads to, as stat(2) has it; 0 for nothing."""
    try:
        return stat.S_IFMT(os.stat(path).st_mode)  # noqa: PTH116
    except OSError:
        return 0
