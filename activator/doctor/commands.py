"""Commands that mend, in the order that is safe."""

import shlex

from activator.live.units import Socket

DROP_IN = "50-activator.conf"


def systemctl(socket: Socket, *words: str) -> str:
    """Return a call of systemctl for the socket's manager."""
    user = ("--user",) if socket.user else ()
    return shlex.join(["systemctl", *user, *words])


def again(socket: Socket) -> tuple[str, ...]:
    """Return what starts a socket that has failed: first all failures are forgotten."""
    names = [unit.name for unit in (*socket.services, socket) if unit.failed]
    reset = (systemctl(socket, "reset-failed", *names),) if names else ()
    return (*reset, systemctl(socket, "start", socket.name))


def anew(socket: Socket) -> tuple[str, ...]:
    """Return what opens a socket anew: its service goes first, or systemd refuses."""
    stop = [socket.name]
    if not socket.accepts and socket.service and socket.service.up:
        # In one call: with the socket alone, its next client would start the service again.
        stop.append(socket.service.name)
    return (systemctl(socket, "stop", *stop), systemctl(socket, "start", socket.name))


def drop_in(socket: Socket, unit: str, section: str, **settings: object) -> tuple[str, ...]:
    """Return what adds directives to a unit, and has the manager read them."""
    base = "~/.config/systemd/user" if socket.user else "/etc/systemd/system"
    lines = [f"[{section}]", *(f"{name}={value}" for name, value in settings.items())]
    words = " ".join(shlex.quote(line) for line in lines)
    return (
        f"mkdir -p {base}/{unit}.d",
        rf"printf '%s\n' {words} >{base}/{unit}.d/{DROP_IN}",
        systemctl(socket, "daemon-reload"),
    )
