"""Open what OpenFile= names, for one start of a main process.

Source: systemd.service(5), and what systemd 257 and 262 pass: a file is opened for reading and
writing if nothing else is asked for, and a Unix socket is connected to, whatever its type.
"""

import errno
import os
import socket
import stat
from collections.abc import Sequence
from contextlib import ExitStack

from activator.errors import ActivatorError
from activator.local.services.spawn import Passed
from activator.local.units.service_model import OpenFile

_FLAGS = {"read-only": os.O_RDONLY, "append": os.O_RDWR | os.O_APPEND,
          "truncate": os.O_RDWR | os.O_TRUNC}  # fmt: skip
_TYPES = (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET)


class OpenFiles:
    """The descriptors of a service's files; use it as a context manager, which closes them.

    Args:
        files: What is opened, in this order.
    """

    def __init__(self, files: Sequence[OpenFile]) -> None:
        self._files = files
        self._stack = ExitStack()

    def __enter__(self) -> list[Passed]:
        """Open them, but for those that cannot be and are ``graceful``.

        Raises:
            ActivatorError: One cannot be opened.
        """
        passed = []
        for each in self._files:
            try:
                descriptor = self._open(each)
            except OSError as error:
                if "graceful" in each.options:
                    continue
                self._stack.close()
                what = f"OpenFile=: cannot open {each.path}: {os.strerror(error.errno or 0)}"
                hint = "correct it, or add the option graceful"
                raise ActivatorError(what, hint, place=each.place) from None
            passed.append(Passed(descriptor, each.fdname, socket=False, opened=True))
        return passed

    def __exit__(self, *_: object) -> None:
        """Close them."""
        self._stack.close()

    def _open(self, file: OpenFile) -> int:
        """Open a file, or connect to a socket."""
        if stat.S_ISSOCK(os.stat(file.path).st_mode):  # noqa: PTH116
            return self._connect(file.path)
        flags = next((_FLAGS[option] for option in _FLAGS if option in file.options), os.O_RDWR)
        # The other end of a FIFO would be waited for.
        wanted = flags | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
        descriptor = os.open(file.path, wanted)
        self._stack.callback(os.close, descriptor)
        os.set_blocking(descriptor, True)
        return descriptor

    def _connect(self, path: str) -> int:
        """Connect to a Unix socket of any type."""
        for kind in _TYPES:
            sock = self._stack.enter_context(socket.socket(socket.AF_UNIX, kind))
            try:
                sock.connect(path)
            except OSError as error:
                if error.errno != errno.EPROTOTYPE:
                    raise
            else:
                return sock.fileno()
        raise OSError(errno.EPROTOTYPE, os.strerror(errno.EPROTOTYPE))
