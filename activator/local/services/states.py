"""The states of a service, of systemd's own names, and what leads from one to the next.

One row a state. ``done`` is where its commands lead when all went well, or its signal once
every process has ended; ``failed`` where a command that failed leads; ``late`` where its
time limit leads. A state that has nothing to run or to signal is passed at once. What a main
process that ends means is in :mod:`.service`, because it depends on the type.

Source: systemd.service(5), systemd.kill(5), and the states that ``systemctl show -p SubState``
of 252 to 257 goes through.
"""

from enum import Enum
from typing import NamedTuple


class State(Enum):
    """Where a service is in its life; the values are systemd's SubState."""

    DEAD = "dead"
    CONDITION = "condition"
    START_PRE = "start-pre"
    START = "start"
    START_POST = "start-post"
    RUNNING = "running"
    EXITED = "exited"
    RELOAD = "reload"
    RELOAD_SIGNAL = "reload-signal"
    RELOAD_NOTIFY = "reload-notify"
    STOP = "stop"
    STOP_WATCHDOG = "stop-watchdog"
    STOP_SIGTERM = "stop-sigterm"
    STOP_SIGKILL = "stop-sigkill"
    STOP_POST = "stop-post"
    FINAL_WATCHDOG = "final-watchdog"
    FINAL_SIGTERM = "final-sigterm"
    FINAL_SIGKILL = "final-sigkill"
    FAILED = "failed"
    AUTO_RESTART = "auto-restart"


class Row(NamedTuple):
    """What holds in a state.

    Attributes:
        activity: systemd's ActiveState.
        commands: The directive whose commands it runs, if it does.
        signal: Which signal it sends, if it does: a key of :data:`SIGNALS`.
        limit: The directive of its time limit, without ``Sec``; empty for none.
        done: The next state when all is well.
        failed: The next state when a command fails.
        late: The next state when the limit is over.
    """

    activity: str
    commands: str = ""
    signal: str = ""
    limit: str = ""
    done: State = State.DEAD
    failed: State = State.STOP_SIGTERM
    late: State = State.STOP_SIGTERM


_S = State
ROWS = {
    _S.DEAD: Row("inactive"),
    _S.CONDITION: Row("activating", "ExecCondition", "", "TimeoutStart", _S.START_PRE),
    _S.START_PRE: Row("activating", "ExecStartPre", "", "TimeoutStart", _S.START),
    _S.START: Row("activating", "ExecStart", "", "TimeoutStart", _S.START_POST),
    _S.START_POST: Row("activating", "ExecStartPost", "", "TimeoutStart", _S.RUNNING),
    _S.RUNNING: Row("active", "", "", "RuntimeMax", late=_S.STOP),
    _S.EXITED: Row("active"),
    _S.RELOAD: Row(
        "reloading", "ExecReload", "", "TimeoutStart", _S.RUNNING, _S.RUNNING, _S.RUNNING
    ),
    _S.RELOAD_SIGNAL: Row("reloading", "", "", "TimeoutStart", _S.RUNNING, late=_S.RUNNING),
    _S.RELOAD_NOTIFY: Row("reloading", "", "", "TimeoutStart", _S.RUNNING, late=_S.RUNNING),
    _S.STOP: Row("deactivating", "ExecStop", "", "TimeoutStop", _S.STOP_SIGTERM),
    _S.STOP_WATCHDOG: Row(
        "deactivating", "", "watchdog", "TimeoutAbort", _S.STOP_POST, late=_S.STOP_SIGKILL
    ),
    _S.STOP_SIGTERM: Row(
        "deactivating", "", "terminate", "TimeoutStop", _S.STOP_POST, late=_S.STOP_SIGKILL
    ),
    _S.STOP_SIGKILL: Row(
        "deactivating", "", "kill", "TimeoutStop", _S.STOP_POST, late=_S.STOP_POST
    ),
    _S.STOP_POST: Row(
        "deactivating",
        "ExecStopPost",
        "",
        "TimeoutStop",
        _S.FINAL_SIGTERM,
        _S.FINAL_SIGTERM,
        _S.FINAL_SIGTERM,
    ),
    _S.FINAL_WATCHDOG: Row(
        "deactivating", "", "watchdog", "TimeoutAbort", _S.DEAD, late=_S.FINAL_SIGKILL
    ),
    _S.FINAL_SIGTERM: Row(
        "deactivating", "", "terminate", "TimeoutStop", _S.DEAD, late=_S.FINAL_SIGKILL
    ),
    _S.FINAL_SIGKILL: Row("deactivating", "", "kill", "TimeoutStop", _S.DEAD, late=_S.DEAD),
    _S.FAILED: Row("failed"),
    _S.AUTO_RESTART: Row("activating", "", "", "Restart", _S.CONDITION, late=_S.CONDITION),
}
# What a state's signal is, as systemd.kill(5) names it, and whether SendSIGHUP= goes with it.
SIGNALS = {
    "terminate": ("KillSignal", True),
    "restart": ("RestartKillSignal", True),
    "watchdog": ("WatchdogSignal", False),
    "kill": ("FinalKillSignal", False),
}
STARTING = (_S.CONDITION, _S.START_PRE, _S.START, _S.START_POST)
RELOADING = (_S.RELOAD, _S.RELOAD_SIGNAL, _S.RELOAD_NOTIFY)
STOPPING = (_S.STOP_WATCHDOG, _S.STOP_SIGTERM, _S.STOP_SIGKILL)
ENDING = (_S.STOP_POST, _S.FINAL_WATCHDOG, _S.FINAL_SIGTERM, _S.FINAL_SIGKILL)
GONE = (_S.DEAD, _S.FAILED)
