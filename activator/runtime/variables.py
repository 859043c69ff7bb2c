"""Read the variables by which descriptors are passed, and say what is wrong with them.

They are those of sd_listen_fds(3). Import-light: no sockets and no libsystemd, for
``activator exec``, which runs before each start of a service.
"""

import os
import stat

from activator.common.integers import decimal
from activator.errors import ActivatorError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLES = ("LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES")
FIRST = 3  # SD_LISTEN_FDS_START
UNKNOWN = "unknown"  # what libsystemd calls a descriptor without a name
INT_MAX = 2**31 - 1
MANAGER_SETS = "the service manager sets it, so a wrapper in between must leave it alone"
REPAIR = "have it use exec, or run the program with activator exec --"


def read(environ: "Mapping[str, str]") -> dict[int, str]:
    """Return the passed descriptors and their names, whichever process they are meant for.

    Raises:
        ActivatorError: The variables contradict each other or name closed descriptors.
    """
    problem = contradiction(environ)
    if problem:
        raise problem
    count = int(environ["LISTEN_FDS"])
    names = environ.get("LISTEN_FDNAMES")
    listed = [UNKNOWN] * count if names is None else names.split(":")
    return dict(enumerate(listed, FIRST))


def contradiction(environ: "Mapping[str, str]") -> ActivatorError | None:
    """Return what is wrong with the variables, if anything is; the order is libsystemd's."""
    pid = environ.get("LISTEN_PID", "")
    if not is_positive(pid):
        return ActivatorError(f"LISTEN_PID is not a process id: {pid[:40]!a}", MANAGER_SETS)
    count = environ.get("LISTEN_FDS", "")
    if not is_positive(count):
        return ActivatorError(f"LISTEN_FDS is not a positive number: {count[:40]!a}", MANAGER_SETS)
    number = int(count)
    for fd in range(FIRST, FIRST + number):
        try:
            os.fstat(fd)
        except OSError:
            return ActivatorError(
                f"LISTEN_FDS is {number}, but descriptor {fd} is not open",
                "a wrapper or shell in between closed it: it must leave 3 and up alone",
            )
    names = environ.get("LISTEN_FDNAMES")
    if names is not None and (named := len(names.split(":"))) != number:
        return ActivatorError(
            f"LISTEN_FDNAMES has {named} name{'s'[: named - 1]}, but LISTEN_FDS is {number}",
            MANAGER_SETS,
        )
    return None


def absence(environ: "Mapping[str, str]", *, taken: bool = False) -> str:
    """Say why nothing is passed to this process, as far as it can be known; else nothing.

    Args:
        environ: The variables.
        taken: Whether descriptors were taken before.
    """
    if "LISTEN_FDS" not in environ:
        return "they were taken by an earlier listen_fds()" if taken else ""
    if "LISTEN_PID" not in environ:
        return "LISTEN_FDS is set but LISTEN_PID is not, so they are not meant for this process"
    if environ["LISTEN_PID"] != str(os.getpid()):
        return (
            f"LISTEN_PID is {environ['LISTEN_PID'][:20]!a} but this process is {os.getpid()}: "
            f"a wrapper or shell started it as a child; {REPAIR}"
        )
    if is_foreign(environ):
        return (
            "LISTEN_PIDFDID is that of another process: a wrapper that sets LISTEN_PID "
            f"must set or remove LISTEN_PIDFDID too; {REPAIR}"
        )
    return ""


def is_foreign(environ: "Mapping[str, str]") -> bool:
    """Tell whether LISTEN_PIDFDID names another process, which libsystemd does from 259 on."""
    wanted = environ.get("LISTEN_PIDFDID")
    if not wanted:
        return False
    mine = pidfd_id()
    return mine is not None and decimal(wanted) != mine


def pidfd_id() -> int | None:
    """Return the inode of this process's pidfd; None where there can be no pidfd."""
    try:
        pidfd = os.pidfd_open(os.getpid())
    except OSError:
        return None
    try:
        return os.fstat(pidfd).st_ino
    finally:
        os.close(pidfd)


def is_socket(fd: int) -> bool:
    """Tell whether a descriptor is open and a socket."""
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        return False


def is_positive(text: str) -> bool:
    """Tell whether a text is a positive number that C's int holds."""
    return 0 < (decimal(text) or 0) <= INT_MAX
