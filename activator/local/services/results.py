"""How a service ended: systemd's Result, and the words for it.

Source: systemd.service(5), SuccessExitStatus= and Restart=; systemd.exec(5), $SERVICE_RESULT.
"""

import math
import signal

from activator.local.units.service_model import Restarting, Statuses

SUCCESS = "success"
SKIPPED = "exec-condition"
# A daemon that one of these ends has ended as it should.
_CLEAN_SIGNALS = {
    int(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)
}
# Restart= → the results after which it starts again.
_RESTARTS = {
    "no": frozenset[str](),
    "on-success": frozenset({SUCCESS}),
    "on-watchdog": frozenset({"watchdog"}),
    "on-abort": frozenset({"signal", "core-dump"}),
}
_ABNORMAL = frozenset({SUCCESS, SKIPPED, "exit-code"})
_LAST_SKIPPING = 254  # systemd.service(5): ExecCondition= with 255 is a failure


def judge(status: int | None, success: Statuses, *, daemon: bool, dumped: bool = False) -> str:
    """Return the result that a process's end stands for.

    Args:
        status: Its exit status, negative for a signal; None if nobody knows.
        success: SuccessExitStatus=.
        daemon: Whether it may be ended by the usual signals, as main processes may.
        dumped: Whether it left a core dump.
    """
    if status is None or status == 0 or success.holds(status):
        return SUCCESS
    if status > 0:
        return "exit-code"
    if daemon and -status in _CLEAN_SIGNALS:
        return SUCCESS
    return "core-dump" if dumped else "signal"


def judge_condition(status: int | None) -> str:
    """Return what the end of a command of ExecCondition= means."""
    if not status:
        return SUCCESS
    if 0 < status <= _LAST_SKIPPING:
        return SKIPPED
    return "exit-code" if status > 0 else "signal"


def restarts(rules: Restarting, result: str, status: int | None, *, oneshot: bool) -> bool:
    """Tell whether a service is started again by itself.

    Args:
        rules: Its settings.
        result: Its result.
        status: The main process's exit status, negative for a signal; None if it has none.
        oneshot: Whether its type is oneshot, which never starts again after success.
    """
    if status is not None and rules.prevent.holds(status):
        return False
    if status is not None and rules.force.holds(status):
        return not (oneshot and result == SUCCESS)
    if rules.when == "always":
        return result != SKIPPED
    if rules.when == "on-failure":
        return result not in (SUCCESS, SKIPPED)
    if rules.when == "on-abnormal":
        return result not in _ABNORMAL
    return result in _RESTARTS[rules.when]


def delay(rules: Restarting, count: int) -> float:
    """Return the seconds before a restart, the count-th in a row from 0.

    With RestartSteps= the delay grows in so many steps, each by the same factor.
    """
    if not rules.steps or math.isinf(rules.longest) or not rules.delay or not count:
        return rules.delay
    if count >= rules.steps:
        return rules.longest
    ratio = rules.longest / rules.delay
    return float(rules.delay * ratio ** (count / rules.steps))


def how(status: int | None) -> str:
    """Return how a process ended, for people."""
    if status is None:
        return "ended"
    if status < 0:
        return f"was ended by {signal_name(-status)}"
    return f"exited with status {status}" if status else "exited"


def exit_variables(result: str, status: int | None, *, dumped: bool = False) -> dict[str, str]:
    """Return what ExecStop= and ExecStopPost= are told."""
    told = {"SERVICE_RESULT": result}
    if status is None:
        return told
    if status >= 0:
        return told | {"EXIT_CODE": "exited", "EXIT_STATUS": str(status)}
    name = signal_name(-status).removeprefix("SIG")
    return told | {"EXIT_CODE": "dumped" if dumped else "killed", "EXIT_STATUS": name}


def signal_name(number: int) -> str:
    """Return a signal's name; Python lacks most real-time signals."""
    known = {int(each): each.name for each in signal.Signals}
    return known.get(number, f"signal {number}")
