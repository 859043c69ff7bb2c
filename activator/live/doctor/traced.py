"""Services that `activator learn --on-system` has left outside their sandbox."""

import shlex
from collections.abc import Iterator

from activator.live import learning
from activator.live.doctor.finding import Finding
from activator.live.units import Situation, Socket


def left_traced(situation: Situation) -> Iterator[Finding]:
    """It was killed: its drop-in stays until the next boot, and the traces fill /run."""
    if situation.manager.user:
        return
    for left in learning.left():
        socket = next((each for each in situation.sockets if _has(each, left.service)), None)
        if situation.asked and socket is None:
            continue
        drop_in = left.drop_in
        # A connection's instance cannot be had again.
        again = ["try-restart", left.service]
        if left.service.endswith("@.service"):
            again = ["stop", left.service.replace("@.", "@*.")]
        yield Finding(
            "left-traced",
            socket.name if socket else left.service,
            f"{left.service} runs outside its sandbox, and under strace",
            (f"{drop_in}: `activator learn --on-system` was killed before its end",),
            (
                shlex.join(["rm", str(drop_in)]),
                shlex.join(["rmdir", "--ignore-fail-on-non-empty", str(drop_in.parent)]),
                "systemctl daemon-reload",
                shlex.join(["systemctl", *again]),
                shlex.join(["rm", "-rf", str(left.traces)]),
            ),
        )


def _has(socket: Socket, service: str) -> bool:
    """Tell whether a service is that of a socket, or behind it."""
    return service in (socket.service_name, *(unit.name for unit in socket.backends))
