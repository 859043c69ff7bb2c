"""Take the socket that StandardInput=socket makes of descriptor 0; so do inetd's.

It is apart from :mod:`activator.runtime.listen` since it is rarely needed.
"""

import fcntl
import os

from activator.runtime.identifier import find
from activator.runtime.listener import Listener
from activator.runtime.variables import FIRST, UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PRIORITY = 6  # LOG_INFO, where a line does not begin with another one


def take() -> list[Listener]:
    """Move the socket on descriptor 0 away from the standard streams, and return it.

    None if it has no name of its own: a service's socket has one, while a program that starts
    another one and talks to it uses a pair without.

    See Also:
        systemd.exec(5), StandardInput=, StandardOutput= and StandardError=: all three are the
        socket, unless others are named.
    """
    fd = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, FIRST)
    listener = Listener(UNKNOWN, fd)
    if not listener.address:
        listener.close()
        return []
    if listener.kind == "connection":
        listener.name = "connection"
    # Else the client would read our errors, and wait for an end that does not come.
    outputs = [number for number in (1, 2) if _is_same(number)]
    if outputs:
        _redirect(outputs, _journal())
    _redirect([0], os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    return [listener]


def _is_same(number: int) -> bool:
    try:
        return os.path.sameopenfile(0, number)
    except OSError:
        return False


def _journal() -> int:
    """Connect to the journal; -1 where there is none."""
    # The rest of systemd.journal costs more than all of the runtime.
    from systemd._journal import stream_fd  # noqa: PLC0415

    try:
        return int(stream_fd(find() or "activator", PRIORITY, True))
    except OSError:
        return -1


def _redirect(numbers: "Sequence[int]", target: int) -> None:
    if target < 0:
        return
    for number in numbers:
        os.dup2(target, number)
    os.close(target)
