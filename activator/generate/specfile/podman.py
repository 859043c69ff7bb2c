"""Which podman a spec is written for."""

import re
from typing import Any

from activator.errors import ActivatorError
from activator.unitfile.quadlet.versions import OLDEST, Version, beside, read


def version(value: Any, systemd: int) -> Version:
    """Return the version that ``podman = ...`` names.

    Args:
        value: A version, a Debian release or ``"installed"``; None for what there is: the
            podman installed, else the one that Debian has with that systemd.
        systemd: The systemd version the spec is for.

    Raises:
        ActivatorError: It names none, one without Quadlet, or none is installed.
    """
    if value == "installed":
        return read(_installed())
    if value is not None:
        return read(str(value))
    try:
        found = _installed()
    except ActivatorError:
        return beside(systemd)
    return read(found)


def _installed() -> str:
    """Return the version of the podman on this machine.

    Raises:
        ActivatorError: There is none.
    """
    import subprocess  # noqa: PLC0415 - few specs have a container

    try:
        run = subprocess.run(
            ["podman", "--version"], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        hint = f'install podman, or name a version, as "{OLDEST[0]}.{OLDEST[1]}"'
        raise ActivatorError("no podman is installed here", hint) from None
    match = re.search(r"([0-9]+\.[0-9]+)", run.stdout)
    if match is None:
        raise ActivatorError("the installed podman does not tell its version", "name a version")
    return match[1]
