"""What is asked of systemctl, and what is made of its answers; boxes test the rest."""

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from activator.cli import main
from activator.errors import ActivatorError
from activator.live import journal
from activator.live.call import Answer
from activator.live.doctor.ends import account
from activator.live.doctor.failing import fails
from activator.live.journal import telling
from activator.live.manager import Manager
from activator.live.units import Unit

# Answers as systemctl does; it writes down what it was asked.
SYSTEMCTL = """\
#!/bin/sh
printf '%s\\n' "$*" >>"$0.asked"
cat "$0.out"
cat "$0.err" >&2
exit "$(cat "$0.status")"
"""
UP = """\
Id=a.socket
LoadState=loaded
ActiveState=active
Result=success
UnitFileState=enabled
FragmentPath=/etc/systemd/system/a.socket
DropInPaths=/etc/a.conf /etc/b.conf
ActiveEnterTimestamp=Fri 2100-01-01 10:36:00.123456 UTC
ActiveEnterTimestampMonotonic=1
NeedDaemonReload=no

Id=b.service
LoadState=not-found
ActiveState=inactive
ActiveEnterTimestamp=
ActiveEnterTimestampMonotonic=0
NeedDaemonReload=yes
"""


class Systemctl:
    """A program in the place of systemctl."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "systemctl"
        self.path.write_text(SYSTEMCTL)
        self.path.chmod(0o755)
        self.answers()

    def answers(self, out: str = "", err: str = "", status: int = 0) -> None:
        """Set what it answers from now on."""
        for kind, text in (("out", out), ("err", err), ("status", str(status))):
            self.path.with_suffix(f".{kind}").write_text(text)

    @property
    def asked(self) -> list[str]:
        """Return the arguments of each call so far."""
        return self.path.with_suffix(".asked").read_text().splitlines()


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemctl:
    """Return a systemctl that comes first in PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return Systemctl(tmp_path)


def test_states(systemctl: Systemctl) -> None:
    """Every unit has its state, in order."""
    systemctl.answers(UP)
    up, unknown = Manager().show(["a.socket", "b.service"])
    assert ("a.socket", True, "enabled", False) == (up.name, up.up, up.file, up.unread)
    assert ("/etc/a.conf", "/etc/b.conf") == up.dropins
    assert datetime(2100, 1, 1, 10, 36, 0, 123456, tzinfo=UTC).timestamp() == up.since
    assert ("not-found", False, 0.0, True) == (
        *(unknown.load, unknown.up, unknown.since, unknown.unread),
    )


def test_start_at_a_wrong_time_of_day(systemctl: Systemctl) -> None:
    """What was started before the clock was set is not taken for older than it is."""
    now = time.monotonic()
    started = UP.replace("Fri 2100", "Thu 1970")
    systemctl.answers(started.replace("Monotonic=1\n", f"Monotonic={int(now * 1e6)}\n"))
    up, _ = Manager().show(["a.socket", "b.service"])
    assert abs(time.time() - up.since) < 60


def test_orders(systemctl: Systemctl) -> None:
    """Names follow "--", and work on links reloads nothing."""
    manager = Manager(user=True)
    manager.daemon_reload()
    manager.restart(["-a.socket", "b.service"])
    manager.try_restart(["b.service"])
    manager.enable(["-a.socket"])
    Manager(root="/image").disable(["a.socket"])
    Manager(root="/image", user=True).reenable(["a.socket"])
    assert [
        "--user --no-pager daemon-reload --",
        "--user --no-pager restart -- -a.socket b.service",
        "--user --no-pager try-restart -- b.service",
        "--user --no-pager enable --quiet --no-reload -- -a.socket",
        "--root=/image --no-pager disable --quiet --no-reload -- a.socket",
        "--root=/image --global --no-pager reenable --quiet --no-reload -- a.socket",
    ] == systemctl.asked


def test_only_known_units_are_stopped(systemctl: Systemctl) -> None:
    """An unknown name is no error."""
    systemctl.answers(UP)
    Manager().stop(["a.socket", "b.service"])
    assert "--no-pager stop -- a.socket" == systemctl.asked[-1]
    Manager().reset_failed(["a.socket"])
    assert 3 == len(systemctl.asked)
    Manager().stop([])
    assert 3 == len(systemctl.asked)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Warning: x\nFailed to do it.\nMore", "systemctl start: Failed to do it"),
        ("", "systemctl start: it ended with status 3"),
        (
            "Failed to connect to bus: No medium found",
            (
                "systemctl start: Failed to connect to bus: No medium found; "
                "is that manager running? --root DIR writes the files alone"
            ),
        ),
        (
            "System has not been booted with systemd as init system (PID 1). Can't operate.",
            "systemd does not run here; --root DIR writes the files alone",
        ),
        ("Access denied", "systemctl start: Access denied; run it as root"),
    ],
)
def test_failures_are_one_line(systemctl: Systemctl, said: str, told: str) -> None:
    """The first line that is no warning is told, with a hint where there is one."""
    systemctl.answers(err=said, status=3)
    with pytest.raises(ActivatorError) as caught:
        Manager().start(["a.socket"])
    assert told == str(caught.value)


@pytest.mark.parametrize("command", ["status", "doctor"])
def test_hint_for_those_who_ask(
    systemctl: Systemctl, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Who wants to look at sockets where no systemd runs is led to the local activator."""
    systemctl.answers(err="System has not been booted with systemd as init system.", status=1)
    assert 1 == main([command])
    expected = "systemd does not run here; `activator ctl status` asks a local activator\n"
    assert ("", expected) == capsys.readouterr()


def test_missing_systemctl(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """That there is none is told as well."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ActivatorError, match="there is no systemctl"):
        Manager().daemon_reload()


def entry(message: object, priority: int = 6, **fields: str) -> dict[str, object]:
    """Return a log entry as journalctl gives it."""
    return json.loads(json.dumps({"MESSAGE": message, "PRIORITY": str(priority), **fields}))  # type: ignore[no-any-return]


def manager_says(message: str, priority: int) -> dict[str, object]:
    """Return an entry of the manager about a unit."""
    return entry(message, priority, UNIT="a.service")


EXITED = "a.service: Main process exited, code=exited, status=1/FAILURE"


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([], ""),
        ([entry(None), entry([1, 2]), entry(" \n")], ""),
        ([entry("bye.")], "a.service: last words: bye"),
        ([manager_says(EXITED, 5)], EXITED),
        ([entry("Traceback\n  x\nE: y"), manager_says(EXITED, 5)], f"{EXITED} (last words: E: y)"),
        (
            [
                entry("shop.py:1: cannot load shop: KeyError: 'x'"),
                entry("worker 7 ended with status 1 before it was ready"),
                manager_says(EXITED, 5),
            ],
            f"{EXITED} (last words: shop.py:1: cannot load shop: KeyError: 'x')",
        ),
        ([manager_says("a.service: Failed with result 'exit-code'.", 4)], ""),
        ([manager_says("a.service: Cannot do x, ignoring: y", 3)], ""),
        ([manager_says("Failed to start a.service", 3)], ""),
        (
            [
                manager_says("a.service: No socket (80): Input/output error", 3),
                manager_says("a.service: No socket (80): Address already in use", 3),
            ],
            "a.service: No socket (80): Address already in use",
        ),
    ],
)
def test_reasons(entries: list[dict[str, object]], reason: str) -> None:
    """Of a log, the line that tells most is told."""
    assert reason == telling("a.service", entries)


def test_words_of_the_run_before_are_no_reason() -> None:
    """Only what the failed start has said counts, or else what the manager says of it."""
    before, failed = ("_SYSTEMD_INVOCATION_ID", "1"), ("_SYSTEMD_INVOCATION_ID", "2")
    manager = {"UNIT": "a.service", "INVOCATION_ID": "2", "PRIORITY": "5"}
    log: list[dict[str, Any]] = [
        dict([before], MESSAGE="draining"),
        {"MESSAGE": "drained, said by nobody in particular"},
        manager | {"MESSAGE": "a.service: Main process exited", "PRIORITY": "5"},
        dict([before], MESSAGE="bye"),
    ]
    assert "a.service: Main process exited" == journal.telling("a.service", journal.after(log, "1"))
    log.append(dict([failed], MESSAGE="no such module"))
    told = journal.telling("a.service", journal.after(log, "1"))
    assert "a.service: Main process exited (last words: no such module)" == told
    assert [] == journal.after(log[:2], "1")


EXIT, DONE, FAILED = (
    *("98e322203f7a4ed290d09fe03c09fe15", "7ad2d189f7e94e70a38c781354912448"),
    "d9b373ed55a64feb8242e02dbe79a49c",
)


def test_words_that_are_read_before_the_start() -> None:
    """Of a process that is gone when its words are read, nobody knows of which run they were."""
    manager = {"UNIT": "a.service", "INVOCATION_ID": "1", "PRIORITY": "5"}
    log: list[dict[str, Any]] = [
        {"MESSAGE": "no luck", "_SYSTEMD_UNIT": "a.service"},
        manager | {"MESSAGE": "Started a.service.", "PRIORITY": "6"},
        manager
        | {"MESSAGE": EXITED, "MESSAGE_ID": EXIT, "EXIT_CODE": "exited", "EXIT_STATUS": "1"},
        manager
        | {
            "MESSAGE": "a.service: Failed with result x.",
            "MESSAGE_ID": FAILED,
            "UNIT_RESULT": "x",
        },
    ]
    run = journal.last_run(log)
    assert ("exited", 1, "x") == (run.how, run.status, run.result)
    assert f"{EXITED} (last words: no luck)" == journal.telling("a.service", run.entries)


RELOADING, RELOADED = "d34d037fff1847e6ae669a370e694725", "7b05ebc668384222baa8881179cfda54"
CONTROL = "a.service: Control process exited, code=exited, status=1/FAILURE"


@pytest.mark.parametrize("priority", [3, 6])
def test_words_of_a_reload(priority: int) -> None:
    """They are those of the last one, some of which are read later; errors count first."""
    told = [
        (1, manager_says("Reloading a.service", 6) | {"MESSAGE_ID": RELOADING}),
        (1, entry("of another reload", 3)),
        (2, manager_says("Reload failed for a.service", 3) | {"MESSAGE_ID": RELOADED}),
        (8, manager_says("Reloading a.service", 6) | {"MESSAGE_ID": RELOADING}),
        (8, entry("somebody came", 6)),
        (8, entry("worker 7 ended with status 1 before it was ready", 4)),
        (9, manager_says(CONTROL, 5)),
        (9, manager_says("Reload failed for a.service", 3) | {"MESSAGE_ID": RELOADED}),
        (9.5, entry("no luck", priority)),
        *([(9.6, entry("somebody left", 6))] if priority == 3 else []),
        (11, entry("somebody else came", 3)),
    ]
    log = [one | {"__REALTIME_TIMESTAMP": str(int(at * 1e6))} for at, one in told]
    assert f"{CONTROL} (last words: no luck)" == telling("a.service", journal.last_reload(log))
    assert [] == journal.last_reload(log[-1:])


def test_a_failure_that_is_not_logged_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may not have the journal written waits for what is said of a failure."""
    answers = iter(["", "", json.dumps({"MESSAGE": "x", "MESSAGE_ID": FAILED})])

    def call(argv: list[str]) -> Answer:
        denied = "--sync" in argv
        return Answer(int(denied), "" if denied else next(answers), "")

    monkeypatch.setattr(journal, "call", call)
    (found,) = journal.of_failure("a.service", 0.0, user=True)
    assert FAILED == found["MESSAGE_ID"]


def test_a_good_end_of_what_runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a service that runs, the journal alone knows that it has ended well before."""
    log = [
        {"UNIT": "a.service", "INVOCATION_ID": "1", "MESSAGE_ID": name, "MESSAGE": "a.service: x"}
        for name in (FAILED, DONE)
    ]
    monkeypatch.setattr(journal, "entries", lambda *_, **__: log)
    values = {"Id": "a.service", "ActiveState": "active", "Result": "success", "ExecMainCode": "0"}
    manager: Any = SimpleNamespace(
        user=False, reason=lambda *_: "", since=lambda *_: 0.0, drop_ins=lambda _: []
    )
    socket: Any = Unit({"Id": "a.socket", "FragmentPath": ""}, manager)
    assert account(socket, Unit(values, manager)).clean
    log.reverse()
    assert not account(socket, Unit(values, manager)).clean


@pytest.mark.parametrize(("result", "failing"), [("exit-code", True), ("success", False)])
def test_what_has_ended_is_cleaned_up_after(result: str, *, failing: bool) -> None:
    """While ExecStopPost= runs, as podman's does, a service that has failed still fails."""
    values = {"Id": "a.service", "ActiveState": "deactivating", "SubState": "stop-post"}
    manager: Any = SimpleNamespace(user=False)
    assert failing is fails(Unit(values | {"Result": result, "NRestarts": "2"}, manager))
