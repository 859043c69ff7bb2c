"""The rule about users and groups that a root directory lacks."""

import os
from collections.abc import Iterator

from activator.check.units import Problem, Unit, World
from activator.unitfile.search import within

_USERS = ("User", "SocketUser")
_GROUPS = ("Group", "SocketGroup")


def unknown_user(unit: Unit, world: World) -> Iterator[Problem]:
    """Find users and groups that do not exist in the root directory: the start fails.

    Users that systemd-sysusers creates and those of DynamicUser=yes are fine. Users that come
    over the network, as with LDAP, are not seen; silence the rule for these.

    Bad::

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
        User=nosuch

    Good::

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
        User=root
    """
    if world.root is None or unit.settings.on("DynamicUser"):
        return
    for names, kind in ((_USERS, "u"), (_GROUPS, "g")):
        for name in names:
            entry = unit.settings.get(name)
            if entry is None or not entry.value or "%" in entry.value:
                continue
            value = entry.value
            if not value.isdigit() and value not in _accounts(world, kind):
                what = "user" if kind == "u" else "group"
                message = f"there is no {what} {value}"
                yield Problem(message, "create it, for example with sysusers.d(5)", entry)


def _accounts(world: World, kind: str) -> set[str]:
    """Return the names of the users or groups of a root directory."""
    known = world.notes.get(kind)
    if known is None:
        known = world.notes[kind] = {"root", "nobody"}
        file = "passwd" if kind == "u" else "group"
        known.update(line.partition(":")[0] for line in _text(f"/etc/{file}", world))
        for directory in ("/etc/sysusers.d", "/run/sysusers.d", "/usr/lib/sysusers.d"):
            for name in _names(directory, world):
                for line in _text(f"{directory}/{name}", world):
                    words = line.split()
                    if len(words) > 1 and words[0].rstrip("!") in ("u", kind):
                        known.add(words[1])
        if kind == "g":
            known.update(("nogroup",))
    found: set[str] = known
    return found


def _text(path: str, world: World) -> list[str]:
    """Return the lines of a file below the root directory; nothing if it cannot be read."""
    root = world.root or ""
    try:
        with open(within(f"{root}{path}", root), encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError:
        return []


def _names(path: str, world: World) -> list[str]:
    """Return the names in a directory below the root directory."""
    root = world.root or ""
    try:
        return os.listdir(within(f"{root}{path}", root))
    except OSError:
        return []
