"""What systemd itself says: results, masks, files that it has not read."""

from collections.abc import Iterator
from datetime import datetime

from activator.live.doctor.commands import again, anew, drop_in, systemctl
from activator.live.doctor.ends import account
from activator.live.doctor.failing import fails
from activator.live.doctor.finding import Finding
from activator.live.units import Situation, Socket


def not_reloaded(socket: Socket, _: Situation) -> Iterator[Finding]:
    """The files of a socket or its service were changed, and not read since."""
    unread = [unit for unit in (socket, *socket.served_by) if unit.unread]
    if not unread:
        return
    evidence = [f"{unit.name}: not read since: {' '.join(unit.unread)}" for unit in unread]
    then = (
        anew(socket) if socket in unread and socket.up else again(socket) if socket.failed else ()
    )
    yield Finding(
        "not-reloaded",
        socket.name,
        f"{' and '.join(unit.name for unit in unread)} changed on disk since systemd read it",
        tuple(evidence),
        (systemctl(socket, "daemon-reload"), *then),
    )


def outdated(socket: Socket, _: Situation) -> Iterator[Finding]:
    """The socket was opened before its files were changed: it has the old settings."""
    if socket.unread or not socket.up or not socket.since:
        return
    if socket.modified > socket.since:
        yield Finding(
            "outdated",
            socket.name,
            "the socket is older than its unit, and still has the settings of before",
            (f"opened {_time(socket.since)}, changed {_time(socket.modified)}",),
            anew(socket),
        )


def trigger_limit(socket: Socket, _: Situation) -> Iterator[Finding]:
    """The service was started too often in too short a time: clients are refused since."""
    if socket["Result"] != "trigger-limit-hit":
        return
    limit = f"TriggerLimitBurst={socket['TriggerLimitBurst']}"
    yield _limited(
        socket,
        "the service was started too often without taking its clients, and the socket is closed",
        f"Result=trigger-limit-hit ({limit} in {socket['TriggerLimitIntervalUSec']})",
    )


def start_limit(socket: Socket, _: Situation) -> Iterator[Finding]:
    """The service was started too often in a row, and took the socket with it."""
    if socket["Result"] != "service-start-limit-hit":
        return
    yield _limited(
        socket,
        "the service was started too often in a row, and the socket is closed",
        "Result=service-start-limit-hit",
    )


def _limited(socket: Socket, message: str, first: str) -> Finding:
    evidence, commands = [first], [f"# find out why it ends: journalctl -u {socket.pattern} -n 20"]
    # A proxy ends with the program behind it.
    behind = [unit for unit in socket.backends if fails(unit)]
    for unit in behind[:1] or socket.services[-1:]:
        found = account(socket, unit)
        evidence += found.evidence
        commands = [*found.commands, systemctl(socket, "daemon-reload")]
        if found.clean and socket["Result"] == "service-start-limit-hit":
            commands += drop_in(socket, unit.name, "Unit", StartLimitIntervalSec=0)
    return Finding(
        socket["Result"], socket.name, message, tuple(evidence), (*commands, *again(socket))
    )


def already_active(socket: Socket, _: Situation) -> Iterator[Finding]:
    """The service runs without its socket, which systemd then refuses to start."""
    service = socket.service
    if socket.up or service is None or not service.up:
        return
    refused = "already active" in socket.reason
    if not refused and socket["UnitFileState"] not in ("enabled", "enabled-runtime"):
        return
    yield Finding(
        "already-active",
        socket.name,
        f"{service.name} runs without its socket, which cannot start beside it",
        (f"{service.name} is active, MainPID={service['MainPID']}", *_known(socket.reason)),
        (
            systemctl(socket, "stop", service.name),
            *again(socket),
            f"# if the service is enabled: {systemctl(socket, 'disable', service.name)}",
        ),
    )


def masked(socket: Socket, _: Situation) -> Iterator[Finding]:
    """The service is masked: whoever connects is not served."""
    service = socket.service
    if service is None or service["LoadState"] != "masked":
        return
    yield Finding(
        "service-masked",
        socket.name,
        f"{service.name} is masked, so that nothing can start it",
        (f"{service.name}: LoadState=masked ({service['FragmentPath'] or 'a link to /dev/null'})",),
        (systemctl(socket, "unmask", service.name), *(again(socket) if not socket.up else ())),
    )


def service_missing(socket: Socket, situation: Situation) -> Iterator[Finding]:
    """There is no service for the socket, or one that systemd cannot load."""
    service = socket.service
    if service is None or service["LoadState"] not in ("not-found", "bad-setting", "error"):
        return
    wanted = socket.up or socket.failed or socket["UnitFileState"] == "enabled"
    if not wanted and not situation.asked:
        return  # it waits for a service that need not be installed, as syslog.socket does
    yield Finding(
        "service-missing",
        socket.name,
        f"{service.name}, which it starts, is {service['LoadState']}",
        (f"{service.name}: LoadState={service['LoadState']}", *_known(service["LoadError"])),
        (
            f"# install or mend {service.name}: systemd-analyze verify {service.name}",
            systemctl(socket, "daemon-reload"),
            *(again(socket) if not socket.up else ()),
        ),
    )


def _known(text: str) -> tuple[str, ...]:
    return (text,) if text else ()


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M:%S}"


DIAGNOSES = (
    not_reloaded,
    outdated,
    trigger_limit,
    start_limit,
    already_active,
    masked,
    service_missing,
)
