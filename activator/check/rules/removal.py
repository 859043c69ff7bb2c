"""Rules about the file of a socket: what removes it while the socket listens."""

import os
import re
from collections.abc import Iterator

from activator.check.commands import run_by
from activator.check.known import Known, names
from activator.check.listeners import listeners
from activator.check.units import Pair, Problem, Unit, World, expand
from activator.unitfile.parse import Entry
from activator.unitfile.unquoting import words
from activator.unitfile.values.numbers import BOOLEANS

_REMOVERS = ("rm", "unlink")
_QUEUES_GIVEN_SINCE = 257  # until then SocketUser= was not for message queues
_UNSET = r"\benv\b.*\s(-i|-|--ignore-environment|(-u|--unset)[= ]?LISTEN_(FDS|PID))\s"


def socket_removed(pair: Pair, world: World) -> Iterator[Problem]:
    """Find sockets below a directory that is removed when the service stops.

    RuntimeDirectory= of the service is removed with all that is in it when the service stops
    or restarts. The socket listens on, but nobody can reach it any more.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=/run/echo/echo.sock

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
        RuntimeDirectory=echo

    Good::

        # echo.socket
        [Socket]
        ListenStream=/run/echo.sock

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
        RuntimeDirectory=echo
    """
    del world
    settings = pair.service.settings
    if BOOLEANS.get(settings.value("RuntimeDirectoryPreserve").lower()):
        return
    for entry, path, name in _in_directories(pair):
        message = f"{path} goes when the service stops, with /run/{name}"
        hint = f"listen at /run/{name}.sock, or add RuntimeDirectoryPreserve=yes"
        yield Problem(message, hint, entry)


def owner_taken(pair: Pair, world: World) -> Iterator[Problem]:
    """Find sockets below the directory of a service that takes them away from their owner.

    The directory is made for the socket, and belongs to root. When the service starts, systemd
    gives RuntimeDirectory= to the service's user, with all that is in it.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=/run/echo/echo.sock
        SocketUser=www-data

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
        User=echo
        RuntimeDirectory=echo
        RuntimeDirectoryPreserve=yes

    Good::

        # echo.socket
        [Socket]
        ListenStream=/run/echo.sock
        SocketUser=www-data

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
        User=echo
        RuntimeDirectory=echo
    """
    del world
    service, socket = pair.service.settings, pair.socket.settings
    user = service.value("User")
    if BOOLEANS.get(service.value("DynamicUser").lower()):
        user = user or pair.service.name
    if user in ("", "root", "0"):
        return
    owners = {"SocketUser": user, "SocketGroup": service.value("Group", user)}
    given = [
        entry
        for name, owner in owners.items()
        if (entry := socket.get(name)) and entry.value != owner
    ]
    for _entry, path, name in _in_directories(pair):
        for entry in given[:1]:
            message = f"{path} is given to the service's user with /run/{name} at its start"
            yield Problem(message, f"listen at /run/{name}.sock", entry)
            return


def _in_directories(pair: Pair) -> Iterator[tuple[Entry, str, str]]:
    """Yield listeners below a RuntimeDirectory= of the service: entry, path, directory."""
    made = [
        expand(word.partition(":")[0], pair.service) or word
        for entry in pair.service.settings.all("RuntimeDirectory")
        for word in words(entry.value)
    ]
    for entry, address in listeners(pair.socket):
        for name in made:
            if address.path.startswith(f"/run/{name}/"):
                yield entry, address.path, name


def removes_socket(pair: Pair, world: World) -> Iterator[Problem]:
    """Find what removes the socket's file with the service: commands, and a wrong PIDFile=.

    The file belongs to the socket unit: without it the socket listens, but nobody can connect
    until the socket is restarted. RemoveOnStop=yes of the socket tidies up.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=/run/echo.sock

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
        ExecStopPost=/bin/rm -f /run/echo.sock

    Good::

        # echo.socket
        [Socket]
        ListenStream=/run/echo.sock
        RemoveOnStop=yes

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    del world
    paths = {address.path for _, address in listeners(pair.socket) if address.has_node}
    if not paths:
        return
    for entry in pair.service.settings.all("PIDFile"):
        if os.path.normpath(os.path.join("/run", entry.value)) in paths:
            message = f"systemd removes {entry.value} when the service has stopped"
            yield Problem(message, f"remove it: the file belongs to {pair.socket.name}", entry)
    for entry in pair.service.entries:
        if entry.name.startswith("Exec") and entry.section == "Service":
            for program, arguments in run_by(entry.value):
                text = " ".join(arguments)
                removes = program in _REMOVERS or re.search(r"\b(rm|unlink)\b", text)
                for path in paths:
                    if removes and re.search(rf"(?<!\S|/){re.escape(path)}(?![\w/.-])", text):
                        message = f"it removes {path}, which belongs to {pair.socket.name}"
                        hint = "remove the command; write RemoveOnStop=yes into the socket"
                        yield Problem(message, hint, entry, focus=path)


def opens_once(unit: Unit, _: World) -> Iterator[Problem]:
    """Find FIFOs and message queues that systemd does not take a second time.

    One that is there already must belong to systemd itself. With SocketUser= or SocketGroup= it
    is given away, stays when the socket is stopped, and keeps it from starting again: "File
    exists". RemoveOnStop=yes has it made anew.

    Bad::

        # echo.socket
        [Socket]
        ListenFIFO=/run/echo.fifo
        SocketUser=echo

    Good::

        # echo.socket
        [Socket]
        ListenFIFO=/run/echo.fifo
        SocketUser=echo
        RemoveOnStop=yes

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    settings = unit.settings
    if unit.type != "socket" or BOOLEANS.get(settings.value("RemoveOnStop").lower()):
        return
    given = [settings.get(name) for name in ("SocketUser", "SocketGroup")]
    owner = next((entry for entry in given if entry and entry.value not in ("root", "0")), None)
    kinds = {"fifo", "mqueue"} if unit.version >= _QUEUES_GIVEN_SINCE else {"fifo"}
    for _entry, address in listeners(unit):
        if owner and address.kind in kinds:
            message = f"a restart finds {address.path} as another's, and fails: File exists"
            yield Problem(message, "add RemoveOnStop=yes", owner)
            return


def removed_at_stop(pair: Pair, world: World) -> Iterator[Problem]:
    """Find programs that remove the socket's file when they stop, unless they see LISTEN_FDS.

    gunicorn takes a Unix socket for its own, and removes it at each stop, if it gets the
    descriptor by number and the variables are gone. The socket unit listens on, but nobody can
    reach it.

    Bad::

        # web.socket
        [Socket]
        ListenStream=/run/web.sock
        FileDescriptorName=web

        # web.service
        [Service]
        ExecStart=activator exec -- gunicorn --bind fd://{fd:web} app:wsgi

    Good::

        # web.socket
        [Socket]
        ListenStream=/run/web.sock

        # web.service
        [Service]
        ExecStart=/usr/bin/gunicorn app:wsgi
    """
    del world
    paths = [address.path for _, address in listeners(pair.socket) if address.has_node]
    if not paths or pair.accept:
        return
    unset = " ".join(entry.value for entry in pair.service.settings.all("UnsetEnvironment"))
    for entry in pair.service.settings.all("ExecStart"):
        program = next((name for name in names(Known.REMOVER) if _runs(name, entry.value)), "")
        if program and "--reuse-port" not in entry.value and _forgets(entry.value, unset):
            message = f"{program} sees no LISTEN_FDS, and removes {paths[0]} at each stop"
            hint = f"start {program} itself, or give activator exec --listen-fds NAME"
            yield Problem(message, hint, entry, focus=program)


def _runs(program: str, value: str) -> bool:
    return any(os.path.basename(word) == program for word in value.split())


def _forgets(value: str, unset: str) -> bool:
    """Return whether a command takes LISTEN_FDS away from the program that it runs."""
    if re.search(r"(?<!\S)LISTEN_(FDS|PID)(?!\S)", unset) or re.search(_UNSET, value):
        return True
    ran = [arguments for name, arguments in run_by(value) if name == "activator"]
    return any(words[:1] == ["exec"] and not _keeps_variables(words) for words in ran)


def _keeps_variables(arguments: list[str]) -> bool:
    """Return whether activator exec passes descriptors on by LISTEN_FDS."""
    own = arguments[1 : arguments.index("--")] if "--" in arguments else arguments[1:]
    if any(word.split("=")[0] == "--listen-fds" for word in own):
        return True
    # If none is named at all, all are passed on as they came.
    return not any("{fd" in word for word in arguments) and "--map" not in " ".join(own)
