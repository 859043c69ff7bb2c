"""Programs behind systemd-socket-proxyd that listen elsewhere than it leads its clients."""

from collections.abc import Iterator

from activator.live.doctor.commands import edit, reread
from activator.live.doctor.finding import Finding
from activator.live.units import Situation, Socket


def backend_missing(socket: Socket, _: Situation) -> Iterator[Finding]:
    """Nobody listens where the proxy leads its clients."""
    proxy, address = socket.service, socket.backend_address
    if proxy is None or not address or not socket.up:
        return
    running = [unit for unit in socket.backends if unit.up and unit.processes]
    if not running and not proxy.up:
        return
    there = socket.behind
    if any(held.is_at(address) for held in there):
        return
    elsewhere = [
        (process, held)
        for unit in running
        for process in unit.processes
        for held in there
        if held.kind == "stream" and held.inode in process.sockets.values()
    ]
    if running and not elsewhere:
        return  # it is about to start
    evidence = [
        f"{process.name}[{process.pid}] listens at {held.address}" for process, held in elsewhere
    ]
    names = [unit.name for unit in running]
    by = edit(socket, *names, proxy.name)
    yield Finding(
        "backend-missing",
        socket.name,
        f"nobody listens at {address}, where {proxy.name} leads its clients",
        (f"{proxy.name}: systemd-socket-proxyd {address}", *dict.fromkeys(evidence)),
        (
            f"# have the program listen at {address}, or lead the proxy to it: {by}",
            *reread(socket, "restart", *names, proxy.name),
        ),
    )


DIAGNOSES = (backend_missing,)
