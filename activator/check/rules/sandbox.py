"""Sandboxes that keep a service from what it needs to start or to say that it has."""

import os
from collections.abc import Iterator

from activator.check.commands import SHELLS, loses_descriptors
from activator.check.programs import commands
from activator.check.units import Problem, Unit, World
from activator.unitfile.effective import Settings
from activator.unitfile.parse import Entry
from activator.unitfile.values.times import to_microseconds

_NOTIFIES = ("notify", "notify-reload")
_UNIX = {"AF_UNIX", "AF_LOCAL", "AF_FILE"}
# Without these nobody can open the socket that a message is sent with.
_CALLS = {"socket", "@network-io", "sendmsg"}


def notification_shut_in(unit: Unit, _: World) -> Iterator[Problem]:
    """Find services that have to notify systemd, but may not open a Unix socket.

    READY=1 and WATCHDOG=1 go over a Unix socket, and so does D-Bus. Without one the start ends
    with a timeout.

    Bad::

        # echo.service
        [Service]
        Type=notify
        ExecStart=/usr/bin/echo-server
        RestrictAddressFamilies=AF_INET AF_INET6

    Good::

        # echo.service
        [Service]
        Type=notify
        ExecStart=/usr/bin/echo-server
        RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
    """
    settings = unit.settings
    if unit.type != "service" or not (why := _tells(settings)):
        return
    if entry := _forbids_unix(settings.all("RestrictAddressFamilies")):
        message = f"{why} needs a Unix socket, and AF_UNIX is not allowed"
        hint = "take AF_UNIX out of the list" if entry.value[:1] == "~" else "add AF_UNIX"
        yield Problem(message, hint, entry)
    if entry := _forbids_calls(settings.all("SystemCallFilter")):
        message = f"{why} needs a Unix socket, and the calls for one are not allowed"
        yield Problem(message, "take them out of the list", entry)


def notification_of_child(unit: Unit, _: World) -> Iterator[Problem]:
    """Find wrappers whose program says READY=1 as another process than the main one.

    systemd accepts such messages from the main process alone unless NotifyAccess=all says
    otherwise, so the start ends with a timeout.

    Bad::

        # echo.service
        [Service]
        Type=notify
        ExecStart=/bin/sh -c 'prepare; echo-server; cleanup'

    Good::

        # echo.service
        [Service]
        Type=notify
        ExecStart=/bin/sh -c 'prepare; exec echo-server'
    """
    settings = unit.settings
    if unit.type != "service" or settings.value("Type") not in _NOTIFIES:
        return
    if settings.value("NotifyAccess") == "all":
        return
    for entry in settings.all("ExecStart"):
        script = "systemd-notify" in entry.value
        if (wrapper := loses_descriptors(entry.value)) and not script:
            message = f"{wrapper} starts the program as another process, whose READY=1 is refused"
            hint = "begin the command with exec, or write NotifyAccess=all"
            yield Problem(message, hint, entry)


def compiler_shut_in(unit: Unit, _: World) -> Iterator[Problem]:
    """Find programs that make machine code while they run, where that is forbidden.

    With MemoryDenyWriteExecute=yes Node.js, Java and other programs with a JIT compiler end at
    their start, or at the first function that is worth compiling.

    Bad::

        # shop.service
        [Service]
        ExecStart=/usr/bin/node /srv/shop/server.js
        MemoryDenyWriteExecute=yes

    Good::

        # shop.service
        [Service]
        ExecStart=/usr/bin/node /srv/shop/server.js
    """
    entry = unit.settings.get("MemoryDenyWriteExecute")
    if entry is None or not unit.settings.on("MemoryDenyWriteExecute"):
        return
    from activator.generate.hardening import compiler  # noqa: PLC0415 - few units need it

    for line in unit.settings.all("ExecStart"):
        for command in commands(line.value):
            program, what = compiler(_words([command.path, *command.argv[1:]]))
            if program:
                message = f"{program} makes machine code ({what}), which this forbids"
                yield Problem(message, "remove the line", entry)
                return


def _words(words: list[str]) -> list[str]:
    """Return the words of the program that a command runs, also by a shell's exec."""
    if os.path.basename(words[0]) in SHELLS and "-c" in words[1:-1]:
        script = words[words.index("-c") + 1]
        return (script.rpartition("exec ")[2] if "exec " in script else script).split() or words
    return words


def _tells(settings: Settings) -> str:
    """Return the line for which a service has to open a Unix socket; empty if none does."""
    kind = settings.value("Type")
    if kind in _NOTIFIES:
        return f"Type={kind}"
    if kind == "dbus" or (not kind and settings.value("BusName")):
        return f"BusName={settings.value('BusName')}"
    watchdog = settings.value("WatchdogSec")
    return f"WatchdogSec={watchdog}" if watchdog and to_microseconds(watchdog) else ""


def _forbids_unix(lines: list[Entry]) -> Entry | None:
    """Return the line that leaves AF_UNIX out, None if it is allowed."""
    named: set[str] = set()
    allowing: bool | None = None
    for entry in lines:
        inverted = entry.value.startswith("~")
        words = set(entry.value.removeprefix("~").split()) - {"none"}
        allowing = not inverted if allowing is None else allowing
        named = named | words if inverted is not allowing else named - words
    if allowing is None or bool(named & _UNIX) is allowing:
        return None
    guilty = [entry for entry in lines if allowing or _UNIX & set(entry.value[1:].split())]
    return guilty[-1] if guilty else None


def _forbids_calls(lines: list[Entry]) -> Entry | None:
    """Return the line of a list of what is forbidden that has a socket's calls."""
    if not lines or not lines[0].value.startswith("~"):
        return None
    for entry in lines:
        names = {word.partition(":")[0] for word in entry.value.removeprefix("~").split()}
        if entry.value.startswith("~") and names & _CALLS:
            return entry
    return None
