"""The control socket: one request a connection, one line of JSON each way.

Only root and whoever runs the local activator may ask; the kernel says who asks (SO_PEERCRED,
unix(7)), and the socket's mode keeps others out as well.
"""

import asyncio
import errno
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from activator.errors import ActivatorError

_CREDENTIALS = struct.Struct("iII")
_LONGEST = 1 << 20
_PATIENCE = 10.0  # seconds for a request to come
VARIABLE = "ACTIVATOR_CONTROL"

Answer = Callable[[str, list[str]], Awaitable[Any]]


def default_path() -> str:
    """Return where the control socket is, unless another place is named.

    Raises:
        ActivatorError: There is no directory for it.
    """
    if path := os.environ.get(VARIABLE):
        return path
    directory = os.environ.get("XDG_RUNTIME_DIR") or ("/run" if os.getuid() == 0 else "")
    if not directory:
        hint = f"name one with --control-socket, or with ${VARIABLE}"
        raise ActivatorError("there is no directory for the control socket", hint)
    return f"{directory}/activator.control"


class Control:
    """Listens for requests.

    Args:
        path: Where; made with mode 0600, removed by :meth:`close`.
        answer: Called with the verb and the names of a request; returns what is answered,
            or raises ActivatorError.
    """

    def __init__(self, path: str, answer: Answer) -> None:
        self.path = path
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._identity = (0, 0)
        self._tasks: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Begin to listen.

        Raises:
            ActivatorError: It cannot be opened, or another one listens there.
        """
        sock = socket.socket(socket.AF_UNIX)
        try:
            self._bind(sock)
        except OSError as error:
            sock.close()
            used = error.errno == errno.EADDRINUSE
            what = "another local activator is controlled there" if used else error.strerror
            hint = "name another with --control-socket"
            raise ActivatorError(f"{self.path}: {what}", hint) from None
        self._server = await asyncio.start_unix_server(self._serve, sock=sock, limit=_LONGEST)

    def close(self) -> None:
        """Listen no more, and remove the socket's file if it is still ours."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for task in self._tasks:
            task.cancel()
        with suppress(OSError):
            status = os.lstat(self.path)
            if (status.st_dev, status.st_ino) == self._identity:
                Path(self.path).unlink()

    def _bind(self, sock: socket.socket) -> None:
        """Bind, in the place of one that nobody listens on any more."""
        umask = os.umask(0o177)
        try:
            try:
                sock.bind(self.path)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or not _stale(self.path):
                    raise
                Path(self.path).unlink()
                sock.bind(self.path)
        finally:
            os.umask(umask)
        status = os.lstat(self.path)
        self._identity = (status.st_dev, status.st_ino)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in one
        self._tasks.add(task)
        try:
            _check(writer.get_extra_info("socket"))
            async with asyncio.timeout(_PATIENCE):
                request = json.loads(await reader.readline())
            verb, names = str(request["verb"]), [str(name) for name in request["names"]]
            reply: dict[str, Any] = {"answer": await self._answer(verb, names)}
        except ActivatorError as error:
            reply = {"errors": error.lines()}
        except (ValueError, KeyError, TypeError, RecursionError, TimeoutError):
            reply = {"errors": ["this is no request"]}
        with suppress(OSError):
            writer.write(json.dumps(reply).encode() + b"\n")
            await writer.drain()
        writer.close()
        self._tasks.discard(task)


def ask(path: str, verb: str, names: list[str]) -> Any:
    """Send a request, and return the answer.

    Raises:
        ActivatorError: Nobody is there, or the answer is an error.
    """
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.connect(path)
            sock.sendall(json.dumps({"verb": verb, "names": names}).encode() + b"\n")
            line = sock.makefile().readline()
        except OSError as error:
            hint = "start it with `activator run --control`"
            raise ActivatorError(
                f"no local activator answers at {path}: {error.strerror}", hint
            ) from None
    if not line:
        raise ActivatorError(f"the local activator at {path} has ended", "start it again")
    reply = json.loads(line)
    if "errors" in reply:
        raise Told(reply["errors"])
    return reply["answer"]


class Told(ActivatorError):  # noqa: N818 - the other side's errors
    """What the local activator has refused, with its own lines."""

    def __init__(self, told: list[str]) -> None:
        super().__init__("\n".join(told))
        self._told = told

    def lines(self) -> list[str]:
        """Return the lines as they came."""
        return self._told


def _check(sock: socket.socket) -> None:
    """Raise unless the other side may control us."""
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    if _CREDENTIALS.unpack(raw)[1] not in (0, os.getuid()):
        raise ActivatorError("not permitted", "run it as root, or as the activator's user")


def _stale(path: str) -> bool:
    """Tell whether nobody listens on a socket any more."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False
