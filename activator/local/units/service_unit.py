"""From a .service file to its model.

Source: systemd.service(5); what it shares with other units is read by its neighbours.
"""

import math
import signal

from activator.errors import ActivatorError
from activator.local.units import values
from activator.local.units.command_unit import read_commands
from activator.local.units.conditions_unit import read_conditions
from activator.local.units.exec_unit import read_execution
from activator.local.units.kill_unit import read_killing, read_statuses, signal_number
from activator.local.units.open_file import read_open_files
from activator.local.units.reader import Reader, one_of
from activator.local.units.relations import read_relations
from activator.local.units.service_model import (
    DEFAULT_START_LIMIT,
    DEFAULT_TIMEOUT,
    Restarting,
    ServiceUnit,
)

_TYPES = ("simple", "exec", "notify", "notify-reload", "oneshot", "idle", "dbus", "forking")
_ACCESS = ("none", "main", "exec", "all")
_COMMANDS = (
    "ExecCondition",
    "ExecStartPre",
    "ExecStart",
    "ExecStartPost",
    "ExecReload",
    "ExecStop",
    "ExecStopPost",
)
_RESTARTS = (
    "no",
    "always",
    "on-success",
    "on-failure",
    "on-abnormal",
    "on-abort",
    "on-watchdog",
)
_FAILURE_MODES = ("terminate", "abort", "kill")


def read_service(reader: Reader) -> ServiceUnit:
    """Make the model of a service unit.

    Raises:
        ActivatorError: systemd would refuse the unit or skip a line of it, or it cannot be
            run here.
    """
    kind = reader.value("Service", "Type", one_of(*_TYPES), "simple")
    commands = read_commands(reader, "Service", _COMMANDS)
    started = commands.get("ExecStart", ())
    remains = reader.value("Service", "RemainAfterExit", values.boolean, default=False)
    _check(reader, kind, len(started), remains=remains, stops="ExecStop" in commands)
    access = reader.value("Service", "NotifyAccess", one_of(*_ACCESS), "none")
    limits = _limits(reader, oneshot=kind == "oneshot")
    return ServiceUnit(
        name=reader.name,
        place=started[0].place if started else reader.place,
        type=kind,
        commands=commands,
        execution=read_execution(reader, "Service"),
        killing=read_killing(reader, "Service"),
        restarting=_restarting(reader, kind),
        relations=read_relations(reader),
        conditions=read_conditions(reader),
        limits=limits,
        sockets=tuple(word for word, _ in reader.words("Service", "Sockets")),
        open_files=read_open_files(reader),
        nonblocking=reader.value("Service", "NonBlocking", values.boolean, default=False),
        exit_type=_exit_type(reader, kind),
        remain_after_exit=remains,
        pid_file=_pid_file(reader),
        guess_main_pid=reader.value("Service", "GuessMainPID", values.boolean, default=True),
        notify=_notify_access(access, kind, watched="Watchdog" in limits, reader=reader),
        reload_signal=reader.value("Service", "ReloadSignal", signal_number, int(signal.SIGHUP)),
        store_max=reader.value("Service", "FileDescriptorStoreMax", values.unsigned, 0),
        store_preserve=reader.value("Service", "FileDescriptorStorePreserve", _preserve, "restart"),
        late_start=reader.value(
            "Service", "TimeoutStartFailureMode", one_of(*_FAILURE_MODES), "terminate"
        ),
        late_stop=reader.value(
            "Service", "TimeoutStopFailureMode", one_of(*_FAILURE_MODES), "terminate"
        ),
    )


def _check(reader: Reader, kind: str, count: int, *, remains: bool, stops: bool) -> None:
    """Refuse what systemd refuses."""
    if not count and not (kind == "oneshot" and stops) and not (remains and stops):
        raise ActivatorError(
            "there is no ExecStart=", "add ExecStart=PROGRAM to [Service]", place=reader.place
        )
    if count > 1 and kind != "oneshot":
        raise ActivatorError(
            "only Type=oneshot has several commands in ExecStart=",
            "keep one, or write the others as ExecStartPre=",
            place=reader.entries("Service", "ExecStart")[-1].place,
        )


def _limits(reader: Reader, *, oneshot: bool) -> dict[str, float]:
    """Return the time limits, each also set by the directive that stands for several."""
    default = math.inf if oneshot else DEFAULT_TIMEOUT
    both = reader.value("Service", "TimeoutSec", _timeout, None)
    start = reader.value("Service", "TimeoutStartSec", _timeout, both)
    stop = reader.value("Service", "TimeoutStopSec", _timeout, both)
    stop = DEFAULT_TIMEOUT if stop is None else stop
    limits = {
        "TimeoutStart": default if start is None else start,
        "TimeoutStop": stop,
        "TimeoutAbort": reader.value("Service", "TimeoutAbortSec", _timeout, None) or stop,
    }
    for name in ("RuntimeMax", "Watchdog"):
        if limit := reader.value("Service", f"{name}Sec", values.seconds, 0.0):
            limits[name] = limit
    return limits


def _restarting(reader: Reader, kind: str) -> Restarting:
    """Return when it starts again."""
    when = reader.value("Service", "Restart", one_of(*_RESTARTS), "no")
    if kind == "oneshot" and when in ("always", "on-success"):
        raise ActivatorError(
            f"Type=oneshot does not go with Restart={when}",
            "set Restart=on-failure",
            place=reader.entries("Service", "Restart")[-1].place,
        )
    interval, burst = DEFAULT_START_LIMIT
    for section, name in (("Service", "StartLimitInterval"), ("Unit", "StartLimitInterval"),
                          ("Unit", "StartLimitIntervalSec")):  # fmt: skip
        interval = reader.value(section, name, values.seconds, interval)
    for section in ("Service", "Unit"):
        burst = reader.value(section, "StartLimitBurst", values.unsigned, burst)
    return Restarting(
        when=when,
        delay=reader.value("Service", "RestartSec", values.seconds, 0.1),
        steps=reader.value("Service", "RestartSteps", values.unsigned, 0),
        longest=reader.value("Service", "RestartMaxDelaySec", values.seconds, math.inf),
        success=read_statuses(reader, "SuccessExitStatus"),
        prevent=read_statuses(reader, "RestartPreventExitStatus"),
        force=read_statuses(reader, "RestartForceExitStatus"),
        interval=interval,
        burst=burst,
    )


def _exit_type(reader: Reader, kind: str) -> str:
    """Return ExitType=."""
    text = reader.value("Service", "ExitType", one_of("main", "cgroup"), "main")
    if text == "cgroup" and kind == "oneshot":
        place = reader.entries("Service", "ExitType")[-1].place
        what = "ExitType=cgroup does not go with Type=oneshot"
        raise ActivatorError(what, "remove it: a oneshot is done with its command", place=place)
    return text


def _pid_file(reader: Reader) -> str:
    """Return the absolute path of PIDFile=, which is below /run unless it begins with /."""
    path = reader.text("Service", "PIDFile")
    return path if not path or path.startswith("/") else f"{reader.specifier('t')}/{path}"


def _timeout(text: str) -> float | None:
    """Read a timeout, where 0 means none."""
    return values.seconds(text) or math.inf


def _preserve(text: str) -> str:
    """Read FileDescriptorStorePreserve=."""
    if text == "restart":
        return text
    return "yes" if values.boolean(text) else "no"


def _notify_access(access: str, kind: str, *, watched: bool, reader: Reader) -> str:
    """Return who may notify: at least the main process, where there is something to say."""
    store = reader.value("Service", "FileDescriptorStoreMax", values.unsigned, 0)
    needed = kind.startswith("notify") or watched or store > 0
    return "main" if access == "none" and needed else access
