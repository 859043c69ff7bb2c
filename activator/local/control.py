"""The control socket: one request a connection, one line of JSON each way.

Only root and whoever runs the local activator may ask; the kernel says who asks (SO_PEERCRED,
unix(7)), and the socket's mode keeps others out as well.
"""

import asyncio
import errno
import json
import os
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from activator.common.peers import credentials
from activator.errors import ActivatorError

_LONGEST = 1 << 20
_PATIENCE = 10.0  # seconds for a request to come
_MOST_WAITING = 32  # connections whose request is still to come
_PAUSE = 0.05  # seconds
_AT_ONCE = ("list", "status")
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
        # In the order in which they came.
        self._waiting: dict[asyncio.Task[Any], None] = {}
        self._answering: set[asyncio.Task[Any]] = set()

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
            what = "another local activator is controlled there" if used else _reason(error)
            hint = "name another with --control-socket"
            raise ActivatorError(f"{self.path}: {what}", hint) from None
        self._server = await asyncio.start_unix_server(self._serve, sock=sock, limit=_LONGEST)

    def close(self) -> None:
        """Listen no more, and remove the socket's file if it is still ours."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for task in (*self._waiting, *self._answering):
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
        sock.listen()  # at once: another run takes what refuses for one that was left behind
        status = os.lstat(self.path)
        self._identity = (status.st_dev, status.st_ino)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in one
        if len(self._waiting) >= _MOST_WAITING:
            # Whoever connects and says nothing must not take all descriptors.
            first = next(iter(self._waiting))
            del self._waiting[first]
            first.cancel()
        self._waiting[task] = None
        try:
            reply = await self._reply(task, reader, writer)
            with suppress(OSError):
                writer.write(json.dumps(reply).encode() + b"\n")
                async with asyncio.timeout(_PATIENCE):
                    await writer.drain()
        except asyncio.CancelledError:
            pass  # asyncio itself would tell of it
        finally:
            self._waiting.pop(task, None)
            self._answering.discard(task)
            writer.close()

    async def _reply(
        self, task: "asyncio.Task[Any]", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> dict[str, Any]:
        """Read a request and do what it asks for; return what to reply."""
        try:
            _check(writer.get_extra_info("socket"))
            async with asyncio.timeout(_PATIENCE):
                request = json.loads(await reader.readline())
            verb, names = str(request["verb"]), [str(name) for name in request["names"]]
        except ActivatorError as error:
            return {"errors": error.lines()}
        except (ValueError, KeyError, TypeError, RecursionError, OSError):
            return {"errors": ["this is not a request"]}
        self._waiting.pop(task, None)
        self._answering.add(task)
        try:
            return {"answer": await self._answer(verb, names)}
        except ActivatorError as error:
            return {"errors": error.lines()}


def ask(path: str, verb: str, names: list[str]) -> Any:
    """Send a request, and return the answer.

    Raises:
        ActivatorError: Nobody is there, or the answer is an error.
    """
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.settimeout(_PATIENCE)
            _connect(sock, path)
            sock.sendall(json.dumps({"verb": verb, "names": names}).encode() + b"\n")
            # Whatever starts or stops may take as long as the unit says.
            sock.settimeout(_PATIENCE if verb in _AT_ONCE else None)
            with sock.makefile("rb") as file:
                line = file.readline()
        except (OSError, ValueError) as error:
            reason = "it does not answer" if isinstance(error, TimeoutError) else _reason(error)
            hint = "start it with `activator run --control`"
            raise ActivatorError(f"no local activator answers at {path}: {reason}", hint) from None
    if not line:
        raise ActivatorError(f"the local activator at {path} has ended", "start it again")
    try:
        reply = json.loads(line)
        if "errors" in reply:
            raise Told([str(told) for told in reply["errors"]])
        return reply["answer"]
    except (ValueError, KeyError, TypeError, RecursionError):
        what = f"what answers at {path} is not a local activator"
        raise ActivatorError(what, "name its socket with --control-socket") from None


def _connect(sock: socket.socket, path: str) -> None:
    """Connect, also while many others wait for the same.

    Raises:
        OSError: Nobody listens there.
    """
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return sock.connect(path)
        except BlockingIOError:
            # A full queue, because there is a time limit (connect(2)).
            if time.monotonic() > end:
                raise TimeoutError from None
            time.sleep(_PAUSE)


def _reason(error: Exception) -> str:
    """Return what an error says, without its number."""
    return getattr(error, "strerror", None) or str(error)


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
    if credentials(sock)[1] not in (0, os.getuid()):
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
