"""The files of Unix sockets and FIFOs: made, replaced when stale, and removed again.

Source: systemd.socket(5), SocketMode=, DirectoryMode=, Symlinks=. systemd replaces whatever
is at a socket's path; here a live listener, or a file of another type, is an error.
"""

import errno
import grp
import os
import pwd
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from activator.errors import ActivatorError
from activator.local.sockets import mqueue
from activator.local.units.models import NodeOptions
from activator.unitfile.address import Address

_NO_ID = 0xFFFFFFFF  # what chown(2) takes for no change; nobody has it


@dataclass
class Made:
    """What was made in the file system, so that just this is removed again.

    Attributes:
        nodes: Path → device and inode.
        directories: From the outermost to the innermost.
        queues: The names of message queues.
    """

    nodes: dict[str, tuple[int, int]] = field(default_factory=dict)
    directories: list[str] = field(default_factory=list)
    queues: list[str] = field(default_factory=list)

    def add(self, path: str) -> None:
        """Remember a node that was just made."""
        status = os.lstat(path)
        self.nodes[path] = (status.st_dev, status.st_ino)

    def missing(self, path: str) -> bool:
        """Tell whether a node that was made is not there any more."""
        try:
            status = os.lstat(path)
        except OSError:
            return path in self.nodes
        return (status.st_dev, status.st_ino) != self.nodes.get(
            path, (status.st_dev, status.st_ino)
        )

    def remove(self) -> None:
        """Remove what is still ours; a directory only if it is empty."""
        for path, identity in self.nodes.items():
            try:
                status = os.lstat(path)
                if (status.st_dev, status.st_ino) == identity:
                    os.unlink(path)  # noqa: PTH108 - lstat and unlink belong together
            except OSError:
                continue
        self.nodes.clear()
        for directory in reversed(self.directories):
            try:
                os.rmdir(directory)  # noqa: PTH106
            except OSError:
                continue
        self.directories.clear()
        for name in self.queues:
            mqueue.remove(name)
        self.queues.clear()


def make_parents(path: str, mode: int, made: Made) -> None:
    """Make the missing directories above a path.

    Raises:
        OSError: One cannot be made.
    """
    missing = []
    for parent in Path(path).parents:
        if parent.exists():
            break
        missing.append(str(parent))
    for directory in reversed(missing):
        os.mkdir(directory, mode)  # noqa: PTH102
        made.directories.append(directory)
        # Another user may have a hand in the directory above, and a link in this one's place.
        descriptor = os.open(directory, os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchmod(descriptor, mode)  # our umask does not apply
        finally:
            os.close(descriptor)


def clear_stale(address: Address) -> None:
    """Remove a Unix socket's file that nobody listens on.

    Raises:
        ActivatorError: Somebody does listen, or the file is no socket.
        OSError: It cannot be removed.
    """
    path = address.path
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    change = f"change {address.directive}="
    if not stat.S_ISSOCK(status.st_mode):
        raise ActivatorError(f"{path} exists and is not a socket", f"move it away, or {change}")
    with socket.socket(socket.AF_UNIX, address.type or 0) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)  # noqa: PTH108
            return
        except FileNotFoundError:
            return
        except OSError as error:
            # A full queue and another socket type both mean that somebody listens.
            if error.errno not in (errno.EAGAIN, errno.EPROTOTYPE, errno.EINPROGRESS):
                raise
    raise ActivatorError(
        f"another process is listening on {path}", f"stop it (ss -xlp names it), or {change}"
    )


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Set the umask for a moment: a socket's mode exists from its first moment on."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def held(path: str, made: Made) -> Iterator[str]:
    """Hold a node that was made, and yield a path by which nothing else can be changed.

    Another user may own its directory, and have put a link in its place (symlink(7), O_PATH).

    Raises:
        FileNotFoundError: It has gone, or something else is there.
    """
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if made.nodes.get(path, (status.st_dev, status.st_ino)) != (status.st_dev, status.st_ino):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if stat.S_ISLNK(status.st_mode):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def set_owner(path: str, options: NodeOptions, made: Made) -> str:
    """Give a node to SocketUser= and SocketGroup=.

    Returns:
        A note if we are not permitted to, else nothing.

    Raises:
        ActivatorError: There is no such user or group.
        FileNotFoundError: The node has gone.
    """
    uid, gid = owner_of(options)
    if (uid, gid) == (-1, -1):
        return ""
    try:
        with held(path, made) as node:
            status = os.stat(node)  # noqa: PTH116
            if (uid in (-1, status.st_uid)) and (gid in (-1, status.st_gid)):
                return ""
            os.chown(node, uid, gid)
    except PermissionError:
        owner = f"{options.user}:{options.group}".rstrip(":")
        return f"{path} stays ours: only root may give it to {owner}"
    return ""


def owner_of(options: NodeOptions) -> tuple[int, int]:
    """Return the numbers of SocketUser= and SocketGroup=, -1 for what stays as it is.

    Raises:
        ActivatorError: There is no such user or group.
    """
    uid, gid = -1, -1
    if options.user:
        uid, gid = _user(options.user)
    if options.group:
        gid = _group(options.group)
    return uid, gid


def make_symlinks(target: str, links: tuple[str, ...], mode: int, made: Made) -> list[str]:
    """Make the symlinks to a node.

    Args:
        target: The node.
        links: Where the symlinks go.
        mode: The access mode of missing directories.
        made: Gets what was made.

    Returns:
        Notes about those that could not be made.
    """
    notes = []
    for link in links:
        try:
            make_parents(link, mode, made)
            if os.path.islink(link) and os.readlink(link) == target:  # noqa: PTH114, PTH115
                continue
            os.symlink(target, link)  # noqa: PTH211
            made.add(link)
        except OSError as error:
            notes.append(f"the symlink {link} could not be made: {error.strerror}")
    return notes


def _user(name: str) -> tuple[int, int]:
    """Return a user's number and primary group."""
    try:
        entry = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        if name.isdigit() and int(name) < _NO_ID:
            return int(name), -1
        raise ActivatorError(f"there is no user {name}", "correct SocketUser=") from None
    return entry.pw_uid, entry.pw_gid


def _group(name: str) -> int:
    """Return a group's number."""
    if name.isdigit() and int(name) < _NO_ID:
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise ActivatorError(f"there is no group {name}", "correct SocketGroup=") from None
