"""Settings of a socket or its service that do nothing, or the opposite, for the other."""

import re
from collections.abc import Iterator

from activator.check.commands import run_in
from activator.check.known import Known, known
from activator.check.listeners import listeners
from activator.check.units import INFO, Pair, Problem, Unit, World, expand

_SKIPS = ("Condition", "Assert")
_BESIDE = (
    "ExecCondition",
    "ExecStartPre",
    "ExecStartPost",
    "ExecReload",
    "ExecStop",
    "ExecStopPost",
)
# Standard output as the name of a file.
_STANDARD = r"-|-\w*[oO]-|--[\w-]+=-|/dev/(?:stdout|stderr|fd/[12])"


def user_for_socket(unit: Unit, _: World) -> Iterator[Problem]:
    """Find User= in a socket unit, where it is for commands such as ExecStartPost= alone.

    SocketUser= and SocketGroup= say who owns the socket's file.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=/run/echo.sock
        User=echo

    Good::

        # echo.socket
        [Socket]
        ListenStream=/run/echo.sock
        SocketUser=echo

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    if unit.type != "socket" or any(entry.name.startswith("Exec") for entry in unit.entries):
        return
    for name in ("User", "Group"):
        entry = unit.settings.get(name)
        if entry is not None and entry.value and unit.settings.get(f"Socket{name}") is None:
            message = f"{name}= is for commands of the socket unit, and there are none"
            hint = f"write Socket{name}= for the owner of the socket's file"
            yield Problem(message, hint, entry, on_name=True)


def instance_is_connection(pair: Pair, world: World) -> Iterator[Problem]:
    """Find %i in a per-connection service of a template socket: it names the connection.

    With Accept=yes the instance is a number with both addresses, without the socket's own
    instance (systemd.socket(5), "Accept=").

    Bad::

        # echo@.socket
        [Socket]
        ListenStream=/run/echo/%i.sock
        Accept=yes

        # echo@.service
        [Service]
        ExecStart=/usr/bin/echo-one --dir /srv/%i

    Good::

        # echo@.socket
        [Socket]
        ListenStream=/run/echo/%i.sock

        # echo@.service
        [Service]
        ExecStart=/usr/bin/echo-server --dir /srv/%i
    """
    del world
    if not pair.accept or "@" not in pair.socket.stem:
        return
    for entry in pair.service.entries:
        if entry.section == "Service":
            for word in ("%i", "%I"):
                if word in entry.value.replace("%%", ""):
                    message = f"{word} is the connection here, not the instance of the socket"
                    hint = "use a socket without a template, or Accept=no"
                    yield Problem(message, hint, entry, focus=word)


def errors_to_client(pair: Pair, world: World) -> Iterator[Problem]:
    """Find per-connection services whose error messages go to the client.

    StandardOutput= is the socket when StandardInput= is, and StandardError= inherits it
    (systemd.exec(5)).

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777
        Accept=yes

        # echo@.service
        [Service]
        ExecStart=-/usr/bin/cat
        StandardInput=socket

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777
        Accept=yes

        # echo@.service
        [Service]
        ExecStart=-/usr/bin/cat
        StandardInput=socket
        StandardError=journal
    """
    del world
    settings = pair.service.settings
    entry = settings.get("StandardInput")
    if entry is None or entry.value != "socket" or pair.service.is_dropin_only:
        return
    output = settings.value("StandardOutput", "inherit")
    inherits = settings.value("StandardError", "inherit") == "inherit"
    if pair.accept and output in ("inherit", "socket") and inherits:
        message = "what the program says on standard error goes to the client"
        yield Problem(message, "add StandardError=journal", entry)


def commands_to_client(pair: Pair, world: World) -> Iterator[Problem]:
    """Find commands beside the main one that would write to the client, or read from it.

    With StandardInput=socket all commands of the service have the connection for standard input
    and output: what ExecStartPre= prints comes before the program's answer. Without Accept=yes it
    is the listening socket, to which nobody can write, and the command fails. Programs that print
    nothing when all is well are passed over; of those that are not known it is an information.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777
        Accept=yes

        # echo@.service
        [Service]
        ExecStartPre=/usr/bin/id
        ExecStart=-/usr/bin/cat
        StandardInput=socket
        StandardError=journal

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777
        Accept=yes

        # echo@.service
        [Service]
        ExecStartPre=/bin/sh -c 'id </dev/null >&2'
        ExecStart=-/usr/bin/cat
        StandardInput=socket
        StandardError=journal
    """
    del world
    settings = pair.service.settings
    if settings.value("StandardInput") != "socket":
        return
    if settings.value("StandardOutput", "inherit") not in ("inherit", "socket"):
        return
    what = "to the client" if pair.accept else "to the listening socket, which fails"
    hint = "give it standard streams of its own: /bin/sh -c 'COMMAND </dev/null >&2'"
    for name in _BESIDE:
        for entry in pair.service.lines("Service", name):
            loud = {} if ">" in entry.value else dict(_loud(entry.value))
            sure = sorted(program for program in loud if loud[program])
            if loud:
                verb = "prints" if sure else "may print"
                message = f"what {', '.join(sure or sorted(loud))} {verb} goes {what}"
                yield Problem(message, hint, entry, severity="" if sure else INFO)


def _loud(value: str) -> Iterator[tuple[str, bool]]:
    """Yield the programs of a line that may print something, and whether they surely do."""
    for program, arguments in run_in(value):
        aloud = any(re.fullmatch(_STANDARD, word) for word in arguments)
        silent = known(Known.SILENT, program, arguments)
        if aloud or not silent:
            kinds = (Known.PRINTER, Known.FILTER)
            yield program, silent or any(known(kind, program, arguments) for kind in kinds)


def part_of_service(pair: Pair, world: World) -> Iterator[Problem]:
    """Find sockets that are stopped with their service: a restart refuses clients.

    PartOf= and BindsTo= with the service close the socket at each restart, so that clients who
    come at that moment are refused; the socket is there to keep them.

    Bad::

        # echo.socket
        [Unit]
        PartOf=echo.service

        [Socket]
        ListenStream=7777

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    del world
    names = {pair.service.name, *pair.service.aliases}
    for word, entry in pair.socket.words("Unit", "PartOf", "BindsTo"):
        if expand(word, pair.socket) in names:
            message = f"a restart of {word} closes the socket, and clients are refused"
            yield Problem(message, "remove it", entry, focus=word)


def condition_of_service(pair: Pair, world: World) -> Iterator[Problem]:
    """Find conditions of a service that its socket does not have.

    The socket listens nevertheless. A connection starts the service, which is skipped, and the
    connection still waits: after 20 such starts the socket fails. With Accept=yes each client is
    dropped, and nothing fails.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.service
        [Unit]
        ConditionPathExists=/etc/echo.conf

        [Service]
        ExecStart=/usr/bin/echo-server

    Good::

        # echo.socket
        [Unit]
        ConditionPathExists=/etc/echo.conf

        [Socket]
        ListenStream=7777

        # echo.service
        [Unit]
        ConditionPathExists=/etc/echo.conf

        [Service]
        ExecStart=/usr/bin/echo-server
    """
    del world
    end = "and drops the client" if pair.accept else "and fails then"
    there = {(entry.name, entry.value) for entry in pair.socket.entries}
    for entry in pair.service.entries:
        if not entry.name.startswith(_SKIPS) or not entry.value:
            continue
        if (entry.name, entry.value) not in there and pair.service.settings.counts(entry):
            message = f"the socket listens even where {entry.name}= skips the service, {end}"
            yield Problem(message, f"write the same line into {pair.socket.name}", entry)


def directory_closed(unit: Unit, _: World) -> Iterator[Problem]:
    """Find a DirectoryMode= that keeps the socket's own user or group out.

    The directory that systemd makes belongs to root, whatever SocketUser= says.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=/run/echo/echo.sock
        SocketUser=echo
        DirectoryMode=0750

    Good::

        # echo.socket
        [Socket]
        ListenStream=/run/echo/echo.sock
        SocketUser=echo
        DirectoryMode=0755

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
    """
    settings = unit.settings
    mode = settings.get("DirectoryMode") if unit.type == "socket" else None
    owned = {settings.value(name, "root") for name in ("SocketUser", "SocketGroup")}
    if mode is None or owned <= {"root", "0"} or int(mode.value, 8) & 0o001:
        return
    for _entry, address in listeners(unit):
        if address.has_node and address.path.count("/") > len("//"):
            directory = address.path.rpartition("/")[0]
            message = f"{directory} belongs to root, so that others do not reach the socket"
            yield Problem(message, "write DirectoryMode=0755, and SocketMode=", mode)
            return
