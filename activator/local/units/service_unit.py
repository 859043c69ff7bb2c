"""From a .service file to its model.

Source: systemd.service(5); what it shares with other units is read by its neighbours.
"""

import math
import signal

from activator.local.units.command_unit import read_commands
from activator.local.units.conditions_unit import read_conditions
from activator.local.units.exec_unit import read_execution
from activator.local.units.kill_unit import read_killing, read_statuses
from activator.local.units.open_file import read_open_files
from activator.local.units.reader import Reader
from activator.local.units.relations import read_relations
from activator.local.units.service_model import (
    DEFAULT_START_LIMIT,
    DEFAULT_TIMEOUT,
    Restarting,
    ServiceUnit,
)
from activator.unitfile import read, refusals
from activator.unitfile.directives import NEWEST

_INTERVALS = (
    ("Service", "StartLimitInterval"),
    ("Unit", "StartLimitInterval"),
    ("Unit", "StartLimitIntervalSec"),
)
_BURSTS = (("Service", "StartLimitBurst"), ("Unit", "StartLimitBurst"))
_COMMANDS = (
    "ExecCondition",
    "ExecStartPre",
    "ExecStart",
    "ExecStartPost",
    "ExecReload",
    "ExecStop",
    "ExecStopPost",
)


def read_service(reader: Reader) -> ServiceUnit:
    """Make the model of a service unit.

    Raises:
        ActivatorError: systemd would refuse the unit.
    """
    reader.refuse(refusals.service(reader.settings, NEWEST))
    kind = reader.text("Service", "Type") or refusals.implied_type(reader.settings)
    commands = read_commands(reader, "Service", _COMMANDS)
    started = commands.get("ExecStart", ())
    remains = reader.value("Service", "RemainAfterExit", read.boolean, default=False)
    access = reader.text("Service", "NotifyAccess", "none")
    limits = _limits(reader, oneshot=kind == "oneshot")
    # Lines bear the unit's name here, so SyslogIdentifier= is as good as honoured.
    reader.entries("Service", "SyslogIdentifier")
    return ServiceUnit(
        name=reader.name,
        place=started[0].place if started else reader.place,
        type=kind,
        commands=commands,
        execution=read_execution(reader, "Service"),
        killing=read_killing(reader, "Service"),
        restarting=_restarting(reader),
        relations=read_relations(reader),
        conditions=read_conditions(reader),
        limits=limits,
        sockets=tuple(reader.other(word) for word, _ in reader.words("Service", "Sockets")),
        open_files=read_open_files(reader),
        nonblocking=reader.value("Service", "NonBlocking", read.boolean, default=False),
        exit_type=reader.text("Service", "ExitType", "main"),
        remain_after_exit=remains,
        pid_file=_pid_file(reader),
        guess_main_pid=reader.value("Service", "GuessMainPID", read.boolean, default=True),
        notify=_notify_access(access, kind, watched="Watchdog" in limits, reader=reader),
        reload_signal=reader.value("Service", "ReloadSignal", read.signal, int(signal.SIGHUP)),
        store_max=reader.value("Service", "FileDescriptorStoreMax", read.integer, 0),
        store_preserve=reader.value("Service", "FileDescriptorStorePreserve", _preserve, "restart"),
        late_start=reader.text("Service", "TimeoutStartFailureMode", "terminate"),
        late_stop=reader.text("Service", "TimeoutStopFailureMode", "terminate"),
    )


def _limits(reader: Reader, *, oneshot: bool) -> dict[str, float]:
    """Return the time limits, each also set by the directive that stands for several."""
    default = math.inf if oneshot else DEFAULT_TIMEOUT
    both = ("Service", "TimeoutSec")
    start = reader.last([both, ("Service", "TimeoutStartSec")], _timeout, default)
    stop = reader.last([both, ("Service", "TimeoutStopSec")], _timeout, DEFAULT_TIMEOUT)
    limits = {
        "TimeoutStart": start,
        "TimeoutStop": stop,
        "TimeoutAbort": reader.value("Service", "TimeoutAbortSec", read.seconds, stop),
    }
    for name in ("RuntimeMax", "Watchdog"):
        if limit := reader.value("Service", f"{name}Sec", read.seconds, 0.0):
            limits[name] = limit
    return limits


def _restarting(reader: Reader) -> Restarting:
    """Return when it starts again."""
    interval, burst = DEFAULT_START_LIMIT
    return Restarting(
        when=reader.text("Service", "Restart", "no"),
        delay=reader.value("Service", "RestartSec", read.seconds, 0.1),
        steps=reader.value("Service", "RestartSteps", read.integer, 0),
        longest=reader.value("Service", "RestartMaxDelaySec", read.seconds, math.inf),
        success=read_statuses(reader, "SuccessExitStatus"),
        prevent=read_statuses(reader, "RestartPreventExitStatus"),
        force=read_statuses(reader, "RestartForceExitStatus"),
        interval=reader.last(_INTERVALS, read.seconds, interval),
        burst=reader.last(_BURSTS, read.integer, burst),
    )


def _pid_file(reader: Reader) -> str:
    """Return the absolute path of PIDFile=, which is below /run unless it begins with /."""
    path = reader.text("Service", "PIDFile")
    if path and not path.startswith("/"):
        path = f"{reader.specifier('t')}/{path}"
    return reader.runtime.path(path) if path else ""


def _timeout(text: str) -> float:
    """Read a timeout, where 0 means none."""
    return read.seconds(text) or math.inf


def _preserve(text: str) -> str:
    """Read FileDescriptorStorePreserve=."""
    if text in ("restart", "on-success"):
        return "restart"
    return "yes" if read.boolean(text) else "no"


def _notify_access(access: str, kind: str, *, watched: bool, reader: Reader) -> str:
    """Return who may notify: at least the main process, where there is something to say."""
    store = reader.value("Service", "FileDescriptorStoreMax", read.integer, 0)
    needed = kind.startswith("notify") or watched or store > 0
    return "main" if access == "none" and needed else access
