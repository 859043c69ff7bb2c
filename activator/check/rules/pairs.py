"""Rules about a socket and its service: who gets which descriptors."""

from collections.abc import Iterator

from activator.check.commands import address_in, loses_descriptors, run_by
from activator.check.known import Known, known, variable
from activator.check.listeners import listeners
from activator.check.units import INFO, Pair, Problem, Unit, World, expand, service_name
from activator.unitfile.parse import Entry

_STREAMS = ("StandardInput", "StandardOutput", "StandardError")


def filter_without_socket(pair: Pair, world: World) -> Iterator[Problem]:
    """Find programs that read standard input, but are not given the connection there.

    With Accept=yes the connection is descriptor 3 unless the service says StandardInput=socket.
    A filter such as cat, or sshd -i, reads /dev/null then and ends at once. Only
    programs that are known to work this way are named.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777
        Accept=yes

        # echo@.service
        [Service]
        ExecStart=-/usr/bin/cat

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777
        Accept=yes

        # echo@.service
        [Service]
        ExecStart=-/usr/bin/cat
        StandardInput=socket
    """
    del world
    service = pair.service
    if not pair.accept or service.settings.value("StandardInput") == "socket":
        return
    for entry in service.lines("Service", "ExecStart"):
        for program, arguments in run_by(entry.value):
            if known(Known.FILTER, program, arguments):
                message = f"{program} reads standard input, which is not the connection"
                yield Problem(message, "add StandardInput=socket", entry)


def stream_of_many(pair: Pair, world: World) -> Iterator[Problem]:
    """Find StandardInput=socket where there is not exactly one socket: the start fails.

    A service with Accept=no gets all Listen*= lines of all its sockets.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777
        ListenStream=/run/echo.sock

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
        StandardInput=socket

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
        StandardInput=socket
    """
    if pair.accept or world.triggers[pair.service.name][0] is not pair:
        return
    sockets = [other.socket for other in world.triggers[pair.service.name]]
    count = sum(len(socket.settings.all("Listen")) for socket in sockets)
    for name in _STREAMS:
        entry = pair.service.settings.get(name)
        if entry is not None and entry.value == "socket" and count > 1:
            message = f"{name}=socket needs exactly one socket, and there are {count}"
            hint = "keep one Listen line, or take the descriptors by name"
            yield Problem(message, hint, entry)


def descriptors_not_passed(pair: Pair, world: World) -> Iterator[Problem]:
    """Find programs that ask for LISTEN_FDS in a service with StandardInput=socket.

    With StandardInput=socket the connection or listener is standard input alone, and the
    variables LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES are not set.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.service
        [Service]
        ExecStart=/usr/lib/systemd/systemd-socket-proxyd 127.0.0.1:8080
        StandardInput=socket

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.service
        [Service]
        ExecStart=/usr/lib/systemd/systemd-socket-proxyd 127.0.0.1:8080
    """
    del world
    stream = pair.service.settings.get("StandardInput")
    if stream is None or stream.value != "socket":
        return
    for entry in pair.service.lines("Service", "ExecStart"):
        for program, arguments in run_by(entry.value):
            if known(Known.RECEIVER, program, arguments):
                message = f"{program} looks for LISTEN_FDS, which StandardInput=socket takes away"
                yield Problem(message, "remove StandardInput=socket", stream)


def descriptors_lost(pair: Pair, world: World) -> Iterator[Problem]:
    """Find wrappers that start the program as another process, which gets no descriptors.

    LISTEN_PID names the process that systemd started. A shell, sudo, timeout, tini or npm that
    forks instead of replacing itself makes the program believe that nothing was passed. dash,
    which is Debian's sh, forks for every command, also for a single one: begin it with exec.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.service
        [Service]
        ExecStart=/bin/sh -c 'prepare; echo-server; cleanup'

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.service
        [Service]
        ExecStartPre=/usr/bin/prepare
        ExecStart=/bin/sh -c 'exec echo-server'
    """
    del world
    settings = pair.service.settings
    if any(settings.value(name) == "socket" for name in _STREAMS):
        return
    for entry in settings.all("ExecStart"):
        wrapper = loses_descriptors(entry.value)
        if wrapper:
            message = f"{wrapper} starts the program as another process, which gets no sockets"
            hint = "start the program itself, or begin its command with exec"
            yield Problem(message, hint, entry)


def address_given_twice(pair: Pair, world: World) -> Iterator[Problem]:
    """Find programs that are told to open the address that their socket already has.

    The program then fails with "address already in use", or listens beside the socket. Tell it
    to take the descriptors, as with --fd 3 or fd://, or give no address at all. gunicorn ignores
    addresses where sockets are passed to it.

    Bad::

        # web.socket
        [Socket]
        ListenStream=8000

        # web.service
        [Service]
        ExecStart=/usr/bin/hypercorn --bind 0.0.0.0:8000 web:app

    Good::

        # web.socket
        [Socket]
        ListenStream=8000

        # web.service
        [Service]
        ExecStart=/usr/bin/hypercorn --bind fd://3 web:app
    """
    del world
    for line in pair.service.settings.all("ExecStart"):
        for program, arguments in run_by(line.value):
            for _entry, address in listeners(pair.socket):
                word = address_in(arguments, address)
                if not word:
                    continue
                message = f"the program is told to open {word}, which the socket has"
                hint = "let it take the descriptor that is passed"
                ignored = known(Known.HEEDFUL, program, arguments)
                if ignored:
                    message = f"{program} ignores {word} where a socket is passed to it"
                    hint = "remove it, so that nothing else is opened without the socket"
                yield Problem(message, hint, line, focus=word, severity=INFO if ignored else "")


def not_told(pair: Pair, world: World) -> Iterator[Problem]:
    """Find programs that take sockets only where a variable names them.

    nginx opens the addresses of its listen lines by itself unless $NGINX has the numbers of
    descriptors, and ends with "Address already in use".

    Bad::

        # web.socket
        [Socket]
        ListenStream=127.0.0.1:80

        # web.service
        [Service]
        ExecStart=/usr/sbin/nginx -g 'daemon off;'

    Good::

        # web.socket
        [Socket]
        ListenStream=127.0.0.1:80

        # web.service
        [Service]
        Environment=NGINX=3:
        ExecStart=/usr/sbin/nginx -g 'daemon off;'
    """
    del world
    settings = pair.service.settings
    if settings.all("EnvironmentFile"):
        return
    given = " ".join(
        entry.value for name in ("Environment", "PassEnvironment") for entry in settings.all(name)
    )
    for line in settings.all("ExecStart"):
        for program, _ in run_by(line.value):
            name = variable(program)
            if name and name not in f"{given} {line.value}":
                message = f"{program} takes no sockets unless ${name} names them, and opens its own"
                hint = f"add Environment={name}=3: with the same addresses in its configuration"
                yield Problem(message, hint, line)


def names_do_not_meet(pair: Pair, world: World) -> Iterator[Problem]:
    """Find a service that lists a socket in Sockets= which starts another service.

    The service gets the socket's descriptors when it is started by hand, but a connection
    starts the other one. Service= of the socket names the service to start.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server

        # echo-server.service
        [Service]
        ExecStart=/usr/bin/echo-server
        Sockets=echo.socket

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777
        Service=echo-server.service

        # echo-server.service
        [Service]
        ExecStart=/usr/bin/echo-server
        Sockets=echo.socket
    """
    for unit, entry in _listed(world).get(pair.socket.name, ()):
        if unit is not pair.service:
            other = service_name(pair.socket)
            message = f"{pair.socket.name} starts {other}, not {unit.name}"
            hint = f"write Service={unit.name} into the socket"
            yield Problem(message, hint, entry, focus=pair.socket.name)


def _listed(world: World) -> dict[str, list[tuple[Unit, Entry]]]:
    """Return the services that list a socket in Sockets=, with the line, by the socket's name."""
    found: dict[str, list[tuple[Unit, Entry]]] | None = world.notes.get("listed")
    if found is None:
        found = world.notes["listed"] = {}
        for unit in world.checked:
            listed = unit.words("Service", "Sockets") if unit.type == "service" else ()
            for name, entry in dict.fromkeys((expand(word, unit), entry) for word, entry in listed):
                found.setdefault(name, []).append((unit, entry))
    return found
