"""Tell the service manager about the service's state: ``sd_notify(3)``.

Every function returns whether the message was sent: False without NOTIFY_SOCKET, as in a
service that is not Type=notify, and also if sending failed, since sd_notify(3) advises to
go on then. None waits for long for a manager that does not read: what must not get lost for
:data:`PATIENCE`, what is said again anyway not at all. The socket is kept, so that a service
that has no more descriptors can still say that it is alive. Import-light, as
:mod:`activator.runtime.listen`.
"""

import os
from _socket import AF_UNIX, MSG_DONTWAIT, SCM_RIGHTS, SOCK_CLOEXEC, SOCK_DGRAM, SOL_SOCKET, socket
from sys import byteorder
from time import CLOCK_MONOTONIC, clock_gettime_ns, monotonic

from systemd import daemon

from activator.common.integers import ENDLESS, decimal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Besides, there is what the runtime's processes say to each other.
__all__ = ["extend_timeout", "ready", "reloading", "send", "status", "stopping", "watchdog"]
# How long to wait for a manager that does not read, in seconds.
PATIENCE = 10.0
_INT = 4
_UNIX = ("/", "@")


def ready(text: str = "") -> bool:
    """Say that the service is up (READY=1), with an optional status line."""
    return send("READY=1\n" + _status(text), PATIENCE)


def reloading(text: str = "") -> bool:
    """Say that the service takes up what is new (RELOADING=1); :func:`ready` ends that.

    With the time, by which Type=notify-reload tells whether its request was heard.
    """
    now = clock_gettime_ns(CLOCK_MONOTONIC) // 1000
    return send(f"RELOADING=1\nMONOTONIC_USEC={now}\n{_status(text)}", PATIENCE)


def stopping(text: str = "") -> bool:
    """Say that the service is about to end (STOPPING=1), with an optional status line."""
    return send("STOPPING=1\n" + _status(text), PATIENCE)


def status(text: str) -> bool:
    """Show one line of text in ``systemctl status`` (STATUS=)."""
    return send(_status(text or " "))


def watchdog() -> bool:
    """Say that the service is alive (WATCHDOG=1); due twice within each WatchdogSec=.

    When it was not sent, it may soon be tried again.
    """
    return send("WATCHDOG=1")


def ping_interval() -> float:
    """Return the seconds between pings of the watchdog, 0 for none (sd_watchdog_enabled(3))."""
    microseconds = decimal(os.environ.get("WATCHDOG_USEC", "")) or 0
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    return microseconds / 1e6 / 2 if microseconds < ENDLESS else 0.0


def extend_timeout(seconds: float) -> bool:
    """Ask for so much more time, to start or to stop (EXTEND_TIMEOUT_USEC=)."""
    return send(f"EXTEND_TIMEOUT_USEC={seconds * 1e6:.0f}", PATIENCE)


def own(name: str, value: str, patience: float = 0.0) -> bool:
    """Send a field of our own (X_NAME=), which managers ignore that do not know it.

    Args:
        name: Its name, without the ``X_``.
        value: What to say.
        patience: How long to wait for a receiver that does not read, in seconds.
    """
    return send(f"X_{name}={value}", patience)


def _status(text: str) -> str:
    # Lines separate assignments, so a line break in a text would begin another one.
    line = " ".join(text.replace("\0", " ").splitlines())
    return f"STATUS={line.encode(errors='replace').decode()}" if text else ""


def send(message: str, patience: float = 0.0, fds: "Sequence[int]" = ()) -> bool:
    """Send a message, as sd_notify(3) and sd_pid_notify_with_fds(3) do; return whether it was sent.

    Args:
        message: Assignments, separated by line ends.
        patience: How long to wait for a receiver that does not read, in seconds.
        fds: Descriptors to send a copy of.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    try:
        if _link.is_given:
            return _send(_link.open(), message.encode(), patience, fds)
        if not address.startswith(_UNIX):
            return bool(address) and bool(daemon.notify(message, fds=list(fds)))  # AF_VSOCK
        try:
            return _send(_link.to(address), message.encode(), patience, fds)
        except ConnectionError:
            # Who listened there has gone; somebody else may do it now.
            _link.address = ""
            return _send(_link.to(address), message.encode(), patience, fds)
    except (OSError, ValueError):
        return False


def use(fd: int) -> None:
    """Send to a connected socket from now on, whatever NOTIFY_SOCKET says, and own it."""
    _link.give(fd)


def is_heard() -> bool:
    """Tell whether there is somebody to send to."""
    return _link.is_given or "NOTIFY_SOCKET" in os.environ


def descriptors() -> list[int]:
    """Return what is kept open from the first message to the end, opened now if need be."""
    if _link.is_given or os.environ.get("NOTIFY_SOCKET", "").startswith(_UNIX):
        try:
            return [_link.open().fileno()]
        except OSError:
            pass
    return []


class _Link:
    """The socket to the manager, the same for as long as the process: others know its number.

    Attributes:
        address: What it is connected to; empty for nothing.
        is_given: Whether it was connected by somebody else, and so cannot be opened anew.
    """

    __slots__ = ("_identity", "_socket", "address", "is_given")

    def __init__(self) -> None:
        self.address = ""
        self.is_given = False
        self._socket: socket | None = None
        self._identity: object = None

    def to(self, address: str) -> socket:
        """Return it, connected."""
        link = self.open()
        if self.address != address:
            self.address = ""
            link.connect(os.fsencode("\0" + address[1:] if address[0] == "@" else address))
            self.address = address
        return link

    def open(self) -> socket:
        """Return it."""
        if self._socket and _identity(self._socket) != self._identity:
            # Somebody has closed all descriptors, and the number is another's now, or nobody's.
            self._socket.detach()
            self._socket = None
        if not self._socket:
            if self.is_given:
                raise OSError("it was closed")
            self.address = ""
            return self._keep(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC))
        return self._socket

    def give(self, fd: int) -> None:
        """Use this one instead."""
        self.is_given = True
        self._keep(socket(fileno=fd))

    def _keep(self, link: socket) -> socket:
        self._socket, self._identity = link, _identity(link)
        return link


_link = _Link()


def _identity(link: socket) -> object:
    try:
        status = os.fstat(link.fileno())
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _send(link: socket, data: bytes, patience: float, fds: "Sequence[int]") -> bool:
    rights = b"".join(fd.to_bytes(_INT, byteorder) for fd in fds)
    ancillary = [(SOL_SOCKET, SCM_RIGHTS, rights)] if rights else []
    until = monotonic() + patience
    while True:
        try:
            link.sendmsg([data], ancillary, MSG_DONTWAIT)
        except BlockingIOError:
            left = until - monotonic()
            if left <= 0:
                return False
            from select import POLLOUT, poll  # noqa: PLC0415 - rarely needed

            room = poll()
            room.register(link, POLLOUT)
            room.poll(left * 1000)
        else:
            return True
