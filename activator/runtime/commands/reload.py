"""Ask a running service to hand over to new processes: ``activator reload``, for ExecReload=.

It waits for the outcome and tells it by its exit status, so that ``systemctl reload`` fails
when the new processes do. As a process of the unit that systemd starts anew, it has the unit's
environment and working directory as they are now, and passes both on. Import-light, because a
reload waits for it.
"""

import os
from socket import AF_UNIX, SHUT_WR, SOCK_STREAM, socket

from activator.common.integers import decimal
from activator.common.peers import credentials
from activator.errors import ActivatorError, UsageError, told
from activator.runtime.options import Option, parse
from activator.runtime.reload_request import CONTROL, HEADER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


PID_MAX = 1 << 22  # proc(5), kernel/pid_max
OPTIONS: tuple[Option, ...] = ()


def reload(process: int) -> None:
    """Have a service hand over to new processes, and wait until they serve.

    Args:
        process: The main process of ``activator serve --workers N``.

    Raises:
        ActivatorError: It cannot be reached, or the new processes did not get ready; then the
            old ones go on.
    """
    with socket(AF_UNIX, SOCK_STREAM) as sock:
        try:
            sock.connect(CONTROL % process)
        except OSError as error:
            raise _unreachable(process, error) from None
        # Anybody may listen at such a name; the kernel knows who does.
        if credentials(sock)[0] != process:
            raise ActivatorError(f"it is not process {process} that listens for reloads")
        words = [os.fsencode(os.getcwd())]  # noqa: PTH109 - pathlib costs too much
        words += (name + b"=" + value for name, value in os.environb.items())
        try:
            sock.sendall(HEADER + b"\0".join(words) + b"\0")
            sock.shutdown(SHUT_WR)
            answer = b"".join(iter(lambda: sock.recv(65536), b""))
        except OSError:
            answer = b""
    text = answer.decode(errors="replace").strip()
    if text:
        raise ActivatorError(text)
    if not answer:
        raise ActivatorError(f"process {process} has ended, or refuses user {os.geteuid()}")


def _unreachable(process: int, error: OSError) -> ActivatorError:
    return ActivatorError(
        f"process {process} cannot be asked to reload: {error.strerror}",
        "only `activator serve --workers N` can hand over, and only a process in its own network "
        "namespace can ask, as ExecReload= does",
    )


def main(words: "Sequence[str]") -> int:
    """Ask the process named on the command line to hand over.

    Args:
        words: The words after ``activator reload``.

    Returns:
        The exit status: 0 done, 1 the old processes go on, 2 wrong usage.
    """
    try:
        reload(_process(words))
    except ActivatorError as error:
        return told(error)
    return 0


def _process(words: "Sequence[str]") -> int:
    """Read the command line.

    Raises:
        UsageError: It is not one process id.
    """
    _, others = parse(words, OPTIONS)
    process = decimal(others[0]) if len(others) == 1 else None
    if process is None or process > PID_MAX:
        raise UsageError("give the main process's id", "ExecReload=activator reload $MAINPID")
    return process
