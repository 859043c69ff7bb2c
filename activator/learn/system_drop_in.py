"""The drop-ins of services that systemd runs, and where their traces go.

The directory of the traces is for root alone. A service of another user gets at it through a mount
of its own, so that nobody else does, whoever that user is: of one that systemd makes up, the number
is not known before.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from activator.errors import ActivatorError
from activator.learn import tracer
from activator.learn.drop_in import drop_in
from activator.learn.service import Service
from activator.live import learning

# These have files of their own, where strace is not.
_ROOTS = ("RootDirectory", "RootImage", "RootMStack")
# For a user that is made up all is read-only, whatever ProtectSystem= says; this takes that back.
_WRITABLE = "ReadWritePaths=-/etc -/mnt -/opt -/run -/srv -/usr -/var"
_ALONE = "PrivateNetwork"


class Place(NamedTuple):
    """Where the traces go.

    Attributes:
        base: The directory that has all, through which anybody may go.
        traces: The traces, for root alone.
        seen: Where a service of another user sees them.
    """

    base: Path
    traces: Path
    seen: Path


@contextmanager
def place() -> Iterator[Place]:
    """Have a directory for traces in the body, locked so that it is known to be in use."""
    parent, _, prefix = learning.TRACES.rpartition("/")
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True) as name:
        base = Path(name)
        base.chmod(0o711)
        made = Place(base, base / "root" / "traces", base / "seen")
        made.traces.parent.mkdir(0o700)
        made.traces.mkdir()
        # Whoever comes this far may write files, and remove none of others.
        made.traces.chmod(0o1733)
        made.seen.mkdir(0o755)
        fd = learning.lock(base)
        try:
            yield made
        finally:
            os.close(fd)


def text_of(service: Service, where: Place, *, is_behind: bool) -> str:
    """Return the drop-in of a service; empty if it has nothing to trace.

    Args:
        service: The service.
        where: Where its traces go.
        is_behind: Whether a proxy stands before it, with which it shares a network.

    Raises:
        ActivatorError: It has a root directory of its own.
    """
    for name in _ROOTS:
        if (entry := service.settings.get(name)) and entry.value:
            what = f"{service.name} has files of its own ({name}=), and no strace among them"
            raise ActivatorError(what, "learn from it without --on-system", place=entry.place)
    more = []
    traces = where.traces
    if service.user or service.is_dynamic:
        traces = where.seen
        more.append(f"BindPaths={where.traces}:{where.seen}")
    if service.is_dynamic:
        more.append(_WRITABLE)
    kept = (_ALONE,) if is_behind else ()
    text = drop_in(service, tracer.words(str(traces)), more, kept)
    return f"{learning.head(where.base)}{text}" if text else ""
