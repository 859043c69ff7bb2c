"""Tell the service manager about the service's state: ``sd_notify(3)``.

Every function returns whether the message was sent: False without NOTIFY_SOCKET, as in a
service that is not Type=notify, and also if sending failed, since sd_notify(3) advises to
go on then. Import-light, as :mod:`activator.listen`.
"""

from time import CLOCK_MONOTONIC, clock_gettime_ns

from systemd import daemon


def ready(text: str = "") -> bool:
    """Say that the service is up (READY=1), with an optional status line."""
    return _send("READY=1\n" + _status(text))


def reloading(text: str = "") -> bool:
    """Say that the service takes up what is new (RELOADING=1); :func:`ready` ends that.

    With the time, by which Type=notify-reload tells whether its request was heard.
    """
    now = clock_gettime_ns(CLOCK_MONOTONIC) // 1000
    return _send(f"RELOADING=1\nMONOTONIC_USEC={now}\n{_status(text)}")


def stopping(text: str = "") -> bool:
    """Say that the service is about to end (STOPPING=1), with an optional status line."""
    return _send("STOPPING=1\n" + _status(text))


def status(text: str) -> bool:
    """Show one line of text in ``systemctl status`` (STATUS=)."""
    return _send(_status(text or " "))


def watchdog() -> bool:
    """Say that the service is alive (WATCHDOG=1); due twice within each WatchdogSec=."""
    return _send("WATCHDOG=1")


def extend_timeout(seconds: float) -> bool:
    """Ask for so much more time, to start or to stop (EXTEND_TIMEOUT_USEC=)."""
    return _send(f"EXTEND_TIMEOUT_USEC={seconds * 1e6:.0f}")


def own(name: str, value: str) -> bool:
    """Send a field of our own (X_NAME=), which managers ignore that do not know it."""
    return _send(f"X_{name}={value}")


def _status(text: str) -> str:
    # Lines separate assignments, so a line break in a text would begin another one.
    line = " ".join(text.replace("\0", " ").splitlines())
    return f"STATUS={line.encode(errors='replace').decode()}" if text else ""


def _send(message: str) -> bool:
    try:
        return bool(daemon.notify(message))
    except OSError:
        return False
