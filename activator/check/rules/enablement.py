"""Rules about what is enabled, masked and named: whether a socket is ever reached."""

from collections.abc import Iterator

from activator.check.commands import run_by
from activator.check.units import Pair, Problem, Unit, World, expand, service_name

_DEPENDENCIES = ("Requires", "Wants", "BindsTo", "Upholds", "Requisite")


def service_enabled(pair: Pair, world: World) -> Iterator[Problem]:
    """Find a service that is enabled instead of its socket.

    systemctl enable makes the links that [Install] asks for. If only the service has this
    section, or only the service is enabled, it starts at boot without its socket, and is no
    longer started on demand.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.service
        [Unit]
        Requires=echo.socket

        [Service]
        ExecStart=/usr/bin/echo-server

        [Install]
        WantedBy=multi-user.target

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777

        [Install]
        WantedBy=sockets.target

        # echo.service
        [Unit]
        Requires=echo.socket

        [Service]
        ExecStart=/usr/bin/echo-server
    """
    service, socket = pair.service, pair.socket
    installs = [*service.lines("Install", "WantedBy"), *service.lines("Install", "RequiredBy")]
    if world.complete:
        others = world.triggers[service.name]
        idle = not any(_pulled(other.socket, world) for other in others)
        if world.enabled(service) and idle:
            message = f"{service.name} is enabled, and {socket.name} is not"
            hint = f"systemctl disable {service.name} && systemctl enable {socket.name}"
            place = (service.path, 1) if not installs else None
            yield Problem(message, hint, installs[0] if installs else None, place=place)
    elif installs and not socket.is_installable:
        message = f"{service.name} can be enabled, and {socket.name} cannot"
        hint = f"move [Install] to {socket.name}, with WantedBy=sockets.target"
        yield Problem(message, hint, installs[0])


def never_enabled(unit: Unit, world: World) -> Iterator[Problem]:
    """Find sockets that nothing starts: they have no [Install], and no link names them.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777

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
    if unit.type != "socket" or unit.is_dropin_only or unit.is_installable:
        return
    if not _pulled(unit, world):
        message = "nothing starts the socket at boot, and it cannot be enabled"
        hint = "add [Install] with WantedBy=sockets.target"
        yield Problem(message, hint)


def unusual_target(unit: Unit, _: World) -> Iterator[Problem]:
    """Find sockets that are wanted by another target than sockets.target.

    sockets.target is reached early, so that clients find the socket whenever they start.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777

        [Install]
        WantedBy=multi-user.target

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
    targets = list(unit.words("Install", "WantedBy")) if unit.type == "socket" else []
    late = [each for each in targets if each[0] in ("multi-user.target", "graphical.target")]
    if late and "sockets.target" not in dict(targets):
        word, entry = late[0]
        message = f"{word} starts the socket later than its clients may want it"
        yield Problem(message, "write WantedBy=sockets.target", entry, focus=word)


def masked_service(unit: Unit, world: World) -> Iterator[Problem]:
    """Find sockets whose service is masked: they listen, and every connection fails them.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.service
        (a link to /dev/null)

    Good::

        # echo.socket
        (a link to /dev/null)

        # echo.service
        (a link to /dev/null)
    """
    if unit.type != "socket" or not unit.settings.all("Listen"):
        return
    name = service_name(unit)
    service = world.find(name) if name else None
    if service is not None and service.masked:
        message = f"{name} is masked, so the first connection makes the socket fail"
        entry = unit.settings.get("Service") or unit.settings.all("Listen")[0]
        yield Problem(message, f"systemctl mask {unit.name}, or unmask {name}", entry)


def unknown_socket(unit: Unit, world: World) -> Iterator[Problem]:
    """Find sockets in Sockets= that do not exist: the service starts without them.

    Bad::

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
        Sockets=eco.socket

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server
        Sockets=echo.socket
    """
    if unit.type != "service":
        return
    for word, entry in unit.words("Service", "Sockets"):
        name = expand(word, unit)
        if name and world.find(name) is None and not world.alias_of(name):
            message = f"there is no {name}, so the service starts without it"
            yield Problem(message, "write that unit, or mend the name", entry, focus=word)


def expects_sockets(unit: Unit, world: World) -> Iterator[Problem]:
    """Find services whose program wants sockets, where no unit passes any.

    dockerd ends with "no sockets found via socket activation" for -H fd:// alone, and so does
    ``activator serve``. Requires= and After= name a socket that is elsewhere.

    Bad::

        # dockerd.service
        [Service]
        ExecStart=/usr/bin/dockerd -H fd://

    Good::

        # dockerd.service
        [Unit]
        Requires=docker.socket
        After=docker.socket

        [Service]
        ExecStart=/usr/bin/dockerd -H fd://
    """
    if unit.type != "service" or unit.is_template or unit.is_dropin_only:
        return
    named = (word for entry in unit.entries for word in entry.value.split())
    if any(word.endswith(".socket") for word in named) or unit.name in world.triggers:
        return
    for entry in unit.settings.all("ExecStart"):
        for program, arguments in run_by(entry.value):
            serves = program == "activator" and arguments[:1] == ["serve"]
            if serves or any("fd://" in argument for argument in arguments):
                message = f"{program} wants to be passed sockets, and no unit here passes any"
                hint = f"write {unit.prefix}.socket, or Requires= and After= with another's name"
                yield Problem(message, hint, entry, focus=program)


def stopped_but_comes_back(world: World) -> Iterator[Problem]:
    """Find units that stop a service, but leave its socket: the next client starts it again.

    Conflicts= with a service that a socket starts stops the service alone. The next connection
    starts it again, and by the same Conflicts= the other unit is stopped.

    Bad::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server

        # other.service
        [Unit]
        Conflicts=echo.service

        [Service]
        ExecStart=/usr/bin/other

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777

        # echo.service
        [Service]
        ExecStart=/usr/bin/echo-server

        # other.service
        [Unit]
        Conflicts=echo.service echo.socket

        [Service]
        ExecStart=/usr/bin/other
    """
    if not world.pairs:
        return
    for unit in world.checked:
        stopped = [] if unit.masked else list(unit.words("Unit", "Conflicts"))
        for word, entry in stopped:
            for pair in world.triggers.get(word, ()):
                socket = pair.socket
                if socket is unit or socket.name in dict(stopped) or unit.type == "target":
                    continue
                message = f"stopping {word} leaves {socket.name}, which starts it again"
                hint = f"write Conflicts={word} {socket.name}"
                yield Problem(message, hint, entry, focus=word)


def broken_link(world: World) -> Iterator[Problem]:
    """Find links in .wants and .requires directories to units that do not exist.

    Bad::

        # sockets.target.wants/echo.socket
        (a link to nothing)

    Good::

        # echo.socket
        [Socket]
        ListenStream=7777
    """
    for path, name in world.loose_links():
        message = f"the link wants {name}, which does not exist"
        yield Problem(message, "remove the link, or install the unit", place=(path, 1))


def _pulled(socket: Unit, world: World) -> bool:
    """Return whether something starts a socket: a link, or another unit that is known."""
    if world.enabled(socket):
        return True
    names = (socket.name, *socket.aliases)
    pullers = set().union(*(_pullers(world).get(name, set()) for name in names))
    return bool(pullers - {service_name(socket)})


def _pullers(world: World) -> dict[str, set[str]]:
    """Return the units that name another one so that it starts with them, by the other's name."""
    found: dict[str, set[str]] | None = world.notes.get("pullers")
    if found is None:
        found = world.notes["pullers"] = {}
        for unit in world.known():
            for name in (*_DEPENDENCIES, "Also", "Sockets"):
                for entry in unit.settings.all(name):
                    for word in entry.value.split():
                        found.setdefault(word, set()).add(unit.name)
    return found
