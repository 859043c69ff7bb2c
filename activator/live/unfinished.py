"""The record of an installation that goes on, by which one that was killed is found.

It lies in the manager's runtime directory, so that it goes with the manager: what that loads
when it starts is what is there. It is locked as long as the installation goes on, and gone once
that has ended, however it did.
"""

import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from activator.errors import ActivatorError

_SUFFIX = ".json"
# None but the owner may open it: whoever can, can lock it.
_MODE = 0o600


class Unfinished(NamedTuple):
    """What was to be installed or removed.

    Attributes:
        name: The spec's name.
        command: What brings it to its end, as a line of the shell; may be empty.
        units: The units, those that are to go too.
        ran: Those that were up before.
        back: Whether it was being taken back.
        begun: When, in seconds since the epoch.
    """

    name: str
    command: str
    units: tuple[str, ...]
    ran: tuple[str, ...]
    back: bool = False
    begun: float = 0.0


class Record:
    """The record of one installation.

    Args:
        fd: Its file, open and locked.

    Attributes:
        left: What the one before was about, if that did not come to its end.
        kept: Whether this one does not, so that the record stays.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._now: Unfinished | None = None
        self.left = _read(fd)
        self.kept = False

    def write(self, what: Unfinished) -> None:
        """Say what is about to be done.

        Raises:
            ActivatorError: It cannot be written.
        """
        self._now = what._replace(begun=what.begun or time.time())
        text = json.dumps(self._now._asdict()).encode()
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, text, 0)
        except OSError as error:
            raise ActivatorError(f"cannot write down what is done: {error.strerror}") from None

    def take_back(self) -> None:
        """Say that it is taken back from now on."""
        if self._now is not None:
            with suppress(ActivatorError):
                self.write(self._now._replace(back=True))


def directory(*, user: bool) -> Path:
    """Return where the records of a manager are."""
    if not user:
        return Path("/run/activator/install")
    return Path(
        os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}", "activator/install"
    )


@contextmanager
def recorded(name: str, *, user: bool) -> Iterator[Record]:
    """Have the record of an installation in the body; it is removed at the end.

    Raises:
        ActivatorError: Another one of that name goes on, or it cannot be made.
    """
    path = directory(user=user) / f"{name}{_SUFFIX}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = _locked(path)
    except BlockingIOError:
        raise ActivatorError(f"{name} is being installed or removed already", "wait") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ActivatorError(f"cannot write: {reason}", place=str(path)) from None
    record = Record(fd)
    try:
        yield record
    finally:
        if not record.kept:
            path.unlink(missing_ok=True)
        os.close(fd)


def unfinished(*, user: bool) -> Iterator[tuple[Path, Unfinished]]:
    """Yield the records of installations that did not come to their end, and do not go on.

    Those of the system, root alone may see.
    """
    for path in sorted(directory(user=user).glob(f"*{_SUFFIX}")):
        try:
            fd = _open(path, os.O_RDWR)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = _read(fd)
        except BlockingIOError:
            continue
        finally:
            os.close(fd)
        if found is not None:
            yield path, found


def _locked(path: Path) -> int:
    """Open and lock a file that may be removed meanwhile by who had it before."""
    while True:
        fd = _open(path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(fd).st_nlink:
                return fd
        except OSError:
            os.close(fd)
            raise
        os.close(fd)


def _open(path: Path, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, _MODE)


def _read(fd: int) -> Unfinished | None:
    """Return what a record says; None if nothing had been done yet."""
    size = os.fstat(fd).st_size
    if not size or not stat.S_ISREG(os.fstat(fd).st_mode):
        return None
    try:
        said: dict[str, Any] = json.loads(os.pread(fd, size, 0))
        return Unfinished(**{key: _plain(value) for key, value in said.items()})
    except (ValueError, TypeError):
        return None  # it was killed while it wrote this


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
