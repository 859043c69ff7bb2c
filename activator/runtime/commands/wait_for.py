"""Wait until something accepts connections: ``activator wait-for``, for ExecStartPost=.

A service whose program cannot tell when it is ready is started, for systemd, once its
ExecStartPost= has succeeded; this is the command for it. It runs in the service's own
sandbox and network namespace, and it delays the first client, so it is import-light.
"""

import os
import select
from socket import AF_INET, AF_INET6, AF_UNIX, inet_pton, socket
from time import monotonic, sleep

from activator.common.integers import decimal
from activator.errors import ActivatorError, UsageError, told
from activator.runtime import options
from activator.runtime.options import Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Target = tuple[int, str | tuple[str, int]]

# Seconds.
TIMEOUT = 60.0
FIRST_PAUSE = 0.001
LONGEST_PAUSE = 0.1
LONGEST_TRY = 1.0
PORT_MAX = 65535
PATH_MAX = 107  # bytes; sun_path holds 108 with a final NUL
FORMS = "write /PATH, ./PATH, @NAME, PORT, HOST:PORT or [HOST]:PORT, HOST being an IP address"


def _seconds(text: str) -> float:
    """Read a number of seconds, 0 or more, or ``infinity``."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value >= 0:
        raise UsageError(f"not a number of seconds: {text!r}", "write 0, 2.5, 30 or infinity")
    return value


OPTIONS = (Option("timeout", "SECONDS", TIMEOUT, _seconds, text="How long to wait."),)


def wait_for(address: str, timeout: float = TIMEOUT, *, process: int = 0) -> None:
    """Connect to a stream socket again and again until it accepts, and close at once.

    The pauses between grow from 1 ms to 100 ms. What listens sees one connection without
    any data.

    Args:
        address: ``/PATH``, ``./PATH``, ``@NAME``, ``PORT`` (of 127.0.0.1), ``HOST:PORT`` or
            ``[HOST]:PORT``; hosts are IP addresses.
        timeout: Seconds; infinity waits for ever.
        process: The process that is to listen, if known: the wait is over when it ends.

    Raises:
        UsageError: The address is none of these.
        ActivatorError: Nothing accepted in time, or the process has ended.
    """
    family, target = parse(address)
    deadline = monotonic() + timeout
    alive = _Process(process)
    try:
        pause = FIRST_PAUSE
        while problem := _try(family, target, deadline - monotonic()):
            left = deadline - monotonic()
            if left <= 0:
                message = f"{address} accepts no connections after {timeout:g} s: {problem}"
                raise ActivatorError(message, "see the log of what should listen there")
            if alive.ended_within(min(pause, left)):
                message = f"{address} accepts no connections and the main process has ended"
                raise ActivatorError(message, "see its log")
            pause = min(2 * pause, LONGEST_PAUSE)
    finally:
        alive.close()


def parse(address: str) -> "Target":
    """Return the address family and what ``connect()`` takes.

    Raises:
        UsageError: It has none of the known forms.
    """
    if address.startswith(("/", "./", "../", "@")):
        path = f"\0{address[1:]}" if address[0] == "@" else address
        if not address[1:] or len(os.fsencode(path)) > PATH_MAX or "\0" in address:
            raise UsageError(f"no path of a Unix socket: {address!r}", FORMS)
        return AF_UNIX, path
    host, colon, port = address.rpartition(":")
    if not colon and not address.lstrip("-").isdecimal():
        hint = "begin a path with ./ or /" if "/" in address else FORMS
        raise UsageError(f"no address of a stream socket: {address!r}", hint)
    host = host if colon else "127.0.0.1"
    family = AF_INET
    if host.startswith("[") and host.endswith("]"):
        family, host = AF_INET6, host[1:-1]
    try:
        inet_pton(family, host)
    except (OSError, ValueError):
        raise UsageError(f"no address of a stream socket: {address!r}", FORMS) from None
    number = decimal(port) or 0
    if not 0 < number <= PORT_MAX:
        raise UsageError(f"no port from 1 to {PORT_MAX}: {address!r}", FORMS)
    return family, (host, number)


def _try(family: int, target: str | tuple[str, int], left: float) -> str:
    """Return why a connection was not accepted, or nothing."""
    with socket(family) as sock:
        sock.settimeout(max(min(left, LONGEST_TRY), FIRST_PAUSE))
        try:
            sock.connect(target)
            # A client whose own port was chosen to be the one it asks for meets itself.
            if family != AF_UNIX and sock.getsockname() == sock.getpeername():
                return "connection refused"
        except OSError as error:
            return (error.strerror or str(error)).lower()
    return ""


class _Process:
    """A process to watch, or none; a zombie counts as ended."""

    def __init__(self, number: int) -> None:
        self._poll = select.poll()
        self._descriptor = -1
        self._ended = False
        if not number:
            return
        try:
            self._descriptor = os.pidfd_open(number)
        except ProcessLookupError:
            self._ended = True
        except OSError:  # not allowed in this sandbox: the deadline is enough
            return
        else:
            self._poll.register(self._descriptor, select.POLLIN)

    def ended_within(self, seconds: float) -> bool:
        """Wait, and tell whether the process has ended; if so, at once."""
        if self._descriptor < 0:
            if not self._ended:
                sleep(seconds)
            return self._ended
        return bool(self._poll.poll(seconds * 1000))

    def close(self) -> None:
        """Close the descriptor."""
        if self._descriptor >= 0:
            os.close(self._descriptor)


def main(words: "Sequence[str]") -> int:
    """Wait for what the command line names.

    The main process is taken from $MAINPID, which systemd sets for ExecStartPost=.

    Args:
        words: The words after ``activator wait-for``.

    Returns:
        The exit status: 0 it accepts, 1 it does not, 2 wrong usage, 130 interrupted.
    """
    try:
        values, addresses = options.parse(words, OPTIONS)
        if len(addresses) != 1:
            raise UsageError("wait-for takes one address", FORMS)
        wait_for(addresses[0], values["timeout"], process=_main_process())
    except ActivatorError as error:
        return told(error)
    except KeyboardInterrupt:
        return 130
    return 0


def _main_process() -> int:
    """Return the number of the service's main process, or 0 where it means nothing.

    In a process namespace of its own (PrivatePIDs=) the number is not the one seen here;
    the parent, systemd, is outside then and so without a number.
    """
    return (decimal(os.environ.get("MAINPID", "")) or 0) if os.getppid() else 0
