"""What a service that runs does with the descriptors it was passed."""

from collections.abc import Iterator

from activator.common.counted import counted
from activator.live.doctor.commands import edit, systemctl
from activator.live.doctor.finding import Finding
from activator.live.processes import Process
from activator.live.units import Situation, Socket

# Programs that start another one and wait for it.
_WRAPPERS = {
    *("sh", "dash", "bash", "busybox", "env", "sudo", "su", "runuser", "setpriv", "nice"),
    *("tini", "dumb-init", "catatonit", "timeout", "strace", "script"),
}
# What a process is until systemd has it run its program.
_NOT_BEGUN = {"systemd", "systemd-executor"}


def lost_in_wrapper(socket: Socket, _: Situation) -> Iterator[Finding]:
    """A wrapper forked, so that LISTEN_PID names it and not the program that was meant."""
    main = _main(socket)
    if main is None or main.name not in _WRAPPERS:
        return
    for process in socket.processes:
        if process.arguments == main.arguments:
            continue  # the wrapper itself, or what it has forked and has not run its program yet
        named = process.environment.get("LISTEN_PID", "")
        by = edit(socket, socket.service_name)
        if named == str(main.pid) and process.pid != main.pid:
            yield Finding(
                "listen-pid-lost",
                socket.name,
                f"{process.name} takes no descriptors: they are meant for its wrapper {main.name}",
                (
                    f"/proc/{process.pid}/environ: LISTEN_PID={named}, its own is {process.pid}",
                    f"descriptors of {main.name}[{main.pid}]: {_numbers(main)}",
                ),
                (
                    f"# have the wrapper end with: exec {process.name} ... ({by})",
                    systemctl(socket, "restart", socket.service_name),
                ),
            )
            return


def not_accepted(socket: Socket, situation: Situation) -> Iterator[Finding]:
    """The service runs and does not accept: clients wait in the queue."""
    if socket.accepts or _main(socket) is None:
        return
    waiting = [held for held in socket.held if held.kind == "stream" and held.queue > 0]
    inodes = {held.inode for held in socket.held}
    # What other sockets pass to the same service is not its own either.
    passed = {held.inode for other in situation.everything for held in other.held}
    own = {
        held.inode: (held.address, process)
        for process in socket.processes
        for held in situation.held
        if held.inode in process.sockets.values() and held.inode not in passed
        if held.kind == "stream"
    }
    if not inodes or not (waiting or own):
        return
    kept = [process for process in socket.processes if inodes & set(process.sockets.values())]
    if own:
        address, process = next(iter(own.values()))
        message = f"{process.name}[{process.pid}] listens at {address} by itself"
        if kept and not waiting:
            return  # it uses what it was passed, and has an address of its own beside it
        message += ", and leaves what it was passed alone"
    elif not kept:
        message = "the service has closed the descriptors that it was passed"
    elif any(held.queue < socket.queue_max for held in waiting):
        return  # it may be busy: connections wait, and will be taken
    else:
        message = "the service does not accept what it was passed"
    evidence = [f"{held.address}: {counted(held.queue, 'connection', 'wait')}" for held in waiting]
    evidence += [f"{address} is not {socket.name}'s" for address, _ in own.values()]
    yield Finding(
        "never-accepted",
        socket.name,
        message,
        tuple(evidence),
        (
            "# have it take descriptors, by an option of its own or through activator exec: "
            + edit(socket, socket.service_name),
            systemctl(socket, "restart", socket.service_name),
        ),
    )


def queue_overflow(socket: Socket, _: Situation) -> Iterator[Finding]:
    """The queue is full: further clients wait for a time-out, or are refused."""
    limit = socket.queue_max
    for held in socket.held:
        if held.kind == "stream" and held.queue > 0 and held.queue >= limit:
            waiting = counted(held.queue, "connection", "wait")
            yield Finding(
                "queue-overflow",
                socket.name,
                f"the queue of {held.address} is full: further clients are not let in",
                (f"{waiting}, Backlog= and somaxconn allow {limit}",),
                (
                    f"# see why the service is slow: {systemctl(socket, 'status', socket.pattern)}",
                    systemctl(socket, "restart", socket.service_name),
                ),
            )


def _main(socket: Socket) -> Process | None:
    """Return the main process of a socket's one service, if it runs and may be looked at."""
    service = socket.service
    if service is None or not service.up:
        return None
    pid = service.number("MainPID")
    return next(
        (one for one in socket.processes if one.pid == pid and one.name not in _NOT_BEGUN), None
    )


def _numbers(process: Process) -> str:
    return ", ".join(map(str, sorted(process.sockets))) or "none"


DIAGNOSES = (lost_in_wrapper, not_accepted, queue_overflow)
