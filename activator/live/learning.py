"""What `activator learn --on-system` puts before services, and what it leaves if it is killed.

A drop-in in /run, so that it goes with the boot, names the directory of the traces, where a file is
locked for as long as the service is learned from.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PLACE = Path("/run/systemd/system")
# The directory of traces begins so.
TRACES = "/run/activator-learn-"
# Behind all others of a unit: they are in the order of their names.
DROP_IN = "zzz-activator-learn.conf"
_HEAD = "# activator learn --on-system, traces in "
_LOCK = "lock"


class Left(NamedTuple):
    """What was left of a service.

    Attributes:
        service: Its unit, or its template.
        drop_in: The drop-in.
        traces: The directory of the traces.
    """

    service: str
    drop_in: Path
    traces: Path


def head(traces: Path) -> str:
    """Return the line with which the drop-in begins."""
    return f"{_HEAD}{traces}\n"


def drop_in(service: str) -> Path:
    """Return where the drop-in of a service is."""
    return PLACE / f"{service}.d" / DROP_IN


def lock(traces: Path) -> int:
    """Lock the file that says that a service is learned from; return it, open."""
    fd = os.open(traces / _LOCK, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return fd


def left() -> Iterator[Left]:
    """Yield what was left of services that nobody learns from any more."""
    for path in sorted(PLACE.glob(f"*.service.d/{DROP_IN}")):
        with suppress(OSError, ValueError):
            first = path.read_text().partition("\n")[0]
            traces = Path(first.removeprefix(_HEAD))
            if first.startswith(f"{_HEAD}{TRACES}") and not _is_locked(traces / _LOCK):
                yield Left(path.parent.name.removesuffix(".d"), path, traces)


def _is_locked(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
