"""Gather what a process was passed, as plain values that JSON can hold."""

import fcntl
import os

from activator import listen_fds
from activator.errors import ActivatorError
from activator.runtime.commands.inspect.backlog import backlog
from activator.runtime.commands.inspect.options import in_force, protocol
from activator.runtime.listener import Listener
from activator.runtime.variables import FIRST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The variables that a service manager sets, by their beginnings (systemd.exec(5)).
VARIABLES = (
    *("LISTEN_", "REMOTE_", "SO_COOKIE", "NOTIFY_SOCKET", "WATCHDOG_", "FDSTORE", "MAINPID"),
    *("MANAGERPID", "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "TRIGGER_"),
    *("RUNTIME_DIRECTORY", "STATE_DIRECTORY", "CACHE_DIRECTORY", "LOGS_DIRECTORY"),
    *("CONFIGURATION_DIRECTORY", "CREDENTIALS_DIRECTORY", "MEMORY_PRESSURE_", "DEBUG_INVOCATION"),
)
# Flags that say something of a passed descriptor (open(2)).
FLAGS = ("O_APPEND", "O_ASYNC", "O_DIRECT", "O_NONBLOCK", "O_PATH", "O_SYNC")
ACCESS = {os.O_RDONLY: "O_RDONLY", os.O_WRONLY: "O_WRONLY", os.O_RDWR: "O_RDWR"}

NOTHING = "no descriptors were passed"
HINT = "put this command into ExecStart= of an activated service, or: activator run -h"


class Surroundings:
    """What a process was passed.

    Attributes:
        problem: What is wrong with it; None if all is well.
        variables: Those that the service manager sets.
        listeners: What was passed.
        numbers: Listener → the number that it came by.
        closing: The numbers of those that came with FD_CLOEXEC set.
        others: Open descriptors from 3 up that were not passed.
    """

    def __init__(self, mine: int = -1) -> None:
        """Take what was passed.

        Args:
            mine: An open descriptor to pass over.
        """
        self.variables = {
            name: value for name, value in sorted(os.environ.items()) if name.startswith(VARIABLES)
        }
        opened = _opened()
        self.closing = {fd for fd in opened if not os.get_inheritable(fd)}
        self.problem: ActivatorError | None = None
        self.listeners: tuple[Listener, ...] = ()
        try:
            found = listen_fds()
        except ActivatorError as error:
            self.problem = error
        else:
            self.listeners = tuple(found)
            if not found:
                reason = f" ({found.absence})" if found.absence else ""
                self.problem = ActivatorError(f"{NOTHING}{reason}", HINT)
        # What StandardInput=socket made of descriptor 0 has moved.
        self.numbers = {item: item.fd if item.fd in opened else 0 for item in self.listeners}
        passed = {mine, *(item.fd for item in self.listeners)}
        self.others = [Listener("", fd) for fd in opened if fd not in passed]

    def facts(self) -> "dict[str, Any]":
        """Return all that is known."""
        return {
            "problem": str(self.problem) if self.problem else None,
            "process": {"pid": os.getpid(), "parent": os.getppid(), "user": os.geteuid()},
            "variables": self.variables,
            "descriptors": [
                *(self._facts(item, self.numbers[item]) for item in self.listeners),
                *(self._facts(item, item.fd, passed=False) for item in self.others),
            ],
        }

    def _facts(self, item: Listener, number: int, *, passed: bool = True) -> "dict[str, Any]":
        status = fcntl.fcntl(item.fd, fcntl.F_GETFL)
        flags = [ACCESS.get(status & os.O_ACCMODE, "")]
        flags += [name for name in FLAGS if status & getattr(os, name) == getattr(os, name)]
        flags += ["FD_CLOEXEC"] if number in self.closing else []
        waiting = backlog(item)
        sock = item.socket() if item.family is not None else None
        who = item.credentials
        return {
            "fd": number,
            "name": item.name,
            "passed": passed,
            "kind": item.kind,
            "family": item.family.name if item.family else None,
            "type": sock.type.name if sock else None,
            "protocol": (protocol(sock) if sock else "") or None,
            "address": item.address,
            "peer": item.peer,
            "credentials": who
            and {"pid": who.pid, "uid": who.uid, "gid": who.gid, "groups": list(who.groups)},
            "cookie": item.cookie,
            "queue": waiting
            and {"waiting": waiting[0], "limit": waiting[1] or None, "of": waiting[2]},
            "blocking": not status & os.O_NONBLOCK,
            "flags": flags,
            "options": [
                {"option": name, "directive": directive, "value": value}
                for directive, name, value in (in_force(sock) if sock else ())
            ],
        }


def _opened() -> list[int]:
    """Return the open descriptors from 3 up."""
    found = []
    with os.scandir("/proc/self/fd") as entries:
        numbers = [int(entry.name) for entry in entries]
    for fd in sorted(numbers):
        try:
            os.fstat(fd)
        except OSError:  # that of the directory itself
            continue
        if fd >= FIRST:
            found.append(fd)
    return found
