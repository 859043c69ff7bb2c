"""The users, groups and directories that units name, and that the package has to make."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from activator.errors import ActivatorError
from activator.unitfile import unquoting
from activator.unitfile.parse import UnitFile

# What base-passwd and systemd give every Debian system.
_BASE_USERS = """
    _apt backup bin daemon games irc list lp mail man messagebus news nobody proxy root sync sys
    systemd-network systemd-resolve systemd-timesync uucp www-data
"""
_BASE_GROUPS = """
    adm audio cdrom clock crontab dialout dip disk fax floppy input kvm netdev nogroup operator
    plugdev render sasl sgx shadow src staff sudo systemd-journal tape tty users utmp video voice
"""
USERS = frozenset(_BASE_USERS.split())
GROUPS = USERS | frozenset(_BASE_GROUPS.split())
_USER_KEYS = (("Socket", "SocketUser"), ("Service", "User"))
_GROUP_KEYS = (("Socket", "SocketGroup"), ("Service", "Group"), ("Service", "SupplementaryGroups"))
# What systemd takes for the name of a user, and does not replace by another.
_USER = r"[A-Za-z_][A-Za-z0-9_-]{0,30}"
_TRUE = {"yes", "true", "on", "1", "y", "t"}


class Account(NamedTuple):
    """A line of sysusers.d(5).

    Attributes:
        kind: ``u`` for a user with a group of the same name, ``g`` for a group.
        name: Its name.
        description: What the user is for.
    """

    kind: str
    name: str
    description: str


class Directory(NamedTuple):
    """A line of tmpfiles.d(5): a directory, and whose it is."""

    path: str
    user: str
    group: str


def accounts(units: Iterable[UnitFile]) -> Iterator[Account]:
    """Yield the users, then the groups, that units name and Debian does not have.

    A user that systemd makes up for as long as the service runs is among them if the service
    writes to directories: DynamicUser= takes a user of its name if there is one, and that one can
    own them.

    Raises:
        ActivatorError: Such a user has no name that is known before it is made up.
    """
    parsed = list(units)
    users = {name: unit for unit in parsed for name in _named(unit, _USER_KEYS)}
    writing = {_owner(unit)[0]: unit for unit in parsed if any(_written(unit))}
    users |= {name: unit for name, unit in writing.items() if _is_name(name)}
    groups = {name for unit in parsed for name in _named(unit, _GROUP_KEYS)}
    for name in sorted(users.keys() - USERS):
        yield Account("u", name, users[name].get("Unit", "Description", name) or name)
    for name in sorted(groups - GROUPS - users.keys()):
        yield Account("g", name, "")


def directories(units: Iterable[UnitFile]) -> Iterator[Directory]:
    """Yield the directories that services may write to.

    systemd refuses to start a service whose ReadWritePaths= is missing: systemd.exec(5). What
    StateDirectory= and its like name, it makes by itself.

    Raises:
        ActivatorError: As :func:`accounts`.
    """
    seen = set()
    for unit in units:
        for path in _written(unit):
            owner = _owner(unit)
            if path not in seen and not any("%" in name for name in owner):
                seen.add(path)
                yield Directory(path, *owner)


def _written(unit: UnitFile) -> Iterator[str]:
    """Yield the paths that a service may write to, and that must be there."""
    for value in unit.get_all("Service", "ReadWritePaths"):
        for path in unquoting.words(value):
            if path.startswith("/") and not path.startswith("/dev/") and "%" not in path:
                yield path


def _owner(unit: UnitFile) -> tuple[str, str]:
    """Return the user and the group of a service."""
    user = unit.get("Service", "User") or ("" if _is_dynamic(unit) else "root")
    if not user:
        # user_from_unit_name() of systemd: the unit's name up to the @ of a template.
        user = re.split(r"@?\.service$", unit.name)[0]
        if not re.fullmatch(_USER, user):
            raise ActivatorError(
                f"systemd makes up a user for {unit.name}, which can own no directory",
                'name one: needs = ["user:NAME", ...]',
            )
    return user, unit.get("Service", "Group") or user


def _is_dynamic(unit: UnitFile) -> bool:
    """Tell whether systemd makes up the service's user."""
    return (unit.get("Service", "DynamicUser", "") or "").lower() in _TRUE


def _named(unit: UnitFile, keys: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield the names that a unit gives to some directives; not those that systemd makes up."""
    dynamic = _is_dynamic(unit)
    for section, key in keys:
        for value in unit.get_all(section, key):
            for name in value.split():
                if _is_name(name) and not (dynamic and key == "User"):
                    yield name


def _is_name(user: str) -> bool:
    """Tell whether a user or group is named, neither by its number nor by a specifier."""
    return not user.isdecimal() and "%" not in user
