"""Which systemd a spec is written for."""

import re
from typing import Any

from activator.common.integers import bounded
from activator.errors import ActivatorError
from activator.unitfile import directives


def version(value: Any) -> int:
    """Return the version that ``systemd = ...`` names.

    Args:
        value: A number, the code name of a Debian release, or ``"installed"``.

    Raises:
        ActivatorError: The name is unknown, the version is older than the oldest
            supported, or none is installed.
    """
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = bounded(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if value < directives.OLDEST:
            raise ActivatorError(
                f"systemd {value} is too old", f"{directives.OLDEST} is the oldest supported"
            )
        return value
    if value == "installed":
        return installed()
    if value in directives.SUITES:
        return directives.SUITES[value]
    names = ", ".join(f'"{name}"' for name in directives.SUITES)
    raise ActivatorError(
        f"systemd = {value!r} is unknown", f'give a number, {names} or "installed"'
    )


def installed() -> int:
    """Return the version of the systemd on this machine.

    Raises:
        ActivatorError: There is none.
    """
    import subprocess  # noqa: PLC0415 - nearly no spec asks for the installed one

    try:
        run = subprocess.run(
            ["systemctl", "--version"], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        raise ActivatorError("no systemd is installed here", "name a version") from None
    match = re.match(r"systemd (\d+)", run.stdout)
    if match is None:
        raise ActivatorError("the installed systemd does not tell its version", "name a version")
    return int(match[1])
