"""The users, groups and directories that units name, and that the package has to make."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from activator import unquoting
from activator.unit import UnitFile

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
    """Yield the users, then the groups, that units name and Debian does not have."""
    parsed = list(units)
    users = {name: unit for unit in parsed for name in _named(unit, _USER_KEYS)}
    groups = {name for unit in parsed for name in _named(unit, _GROUP_KEYS)}
    for name in sorted(users.keys() - USERS):
        yield Account("u", name, users[name].get("Unit", "Description", name) or name)
    for name in sorted(groups - GROUPS - users.keys()):
        yield Account("g", name, "")


def directories(units: Iterable[UnitFile]) -> Iterator[Directory]:
    """Yield the directories that services of a user of their own may write to.

    systemd refuses to start a service whose ReadWritePaths= is missing: systemd.exec(5). What
    StateDirectory= and its like name, it makes by itself.
    """
    seen = set()
    for unit in units:
        users = list(_named(unit, (("Service", "User"),)))
        if not users:
            continue
        groups = list(_named(unit, (("Service", "Group"),))) or users
        for value in unit.get_all("Service", "ReadWritePaths"):
            for path in unquoting.words(value):
                if path.startswith("/") and not path.startswith("/dev/") and path not in seen:
                    seen.add(path)
                    yield Directory(path, users[-1], groups[-1])


def _named(unit: UnitFile, keys: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield the names that a unit gives to some directives; not those that systemd makes up."""
    dynamic = (unit.get("Service", "DynamicUser", "") or "").lower() in _TRUE
    for section, key in keys:
        for value in unit.get_all(section, key):
            for name in value.split():
                if not name.isdecimal() and "%" not in name and not (dynamic and key == "User"):
                    yield name
