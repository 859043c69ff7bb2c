"""Rules about [Install] and targets: names that nothing starts, and that cannot be enabled."""

from collections.abc import Iterator

from activator.check.catalogue import targets
from activator.check.units import INFO, INSTALLS, Problem, Unit, World
from activator.common.suggest import nearest

_ORDERS = ("After", "Before", "Wants")
# As like a name must be to one that exists: socket and sockets are, network and net are not.
_LIKE = 0.87
_LETTERS = 3


def target_of_system(unit: Unit, world: World) -> Iterator[Problem]:
    """Find units of a user's manager that want a target which only the system has.

    Such a unit can be enabled, but nothing ever starts it. After= with such a target does
    nothing.

    Bad::

        # echo.service (of a user)
        [Service]
        ExecStart=/usr/bin/echo-server

        [Install]
        WantedBy=multi-user.target

    Good::

        # echo.service (of a user)
        [Service]
        ExecStart=/usr/bin/echo-server

        [Install]
        WantedBy=default.target
    """
    if not unit.user:
        return
    wanted = (*unit.words("Install", *INSTALLS), *unit.words("Unit", *_ORDERS))
    for word, entry in wanted:
        if targets().get(word) != "system" or world.find(word) is not None:
            continue
        message = f"a user's manager has no {word}, so "
        if entry.section == "Install":
            hint = f"write {entry.name}=default.target"
            yield Problem(f"{message}this never starts", hint, entry, focus=word)
        else:
            message += f"{entry.name}={word} does nothing"
            hint = "remove it, and let the program wait"
            yield Problem(message, hint, entry, focus=word, severity=INFO)


def alias_of_other_type(unit: Unit, _: World) -> Iterator[Problem]:
    """Find an Alias= with another suffix than the unit's: systemctl enable fails.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777

        [Install]
        Alias=echo-server.service

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777

        [Install]
        Alias=echo-server.socket

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    for word, entry in unit.words("Install", "Alias"):
        if word.rpartition(".")[0].endswith("@") and not unit.is_template:
            message = f"the alias {word} is a template, but the unit is not"
            hint = "leave the @ out, or name an instance"
            yield Problem(f"{message}, so it cannot be enabled", hint, entry, focus=word)
        if "." in word and not word.endswith(f".{unit.type}"):
            message = f"the alias {word} is of another type, so the unit cannot be enabled"
            yield Problem(message, f"end it with .{unit.type}", entry, focus=word)


def misspelt_target(unit: Unit, world: World) -> Iterator[Problem]:
    """Find targets that do not exist, but have almost the name of one that does.

    systemctl enable makes a link for any name; nothing starts the unit then.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777

        [Install]
        WantedBy=socket.target

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777

        [Install]
        WantedBy=sockets.target

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    bonds = (*_ORDERS, "Requires", "BindsTo", "PartOf", "Requisite")
    for word, entry in (*unit.words("Install", *INSTALLS), *unit.words("Unit", *bonds)):
        if near := _meant(word, world):
            message = f"there is no {word}, so {entry.name}={word} does nothing"
            if entry.section == "Install":
                message = f"there is no {word}, so nothing starts the unit"
            yield Problem(message, f"did you mean {near}?", entry, focus=word)


def _meant(word: str, world: World) -> str:
    """Return the target whose name was misspelt, nothing if that is not sure."""
    stem, dot, kind = word.rpartition(".")
    if kind not in ("target", "targets") or not stem or "@" in stem or "%" in stem:
        return ""
    if word in targets() or world.find(word) is not None or world.alias_of(word):
        return ""
    # A word of another length is none of them, and the search takes its time.
    known = [name.removesuffix(".target") for name in targets()]
    near = nearest(stem, [name for name in known if abs(len(name) - len(stem)) <= _LETTERS], _LIKE)
    return f"{near}.target" if near and dot else ""
