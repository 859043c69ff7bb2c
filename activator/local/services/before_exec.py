"""What a child sets on itself between fork and exec: limits, priorities, user and group.

Source: systemd.exec(5). A number that only root may set is left as it is for anybody else;
what was asked for and cannot be had is told when the units are loaded.
"""

import ctypes
import grp
import os
import pwd
import resource
from collections.abc import Iterator
from dataclasses import dataclass

from activator.errors import ActivatorError
from activator.local.services.privileges import privilege_settings
from activator.local.services.process import Setting
from activator.local.services.scheduling import scheduling_settings
from activator.local.units.resource_limits import DEFAULT_LIMITS, LIMITS
from activator.local.units.service_model import ExecCommand, Execution

_PR_SET_NO_NEW_PRIVS = 38
_NOBODY = 65534
_LARGEST = 2.0**62
# What stands for the lack of a login shell.
_NO_SHELLS = {"", "/dev/null"} | {
    f"{directory}/{name}"
    for directory in ("/bin", "/sbin", "/usr/bin", "/usr/sbin")
    for name in ("nologin", "false", "true")
}
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Identity:
    """Who a process is.

    Attributes:
        uid: The user's number.
        gid: The group's number.
        groups: All its groups.
        name: The user's name.
        home: The home directory; empty for none.
        shell: The login shell; empty for none.
    """

    uid: int
    gid: int
    groups: tuple[int, ...]
    name: str
    home: str
    shell: str


def identity_of(execution: Execution) -> Identity | None:
    """Return who User=, Group= and SupplementaryGroups= name, None for ourselves.

    Only root can become somebody else; for anybody else this is always None.

    Raises:
        ActivatorError: There is no such user or group.
    """
    asked = execution.user or execution.group or execution.supplementary_groups
    if not asked or os.geteuid() != 0:
        return None
    entry = _user(execution.user or str(os.getuid()))
    gid = _group(execution.group, "Group") if execution.group else entry.pw_gid
    more = [_group(name, "SupplementaryGroups") for name in execution.supplementary_groups]
    groups = os.getgrouplist(entry.pw_name, gid) if execution.user else os.getgroups()
    nobody = entry.pw_uid == _NOBODY
    return Identity(
        uid=entry.pw_uid,
        gid=gid,
        groups=tuple(dict.fromkeys((*groups, *more))),
        name=entry.pw_name,
        home="" if nobody or entry.pw_dir == "/" else entry.pw_dir,
        shell="" if nobody or entry.pw_shell in _NO_SHELLS else entry.pw_shell,
    )


def settings_for(
    execution: Execution, command: ExecCommand, identity: Identity | None
) -> Iterator[Setting]:
    """Yield what the child of a command sets, in systemd's order."""
    if execution.oom_score_adjust is not None:
        yield Setting("OOMScoreAdjust", _adjust_score, (execution.oom_score_adjust,))
    if execution.nice is not None:
        yield Setting("Nice", _renice, (execution.nice,))
    yield from scheduling_settings(execution.scheduling)
    full = "+" in command.prefixes
    for name, (soft, hard) in () if full else (DEFAULT_LIMITS | execution.limits).items():
        yield Setting(name, _limit, (LIMITS[name], _number(soft), _number(hard)))
    if identity is not None:
        yield Setting("Group", os.setgroups, (identity.groups,))
    if identity is not None and not command.keeps_privileges:
        yield Setting("Group", os.setresgid, (identity.gid,) * 3)
        yield from privilege_settings(execution.privileges, identity.uid)
    elif not full:
        yield from privilege_settings(execution.privileges, None)
    if execution.no_new_privileges and not full:
        yield Setting("NoNewPrivileges", _libc.prctl, (_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def _user(name: str) -> pwd.struct_passwd:
    """Return a user by name or number."""
    try:
        return pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        raise ActivatorError(f"there is no user {name}", "correct User=, or add the user") from None


def _group(name: str, directive: str) -> int:
    """Return a group's number."""
    if name.isdigit():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        hint = f"correct {directive}=, or add the group"
        raise ActivatorError(f"there is no group {name}", hint) from None


def _number(limit: float) -> int:
    """Return a limit as the kernel wants it."""
    return resource.RLIM_INFINITY if limit > _LARGEST else int(limit)


def _limit(number: int, soft: int, hard: int) -> None:
    """Set a limit, or what is nearest to it where our own hard limit is lower."""
    try:
        resource.setrlimit(number, (soft, hard))
    except (PermissionError, ValueError):
        _, most = resource.getrlimit(number)
        resource.setrlimit(number, (_lower(soft, most), _lower(hard, most)))


def _lower(one: int, other: int) -> int:
    """Return the lower of two limits."""
    unlimited = resource.RLIM_INFINITY
    if unlimited in (one, other):
        return other if one == unlimited else one
    return min(one, other)


def _renice(level: int) -> None:
    """Set the nice level, if that is permitted."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, level)
    except PermissionError:
        return


def _adjust_score(score: int) -> None:
    """Set the kernel's badness, if that is permitted."""
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:  # noqa: PTH123
            file.write(str(score))
    except PermissionError:
        return
