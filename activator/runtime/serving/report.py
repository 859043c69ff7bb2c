"""Say on stderr what went wrong while serving, each time in one record (one write)."""

import errno
import os
import select
import sys
from socket import AF_UNIX, MSG_DONTWAIT
from time import monotonic

from activator.runtime.journal import ERROR, WARNING, journal, send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket
    from types import TracebackType

# A peer that is gone shows up as one of these too, besides the ConnectionError classes:
# shutdown() and getpeername() on a reset connection say ENOTCONN.
GONE = frozenset(
    {errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN}
)


def line(text: str, priority: int = WARNING) -> None:
    """Write one line.

    Args:
        text: The line, without its end.
        priority: How important it is, as in syslog(3), where stderr is the journal's.
    """
    if not (journal.is_on and send(text, priority, {})):
        _write(f"{text}\n")


def last_words(text: str) -> None:
    """Write a line on an error right before the end of this process.

    As a record it might be of no unit: journald asks /proc for that, and would come too late.
    Of what comes by stderr it knows the unit from the beginning; the priority goes in front
    (sd-daemon(3)).

    Args:
        text: The line, without its end.
    """
    _write(f"<{ERROR}>{text}\n" if journal.is_on else f"{text}\n")


class Rarely:
    """Write a line that could come many times a second, at most once in a while.

    Args:
        interval: The shortest time between two lines, in seconds.
    """

    __slots__ = ("_interval", "_next")

    def __init__(self, interval: float = 60.0) -> None:
        self._interval = interval
        self._next = 0.0

    def line(self, text: str) -> None:
        """Write the line, or drop it if the last one was not long ago."""
        now = monotonic()
        if now >= self._next:
            self._next = now + self._interval
            line(text)


def summary(error: BaseException) -> str:
    """Return an exception's class and message on one line."""
    try:
        import traceback  # noqa: PLC0415 - as below
    except (ImportError, OSError):
        return " ".join(f"{type(error).__qualname__}: {error}".split())
    return " ".join(traceback.format_exception_only(error)[-1].split())


def hint_at(error: BaseException) -> str:
    """Return which need may be missing; empty where nothing points at the sandbox."""
    try:
        from activator.runtime.serving.hint import hint  # noqa: PLC0415 - as above

        return hint(error)
    except (ImportError, MemoryError, OSError):
        return ""  # there are no more descriptors, or no memory


def place(error: BaseException) -> str:
    """Return FILE:LINE of where an exception was raised; empty if no file is known."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    found = ""
    frames = error.__traceback__
    while frames:
        file = frames.tb_frame.f_code.co_filename
        # The import system's own frames are frozen, and have no file.
        if os.path.isabs(file):  # noqa: PTH117 - pathlib costs too much
            found = f"{file}:{frames.tb_lineno}"
        frames = frames.tb_next
    return found


def failure(text: str, error: BaseException, *, skip: int = 0) -> None:
    """Write one record for an exception: a line, then its traceback.

    Args:
        text: What failed.
        error: The exception.
        skip: How many of the outermost frames are the runtime's own and left out.
    """
    try:
        _fail(text, error, skip)
    except MemoryError:
        # It has ended what it had to; to say so must end nothing else.
        _write(f"{text}: no memory to say why\n")


def _fail(text: str, error: BaseException, skip: int) -> None:
    frames = error.__traceback__
    for _ in range(skip):
        frames = frames.tb_next if frames and frames.tb_next else frames
    try:
        # It costs more than the rest of the runtime, and is rarely needed.
        import traceback  # noqa: PLC0415

        lines = traceback.format_exception(type(error), error, frames)
        lines += [f"hint: {more}\n"] if (more := hint_at(error)) else []
    except (ImportError, OSError):
        lines = _bare(error, frames)  # there are no more descriptors
    record = f"{text}: {summary(error)}\n{''.join(lines)}"
    if not (journal.is_on and send(record.rstrip("\n"), ERROR, _fields(error))):
        _write(record)


def _bare(error: BaseException, frames: "TracebackType | None") -> "list[str]":
    """Return what :mod:`traceback` would, as far as no file has to be read for it."""
    lines = ["Traceback (most recent call last):\n"]
    while frames:
        code = frames.tb_frame.f_code
        lines.append(f'  File "{code.co_filename}", line {frames.tb_lineno}, in {code.co_name}\n')
        frames = frames.tb_next
    return [*lines, f"{type(error).__qualname__}: {error}\n"]


def _fields(error: BaseException) -> "dict[str, object]":
    """Return what a record of the journal has for an exception besides its text."""
    file, _, number = place(error).rpartition(":")
    found = {"CODE_FILE": file, "CODE_LINE": number} if file else {}
    return {"EXCEPTION": type(error).__qualname__, **found}


def outcome(error: BaseException, route: object, sock: "socket | None" = None) -> int:
    """Return the status that a plain handler has ended with, and say what went wrong, if it did.

    Args:
        error: What the handler raised: that the client has left, a bug, or SystemExit.
        route: Whose handler it is.
        sock: Its connection, if it has one.
    """
    if isinstance(error, SystemExit):
        return exit_status(error)
    if sock and is_about_client(error, sock):
        return 0
    failure(f"{route} failed", error, skip=1)
    return 1


def exit_status(error: SystemExit) -> int:
    """Return the status that a sys.exit() asked for, and write its message if it had one."""
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    line(str(error.code))
    return 1


def how_ended(status: int) -> str:
    """Put an exit status, or the number of a signal if it is negative, into words."""
    return f"signal {-status}" if status < 0 else f"status {status}"


def is_about_client(error: BaseException, sock: "socket") -> bool:
    """Tell whether an exception only says that the client has left.

    The exception alone does not tell: a ConnectionError may as well come from a backend, and
    must not pass unseen. So the connection is asked too.

    Args:
        error: The handler's exception; of a group (a TaskGroup's) all must be of that sort.
        sock: The connection; closed on our side counts as left.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(is_about_client(inner, sock) for inner in error.exceptions)
    # IncompleteReadError is asyncio's EOFError: the client left in the middle of a message.
    if isinstance(error, EOFError):
        return _hung_up(sock, select.POLLHUP | select.POLLRDHUP)
    # uvloop's way to say that the transport was closed, where asyncio says nothing.
    if isinstance(error, RuntimeError):
        return "the handler is closed" in str(error) and sock.fileno() < 0
    if _is_tls(error):
        # The client broke the protocol, which ended the connection; backends have TLS too.
        return sock.fileno() < 0 or _passed(error, sock)
    if isinstance(error, ConnectionError) or (isinstance(error, OSError) and error.errno in GONE):
        return _hung_up(sock, select.POLLHUP) or _reads_no_more(error, sock)
    return False


def _is_tls(error: BaseException) -> bool:
    ssl = sys.modules.get("ssl")
    return ssl is not None and isinstance(error, ssl.SSLError)


def _passed(error: BaseException, sock: "socket") -> bool:
    """Tell whether an exception has come through a method of this socket."""
    frames = error.__traceback__
    while frames:
        if frames.tb_frame.f_locals.get("self") is sock:
            return True
        frames = frames.tb_next
    return False


def _reads_no_more(error: BaseException, sock: "socket") -> bool:
    """Tell whether a Unix client has called shutdown(SHUT_RD), which no poll(2) tells."""
    if not isinstance(error, BrokenPipeError) or sock.family != AF_UNIX:
        return False
    try:
        sock.send(b"", MSG_DONTWAIT)
    except BrokenPipeError:
        return True
    except OSError:
        pass
    return False


def _hung_up(sock: "socket", signs: int) -> bool:
    if sock.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(sock, signs)
    return any(events & signs for _, events in poll.poll(0))


def _write(text: str) -> None:
    # Without a stderr, or with a reader that has gone, there is nobody to tell.
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (AttributeError, MemoryError, OSError, ValueError):
        pass
