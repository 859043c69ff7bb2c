"""The environment of a process: a small, known set, as from the system manager.

Source: systemd.exec(5), "Environment variables in spawned processes", and its order: what
comes later wins, UnsetEnvironment= comes last.
"""

import os
import pwd
from collections.abc import Mapping, Sequence

from activator.local.services import environment_file
from activator.local.services.before_exec import Identity
from activator.local.units.command import search_path
from activator.local.units.service_model import Execution

# Set in the child, which alone knows its PID.
PID_NAMES = ("LISTEN_PID", "WATCHDOG_PID", "SYSTEMD_EXEC_PID")
_LOCALE = ("LANG", "LANGUAGE", "TZ")


def build(
    execution: Execution,
    given: Mapping[str, str],
    *,
    identity: Identity | None = None,
    extra: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the environment of one process, all but :data:`PID_NAMES`.

    Args:
        execution: The unit's settings.
        given: What the activator tells the process, such as LISTEN_FDS and REMOTE_ADDR.
        identity: Who it is; None for ourselves.
        extra: What the user adds to all services, below the unit's own settings.

    Raises:
        ActivatorError: A file of EnvironmentFile= cannot be read.
    """
    environment = {**_base(identity), **given, **(extra or {})}
    for name in execution.pass_environment:
        if name in os.environ:
            environment[name] = os.environ[name]
    environment |= execution.environment
    for pattern, optional, place in execution.environment_files:
        environment |= environment_file.read(pattern, place, optional=optional)
    for item in execution.unset_environment:
        name, equals, value = item.partition("=")
        if not equals or environment.get(name) == value:
            environment.pop(name, None)
    return environment


def listening(names: Sequence[str]) -> dict[str, str]:
    """Return what tells a process of its descriptors, by their names; nothing without any."""
    if not names:
        return {}
    return {"LISTEN_FDS": str(len(names)), "LISTEN_FDNAMES": ":".join(names)}


def _base(identity: Identity | None) -> dict[str, str]:
    """Return what every service gets."""
    environment = {
        key: value for key, value in os.environ.items() if key in _LOCALE or key.startswith("LC_")
    }
    environment["PATH"] = search_path()
    if identity is not None:
        name, home, shell = identity.name, identity.home, identity.shell
    else:
        try:
            entry = pwd.getpwuid(os.getuid())
        except KeyError:
            return environment
        name, home, shell = entry.pw_name, entry.pw_dir, entry.pw_shell
    login = {"HOME": home, "USER": name, "LOGNAME": name, "SHELL": shell}
    return environment | {key: value for key, value in login.items() if value}
