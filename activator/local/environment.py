"""The environment of a service: a small, known set, as from the system manager.

Source: systemd.exec(5), "Environment variables in spawned processes", and its order: what
comes later wins, UnsetEnvironment= comes last.
"""

import os
import pwd
from collections.abc import Mapping, Sequence

from activator.local.command import search_path
from activator.local.models import ServiceUnit

# Set in the child, which alone knows its PID.
PID_NAMES = ("LISTEN_PID", "SYSTEMD_EXEC_PID")
_LOCALE = ("LANG", "LANGUAGE", "TZ")


def build(
    service: ServiceUnit,
    *,
    names: Sequence[str],
    connection: Mapping[str, str],
    invocation: str,
    notify: str,
    extra: Mapping[str, str],
) -> dict[str, str]:
    """Return the environment of one process, all but :data:`PID_NAMES`.

    Args:
        service: The unit.
        names: The name of each descriptor that is passed from 3 on; empty for none.
        connection: REMOTE_ADDR and its kin, of a connection.
        invocation: The INVOCATION_ID.
        notify: The path for NOTIFY_SOCKET; empty for none.
        extra: What the user adds to all services, below the unit's own settings.
    """
    environment = _base()
    environment["INVOCATION_ID"] = invocation
    if names:
        environment["LISTEN_FDS"] = str(len(names))
        environment["LISTEN_FDNAMES"] = ":".join(names)
    environment |= connection
    if notify:
        environment["NOTIFY_SOCKET"] = notify
    if service.runtime_directories:
        environment["RUNTIME_DIRECTORY"] = ":".join(service.runtime_directories)
    environment |= extra
    for name in service.pass_environment:
        if name in os.environ:
            environment[name] = os.environ[name]
    environment |= service.environment
    for item in service.unset_environment:
        name, equals, value = item.partition("=")
        if not equals or environment.get(name) == value:
            environment.pop(name, None)
    return environment


def _base() -> dict[str, str]:
    """Return what every service gets."""
    environment = {
        key: value for key, value in os.environ.items() if key in _LOCALE or key.startswith("LC_")
    }
    environment["PATH"] = search_path()
    try:
        entry = pwd.getpwuid(os.getuid())
    except KeyError:
        return environment
    return environment | {
        "HOME": entry.pw_dir,
        "USER": entry.pw_name,
        "LOGNAME": entry.pw_name,
        "SHELL": entry.pw_shell,
    }
