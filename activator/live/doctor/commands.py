"""Commands that mend, in the order that is safe."""

import shlex

from activator.common import origin
from activator.live.units import Socket


def systemctl(socket: Socket, *words: str) -> str:
    """Return a call of systemctl for the socket's manager."""
    user = ("--user",) if socket.user else ()
    return shlex.join(["systemctl", *user, *words])


def edit(socket: Socket, *names: str) -> str:
    """Return what changes services of a socket: an editor, or the spec that they are made from.

    Generated units are not to be edited: the next `activator install` would refuse that.
    """
    try:
        with open(socket["FragmentPath"], encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
            spec = origin.name_of(file.read())
    except OSError:
        spec = None
    if spec is None:
        return systemctl(socket, "edit", "--full", *names)
    user = " --user" if socket.user else ""
    return f"in the spec of {spec}, or in what it runs, and activator install{user} it anew"


def again(socket: Socket) -> tuple[str, ...]:
    """Return what starts a socket that has failed: first all failures are forgotten."""
    names = [unit.name for unit in (*socket.services, socket) if unit.failed]
    reset = (systemctl(socket, "reset-failed", *names),) if names else ()
    return (*reset, systemctl(socket, "start", socket.name))


def anew(socket: Socket) -> tuple[str, ...]:
    """Return what opens a socket anew: its service goes first, or systemd refuses."""
    stop: list[str] = [socket.name]
    healthy: tuple[str, ...] = ()
    if not socket.accepts and socket.service and socket.service.up:
        # In one call: with the socket alone, its next client would start the service again.
        stop.append(socket.service.name)
        if socket.service.settled:
            healthy = warning(socket.service.name)
    return (*healthy, systemctl(socket, "stop", *stop), systemctl(socket, "start", socket.name))


def reread(socket: Socket, *words: str) -> tuple[str, str]:
    """Return a call of systemctl, after one that has the manager read what was edited."""
    return systemctl(socket, "daemon-reload"), systemctl(socket, *words)


def warning(name: str) -> tuple[str, ...]:
    """Return the word before something healthy is stopped."""
    return (f"# {name} works: this stops it, and its clients lose their connections",)


def drop_in(socket: Socket, unit: str, section: str, **settings: object) -> tuple[str, ...]:
    """Return what adds directives to a unit, and has the manager read them."""
    base = "~/.config/systemd/user" if socket.user else "/etc/systemd/system"
    # What several findings set must add up.
    file = f"50-activator-{'-'.join(settings)}.conf"
    lines = [f"[{section}]", *(f"{name}={value}" for name, value in settings.items())]
    words = " ".join(shlex.quote(line) for line in lines)
    return (
        f"mkdir -p {base}/{unit}.d",
        rf"printf '%s\n' {words} >{base}/{unit}.d/{file}",
        systemctl(socket, "daemon-reload"),
    )
