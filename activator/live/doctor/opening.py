"""Sockets that are not open: nobody has started them, or something beside them fails."""

from collections.abc import Iterator

from activator.live.doctor.commands import again, drop_in, systemctl
from activator.live.doctor.finding import Finding
from activator.live.unit_lines import lines_of
from activator.live.units import Situation, Socket

_COMMANDS = ("ExecStartPre", "ExecStartPost", "ExecStopPre", "ExecStopPost")
_ENDS = ("exit-code", "signal", "core-dump", "timeout")
_NO_ADDRESS = "Cannot assign requested address"
_NO_DEVICE = "No such device"


def command_fails(socket: Socket, _: Situation) -> Iterator[Finding]:
    """A command of the socket itself fails, so that it is not opened."""
    lines = lines_of(socket, _COMMANDS)
    # Without one, systemd's own helper has failed, as for a user that there is not.
    if not socket.failed or socket["Result"] not in _ENDS or not lines:
        return
    yield Finding(
        "socket-command-fails",
        socket.name,
        "a command of the socket's own fails, and it is not open",
        (f"Result={socket['Result']}", socket.reason, *lines),
        (
            f"# mend that command, or take it out: {systemctl(socket, 'edit', socket.name)}",
            systemctl(socket, "daemon-reload"),
            *again(socket),
        ),
    )


def address_missing(socket: Socket, _: Situation) -> Iterator[Finding]:
    """No interface has the address, as before the network is up."""
    if not socket.failed or _NO_ADDRESS not in socket.reason:
        return
    yield Finding(
        "address-missing",
        socket.name,
        "this machine does not have the address",
        (socket.reason, *lines_of(socket, ("ListenStream", "ListenDatagram"))),
        (*drop_in(socket, socket.name, "Socket", FreeBind="yes"), *again(socket)),
    )


def device_missing(socket: Socket, _: Situation) -> Iterator[Finding]:
    """There is no interface of the name that the socket is bound to."""
    if not socket.failed or _NO_DEVICE not in socket.reason:
        return
    yield Finding(
        "device-missing",
        socket.name,
        "this machine does not have the network interface, or the device",
        (socket.reason, *lines_of(socket, ("BindToDevice", "ListenSpecial"))),
        (
            f"# name one that is there (see: ip link): {systemctl(socket, 'edit', socket.name)}",
            systemctl(socket, "daemon-reload"),
            *again(socket),
        ),
    )


def not_started(socket: Socket, situation: Situation) -> Iterator[Finding]:
    """The socket was never started: nobody listens."""
    if not situation.asked or socket.up or socket.failed or socket["LoadState"] != "loaded":
        return
    if socket["ConditionResult"] == "no" and socket["ConditionTimestampMonotonic"] not in ("", "0"):
        return  # it is skipped, which is told
    state = socket["UnitFileState"]
    start = ["enable", "--now"] if state == "disabled" else ["start"]
    yield Finding(
        "not-started",
        socket.name,
        "the socket is not started: nobody listens",
        (f"{socket.name}: ActiveState={socket['ActiveState']}, UnitFileState={state or '-'}",),
        (systemctl(socket, *start, socket.name),),
    )


def not_open(socket: Socket) -> Iterator[Finding]:
    """The socket has failed, and nothing else tells why."""
    if socket.failed:
        yield Finding(
            "not-open",
            socket.name,
            "systemd could not open the socket",
            (f"Result={socket['Result']}", *filter(None, [socket.reason])),
            (
                f"# mend what that says: {systemctl(socket, 'edit', '--full', socket.name)}",
                systemctl(socket, "daemon-reload"),
                *again(socket),
            ),
        )


DIAGNOSES = (command_fails, address_missing, device_missing, not_started)
