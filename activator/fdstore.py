"""Leave descriptors with the service manager over a restart or a crash: its fd store.

The unit needs FileDescriptorStoreMax=. What was kept is passed to the next process beside the
sockets, by its name: see ``activator.listen_fds()``. A kept connection that bears the name of a
handler is served by it, see ``activator.serve()``. sd_notify(3), FDSTORE=1.

Import-light, as :mod:`activator.runtime.listen`.
"""

from activator.common.fdname import RULE, is_fdname
from activator.errors import ActivatorError
from activator.notify import PATIENCE, send

__all__ = ["forget", "keep"]  # pass_on() is the runtime's

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol

    class HasFileno(Protocol):
        """A socket, a file, a transport's socket."""

        def fileno(self) -> int:
            """Return the descriptor."""


def keep(name: str, fd: "int | HasFileno", *, poll: bool = True) -> bool:
    """Leave a copy of a descriptor with the service manager.

    Close yours or go on using it. The copy goes when :func:`forget` is called, when the service
    is stopped for good, or when the other side hangs up.

    Args:
        name: The fdname that it will be passed by; several may have the same.
        fd: The descriptor, or what has one.
        poll: Whether the service manager gives it up when it hangs up or has an error; say no for
            what does so at all times, as a pipe whose writer has gone (sd_notify(3), FDPOLL=0).

    Returns:
        Whether the message was sent; not whether there was room (FileDescriptorStoreMax=).

    Raises:
        ActivatorError: The name cannot be an fdname.
    """
    _check(name)
    number = fd if isinstance(fd, int) else fd.fileno()
    more = "" if poll else "\nFDPOLL=0"
    return send(f"FDSTORE=1\nFDNAME={name}{more}", PATIENCE, (number,))


def forget(name: str) -> bool:
    """Have the service manager close all that it keeps by this name.

    Raises:
        ActivatorError: The name cannot be an fdname.
    """
    _check(name)
    return send(f"FDSTOREREMOVE=1\nFDNAME={name}", PATIENCE)


def pass_on(fields: "Mapping[str, str]", fds: "Sequence[int]") -> bool:
    """Send another process's message about the store, whose fields and descriptors these are."""
    text = "".join(
        f"{name}={fields[name]}\n"
        for name in ("FDSTORE", "FDSTOREREMOVE", "FDNAME", "FDPOLL")
        if name in fields
    )
    return send(text, PATIENCE, fds)


def _check(name: str) -> None:
    if not is_fdname(name):
        raise ActivatorError(f"{name[:40]!a} cannot be an fdname", RULE)
