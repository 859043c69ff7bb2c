"""Open what is no socket: FIFOs, special files and message queues.

Source: systemd.socket(5); the modes of FIFOs and queues are cut by the manager's umask there,
which is 0 for the system's.
"""

import fcntl
import grp
import os
import pwd
import select
import stat
from collections.abc import Callable
from contextlib import suppress

from activator.errors import ActivatorError
from activator.local.sockets import mqueue, node
from activator.local.units.models import SocketUnit

_FLAGS = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY


def _fifo(path: str, unit: SocketUnit, made: node.Made, notes: list[str]) -> int:
    """Make a FIFO, or open the one that is there if it is as it would be made."""
    options = unit.node
    node.make_parents(path, options.directory_mode, made)
    try:
        with node.umask(0):
            os.mkfifo(path, options.mode & 0o7777)
        made.add(path)
    except FileExistsError:
        if not stat.S_ISFIFO(os.lstat(path).st_mode):
            raise ActivatorError(
                f"{path} exists and is no FIFO", "move it away, or change ListenFIFO="
            ) from None
    descriptor = os.open(path, os.O_RDWR | _FLAGS)
    _refuse_other(descriptor, f"the FIFO {path}", options.mode)
    if options.pipe_size:
        try:
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, options.pipe_size)
        except (OSError, OverflowError) as error:
            notes.append(f"PipeSize= could not be set: {error}")
    return descriptor


def _special(path: str, unit: SocketUnit, _: node.Made, __: list[str]) -> int:
    """Open a character device or a regular file that exists."""
    access = os.O_RDWR if unit.node.writable else os.O_RDONLY
    descriptor = os.open(path, access | _FLAGS)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISCHR(mode):
        os.close(descriptor)
        raise ActivatorError(
            f"{path} is neither a regular file nor a character device", "change ListenSpecial="
        )
    _refuse_unpolled(descriptor, path)
    return descriptor


def _queue(path: str, unit: SocketUnit, made: node.Made, notes: list[str]) -> int:
    """Open a message queue, and make it if there is none."""
    options = unit.node
    ours = not mqueue.exists(path)
    try:
        with node.umask(0):
            descriptor = mqueue.create(
                path, options.mode, options.queue_messages, options.queue_message_size
            )
    except OSError as error:
        what = f"cannot open the message queue {path}: {error.strerror}"
        hint = "see mq_overview(7) for the kernel's limits on names and sizes"
        raise ActivatorError(what, hint) from None
    if ours:
        made.queues.append(path)
    _refuse_other(descriptor, f"the message queue {path}", options.mode)
    if options.user or options.group:
        notes += _give(descriptor, path, unit)
    return descriptor


def _give(descriptor: int, path: str, unit: SocketUnit) -> list[str]:
    """Give a queue to SocketUser= and SocketGroup=; return a note if we may not."""
    uid = gid = -1
    with suppress(KeyError):
        if name := unit.node.user:
            entry = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
            uid, gid = entry.pw_uid, entry.pw_gid
        if name := unit.node.group:
            gid = int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
    try:
        os.fchown(descriptor, uid, gid)
    except PermissionError:
        return [f"{path} stays ours: only root may give it away"]
    return []


def _refuse_other(descriptor: int, what: str, mode: int) -> None:
    """Refuse what is there already with another mode or owner than it would get."""
    status = os.fstat(descriptor)
    if stat.S_IMODE(status.st_mode) != mode or status.st_uid != os.geteuid():
        os.close(descriptor)
        raise ActivatorError(
            f"{what} has another mode or owner than it would get", "remove it first"
        )


def _refuse_unpolled(descriptor: int, path: str) -> None:
    """Refuse a file whose data cannot be waited for."""
    try:
        with select.epoll() as poll:
            poll.register(descriptor, select.EPOLLIN)
    except PermissionError:
        os.close(descriptor)
        raise ActivatorError(
            f"{path} cannot be waited for", "choose a file that can be polled"
        ) from None


# Kind → what opens it: path, unit, what was made, notes → its descriptor.
OPENERS: dict[str, Callable[[str, SocketUnit, node.Made, list[str]], int]] = {
    "fifo": _fifo,
    "special": _special,
    "mqueue": _queue,
}
