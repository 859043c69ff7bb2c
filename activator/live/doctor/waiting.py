"""Clients that wait."""

from activator.common.counted import counted
from activator.live.units import Socket


def waiting(socket: Socket) -> tuple[str, ...]:
    """Return what tells of clients that wait, a line each."""
    return tuple(
        f"{held.address}: {counted(held.queue, 'connection', 'wait')}"
        for held in socket.held
        if held.kind == "stream" and held.queue > 0
    )
