"""One grammar: what check says of a line, what `run` takes, and what the real systemd shows.

For the directives that the local activator honours and whose value systemd shows, values are
drawn: right ones, odd ones, out of range, of 5,000 digits. All of them are loaded in one go.
"""

import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from activator.errors import ActivatorError
from activator.local.units.load import load
from activator.local.units.models import SocketUnit
from activator.local.units.service_model import ServiceUnit
from activator.unitfile import directives
from activator.unitfile.values import is_list, judge
from activator.unitfile.values.verdict import REFUSED
from tests.boxes.box import Box

pytestmark = pytest.mark.each_systemd

LOADER = Path(__file__).parents[1] / "boxes/inside/load_units.py"
INFINITE = 2**64 - 1


class Shown(NamedTuple):
    """How systemd shows a directive, and what `run` makes of it in the same form."""

    name: str
    read: Callable[[Any], Any]
    values: str


def usec(seconds: float) -> int:
    """Return a span as systemd shows it."""
    return INFINITE if math.isinf(seconds) else round(seconds * 1_000_000)


def option(name: str, unset: int) -> Callable[[SocketUnit], Any]:
    """Return what reads a socket's option."""
    return lambda unit: unit.options.values.get(name, unset)


def relation(name: str) -> Callable[[ServiceUnit], Any]:
    """Return what reads a relation."""
    return lambda unit: sorted(getattr(unit.relations, name))


def ending(name: str) -> Callable[[ServiceUnit], Any]:
    """Return what reads a signal."""
    return lambda unit: unit.killing.signals[name]


def patience(name: str) -> Callable[[ServiceUnit], Any]:
    """Return what reads a time limit."""
    return lambda unit: usec(unit.limits[name])


def limit(name: str) -> Callable[[ServiceUnit], Any]:
    """Return what reads a soft limit; -1 if it is unset, where systemd's default is its own."""

    def read(unit: ServiceUnit) -> int:
        soft, _ = unit.execution.limits.get(name, (-1.0, -1.0))
        return INFINITE if math.isinf(soft) else int(soft)

    return read


SWITCHES = ("KeepAlive", "NoDelay", "Broadcast", "PassCredentials", "ReusePort", "FreeBind")
SOCKET = {
    **{name: Shown(name, option(name, 0), "switch") for name in (*SWITCHES, "Transparent")},
    "PassSecurity": Shown("PassSecurity", option("PassSecurity", 0), "switch"),
    "PassPacketInfo": Shown("PassPacketInfo", option("PassPacketInfo", 0), "switch"),
    "Backlog": Shown("Backlog", lambda unit: unit.options.backlog, "number"),
    "ReceiveBuffer": Shown("ReceiveBuffer", option("ReceiveBuffer", 0), "size"),
    "SendBuffer": Shown("SendBuffer", option("SendBuffer", 0), "size"),
    "PipeSize": Shown("PipeSize", lambda unit: unit.node.pipe_size, "size"),
    "SocketMode": Shown("SocketMode", lambda unit: unit.node.mode, "mode"),
    "DirectoryMode": Shown("DirectoryMode", lambda unit: unit.node.directory_mode, "mode"),
    "IPTOS": Shown("IPTOS", option("IPTOS", -1), "tos"),
    "Mark": Shown("Mark", option("Mark", -1), "natural"),
    "Priority": Shown("Priority", option("Priority", -1), "natural"),
    "TriggerLimitIntervalSec": Shown(
        "TriggerLimitIntervalUSec", lambda unit: usec(unit.trigger.interval), "span"
    ),
    "TriggerLimitBurst": Shown("TriggerLimitBurst", lambda unit: unit.trigger.burst, "number"),
    "PollLimitIntervalSec": Shown(
        "PollLimitIntervalUSec", lambda unit: usec(unit.poll.interval), "span"
    ),
    "PollLimitBurst": Shown("PollLimitBurst", lambda unit: unit.poll.burst, "number"),
    "TimeoutSec": Shown("TimeoutUSec", lambda unit: usec(unit.timeout), "span"),
    "FileDescriptorName": Shown("FileDescriptorName", lambda unit: unit.fdname, "word"),
    "BindToDevice": Shown("BindToDevice", lambda unit: unit.options.device, "interface"),
    "MaxConnectionsPerSource": Shown(
        "MaxConnectionsPerSource", lambda unit: unit.max_per_source, "number"
    ),
    "FlushPending": Shown("FlushPending", lambda unit: int(unit.flush), "switch"),
    "Writable": Shown("Writable", lambda unit: int(unit.node.writable), "switch"),
    "Symlinks": Shown("Symlinks", lambda unit: list(unit.node.symlinks), "paths"),
    "MessageQueueMaxMessages": Shown(
        "MessageQueueMaxMessages", lambda unit: unit.node.queue_messages, "integer"
    ),
    "BindIPv6Only": Shown("BindIPv6Only", lambda unit: unit.options.bind_ipv6_only, "ipv6"),
}
SERVICE = {
    **{
        name: Shown(name, ending(name), "signal")
        for name in ("KillSignal", "FinalKillSignal", "WatchdogSignal")
    },
    **{
        f"{name}Sec": Shown(f"{name}USec", patience(name), "span")
        for name in ("TimeoutStart", "TimeoutStop", "TimeoutAbort")
    },
    **{
        f"Limit{name}": Shown(f"Limit{name}Soft", limit(f"Limit{name}"), kind)
        for name, kind in (
            ("NOFILE", "limit"), ("FSIZE", "sizes"), ("CPU", "spans"), ("RTTIME", "spans"),
            ("NICE", "nice"), ("CORE", "sizes"),
        )
    },
    "KillMode": Shown("KillMode", lambda unit: unit.killing.mode, "kill"),
    "SendSIGHUP": Shown("SendSIGHUP", lambda unit: int(unit.killing.send_sighup), "switch"),
    "SendSIGKILL": Shown("SendSIGKILL", lambda unit: int(unit.killing.send_sigkill), "switch"),
    "Type": Shown("Type", lambda unit: unit.type, "type"),
    "Restart": Shown("Restart", lambda unit: unit.restarting.when, "restart"),
    "RestartSec": Shown("RestartUSec", lambda unit: usec(unit.restarting.delay), "span"),
    "RemainAfterExit": Shown(
        "RemainAfterExit", lambda unit: int(unit.remain_after_exit), "switch"
    ),
    "GuessMainPID": Shown("GuessMainPID", lambda unit: int(unit.guess_main_pid), "switch"),
    "NonBlocking": Shown("NonBlocking", lambda unit: int(unit.nonblocking), "switch"),
    "UMask": Shown("UMask", lambda unit: unit.execution.umask, "mode"),
    "IgnoreSIGPIPE": Shown(
        "IgnoreSIGPIPE", lambda unit: int(unit.execution.ignore_sigpipe), "switch"
    ),
    "NoNewPrivileges": Shown(
        "NoNewPrivileges", lambda unit: int(unit.execution.no_new_privileges), "switch"
    ),
    "FileDescriptorStoreMax": Shown(
        "FileDescriptorStoreMax", lambda unit: unit.store_max, "number"
    ),
    "Environment": Shown(
        "Environment",
        lambda unit: [f"{name}={value}" for name, value in unit.execution.environment.items()],
        "environment",
    ),
    "PassEnvironment": Shown(
        "PassEnvironment",
        lambda unit: list(dict.fromkeys(unit.execution.pass_environment)),  # as good as twice
        "names",
    ),
    "UnsetEnvironment": Shown(
        "UnsetEnvironment",
        lambda unit: list(dict.fromkeys(unit.execution.unset_environment)),
        "environment",
    ),
    "RuntimeDirectory": Shown(
        "RuntimeDirectory",
        lambda unit: [
            path.removeprefix("/run/")
            for each in (unit.execution.directories.get("RUNTIME_DIRECTORY"),)
            if each is not None
            for path in each.paths
        ],
        "relative",
    ),
    "SuccessExitStatus": Shown(
        "SuccessExitStatus",
        lambda unit: [
            sorted(unit.restarting.success.codes), sorted(unit.restarting.success.signals)
        ],
        "statuses",
    ),
    "WorkingDirectory": Shown(
        "WorkingDirectory",
        lambda unit: (
            "!" * unit.execution.working_directory_optional + unit.execution.working_directory
        ),
        "directory",
    ),
}  # fmt: skip
UNIT = {
    "StartLimitIntervalSec": Shown(
        "StartLimitIntervalUSec", lambda unit: usec(unit.restarting.interval), "span"
    ),
    "StartLimitBurst": Shown("StartLimitBurst", lambda unit: unit.restarting.burst, "number"),
    "StopWhenUnneeded": Shown(
        "StopWhenUnneeded", lambda unit: int(unit.relations.stop_when_unneeded), "switch"
    ),
    **{
        name: Shown(name, relation(attribute), "units")
        for name, attribute in {
            "Wants": "wants",
            "BindsTo": "binds_to",
            "PartOf": "part_of",
            "Upholds": "upholds",
            "OnFailure": "on_failure",
            "OnSuccess": "on_success",
        }.items()
    },
}
TABLES = {"Socket": SOCKET, "Service": SERVICE, "Unit": UNIT}

NUMBERS = st.one_of(
    st.integers(-10, 2**33).map(str),
    st.sampled_from(["0", "00", "010", "0x1F", "0XfF", "0b101", "0o17", "+5", "-0", "- 5", "5 ",
                     "1_000", "٣", "4294967295", "4294967296", "9" * 5000, "0" * 5000 + "7", "5.0",
                     "1e3", "0x", "08", "infinity", "five", "5;", "# 5", "'5'"]),
)  # fmt: skip
SPANS = st.one_of(
    st.sampled_from(["5", "+5s", "5s", "1min 30s", "1h5m", "200ms", "1.5s", ".5", "5us", "1w",
                     "infinity", "0", "-5", "5 parsecs", "5S", "1.s", "s", "1min30", "5μs", "5µs",
                     "1y 1M", "9" * 5000, "0." + "1" * 500, "1 000", "5s;",
                     "18446744073709551615us",
                     "infinity 5s", "5sec 5", "1d 1d"]),
    st.integers(0, 2**40).map(lambda number: f"{number}ms"),
)  # fmt: skip
SIZES = st.one_of(
    st.sampled_from(["8K", "1.5M", "1 M", "1G 500M", "500M 1G", "8k", "8Mi", "-1", "7", "3B", "1E",
                     "16E", "0.5K", "+8K", "8K 1", "infinity", "9" * 5000, "1.", ".5K", "0x10"]),
    st.integers(0, 2**40).map(str),
)  # fmt: skip
WORDS = ["yes", "no", "a", "A=1", "b c", "1x", "'q r'", '"A=b c"', "A=\\x41", "A=\\q", "%%", "%z",
         "%n", "é", "'open", "a:b", "/a", "../a", "a/b", "x.service", "y.socket", "z@.service", "z",
         "SIGTERM", "7", "TEMPFAIL", "SIGCLD", "256", "B=2 C", "C=", "=D", "a//b",
         "/a//b/", "."]  # fmt: skip
VALUES: dict[str, st.SearchStrategy[str]] = {
    "switch": st.sampled_from(["yes", "no", "ON", "oFf", "1", "0", "t", "F", "maybe", "2", "y es",
                               "", "'yes'", "yes # no", "9" * 5000, "\uff59\uff45\uff53"]),
    "number": NUMBERS,
    "natural": NUMBERS,
    "integer": NUMBERS,
    "size": SIZES,
    "sizes": st.one_of(SIZES, st.tuples(SIZES, SIZES).map(":".join), st.just("infinity:1")),
    "span": SPANS,
    "spans": st.one_of(SPANS, st.tuples(SPANS, SPANS).map(":".join)),
    "limit": st.one_of(NUMBERS, st.tuples(NUMBERS, NUMBERS).map(":".join)),
    "nice": st.sampled_from(["+5", "-5", "5", "+20", "-20", "-21", "40", "41", "infinity", "1:2",
                             "+5:+1", "9" * 5000]),
    "mode": st.sampled_from(["0660", "660", "0", "7777", "17777", "0999", "rwx", "", "0o660", "u=r",
                             "0" * 5000 + "660", "6" * 5000, "-1", "+7"]),
    "signal": st.sampled_from(["SIGTERM", "TERM", "15", "0xf", "017", "SIGCLD", "CLD", "SIGRTMIN",
                               "RTMIN+3", "SIGRTMIN+31", "RTMAX-2", "RTMAX+1", "RTMIN-0", "0", "65",
                               "64", "sigterm", "-1", "SIG15", "9" * 5000, "SIGPOLL", "SIGIOT",
                               "SIGUNUSED", "RTMIN+0x3", "SIGSTKFLT"]),
    "tos": st.one_of(NUMBERS, st.sampled_from(["low-delay", "throughput", "LOW-DELAY", "255"])),
    "word": st.sampled_from(WORDS),
    "interface": st.sampled_from(["lo", "eth0", "*", "a b", "x" * 16, "7", "0x7", ".", "all",
                                  "a/b"]),
    "paths": st.sampled_from(["/run/a", "/run/a /run/b", "a", "/run/a b /run/c", "/run//a/", "/..",
                              "'/run/a b'", "'/run/a", "/run/%n", "/run/%z /run/b"]),
    "ipv6": st.sampled_from(["default", "both", "ipv6-only", "yes", "no", "Both", "1", "v6"]),
    "kill": st.sampled_from(["mixed", "process", "control-group", "none", "Mixed", "x", ""]),
    "type": st.sampled_from(["simple", "exec", "notify", "oneshot", "forking", "notify-reload",
                             "Simple", "x", "idle"]),
    "restart": st.sampled_from(["no", "always", "on-failure", "on-abort", "yes", "No", "x"]),
    "directory": st.sampled_from(["/", "/a//b/", "~", "-/a", "-~", "a", "-a", "/..", "-/..",
                                  "/%z"]),
    "environment": st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join),
    "names": st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join),
    "relative": st.lists(st.sampled_from(WORDS), max_size=3).map(" ".join),
    "statuses": st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join),
    "units": st.lists(st.sampled_from(WORDS), max_size=3).map(" ".join),
}  # fmt: skip
SERVICE_BASE = "[Service]\nExecStart=/bin/true\n"


class Line(NamedTuple):
    """One line to be loaded, in a unit of its own."""

    section: str
    name: str
    value: str

    def texts(self, number: int) -> dict[str, str]:
        """Return the units that have it."""
        text = f"[{self.section}]\n{self.name}={self.value}\n"
        socket, service = "[Socket]\nListenStream=/run/grammar/s\n", SERVICE_BASE
        if self.section == "Socket":
            return {f"grammar{number}.socket": socket + text, f"grammar{number}.service": service}
        return {f"grammar{number}.service": service + text}

    @property
    def shown(self) -> Shown:
        """Return how it is shown."""
        return TABLES[self.section][self.name]


@cache
def lines(each: int) -> tuple[Line, ...]:
    """Return so many values of each directive, always the same ones."""
    return tuple(
        dict.fromkeys(
            Line(section, name, value)
            for section, table in TABLES.items()
            for name, shown in table.items()
            for value in drawn(shown.values, each)
        )
    )


@cache
def drawn(kind: str, each: int) -> tuple[str, ...]:
    """Return so many values of a kind, always the same ones."""
    found: list[str] = []

    @given(VALUES[kind])
    @settings(
        max_examples=each,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def collect(value: str) -> None:
        found.append(value)

    collect()
    return tuple(found)


def theirs(box: Box, asked: tuple[Line, ...]) -> list[dict[str, Any]]:
    """Return what systemd shows of each line, all loaded in one go."""
    files: dict[str, str] = {}
    ask: dict[str, dict[str, list[str]]] = {}
    for number, line in enumerate(asked):
        files |= line.texts(number)
        kind = "socket" if line.section == "Socket" else "service"
        interface = "Unit" if line.section == "Unit" else kind.capitalize()
        names = {interface: [line.shown.name], "Unit": ["LoadState"]}
        if interface == "Unit":
            names = {"Unit": ["LoadState", line.shown.name]}
        ask[f"grammar{number}.{kind}"] = names
    box.write("/root/load_units.py", LOADER.read_text())
    job = json.dumps({"files": files, "ask": ask})
    answers = json.loads(box.run(box.python, "/root/load_units.py", input=job, timeout=600).stdout)
    return [answers[name] for name in ask]


def ours(line: Line, number: int) -> tuple[Any, bool]:
    """Return what `run` takes of a line, and whether it reports it; None if it refuses it."""
    socket = f"grammar{number}.socket"
    texts = {socket: "[Socket]\nListenStream=/run/grammar/s\n", **line.texts(number)}
    try:
        plan = load([], {name: (text, name) for name, text in texts.items()})
    except ActivatorError:
        return None, True
    service = plan.services[f"grammar{number}.service"]
    unit = plan.sockets[0] if line.section == "Socket" else service
    return line.shown.read(unit), any(
        f"{line.name}=" in note for note in plan.notes if "counts as started" not in note
    )


def comparable(line: Line, value: Any) -> Any:
    """Return what systemd shows in the form that `run` has."""
    if line.name in ("Mark", "Priority"):
        return max(value, -1)  # whatever is below 0 sets nothing
    if line.section == "Unit" and isinstance(value, list):
        return sorted(value)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], list):
        return [sorted(each) for each in value]
    return value


def judged_alike(box: Box, line: Line) -> bool:
    """Tell whether a version judges a line in the same way as the newest, as `run` does."""
    directive = directives.lookup(line.section, line.name)
    assert directive
    old = judge(directive, line.value, box.version)
    new = judge(directive, line.value)
    return directive.known(box.version) and old.outcome == new.outcome


def compare(box: Box, each: int) -> None:
    """Compare the three answers."""
    asked = tuple(line for line in lines(each) if judged_alike(box, line))
    wrong = []
    for number, (line, answer) in enumerate(zip(asked, theirs(box, asked), strict=True)):
        directive = directives.lookup(line.section, line.name)
        assert directive
        verdict = judge(directive, line.value, box.version)
        value, told = ours(line, number)
        refused = answer["LoadState"] == "bad-setting"
        shown = comparable(line, answer[line.shown.name])
        short = line._replace(value=line.value[:60])
        if refused != (value is None) or (refused and not told):
            wrong.append(("refused", *short, answer["LoadState"], value, verdict.outcome))
        elif refused != (verdict.outcome == REFUSED) and line.name not in ("Type", "Restart"):
            wrong.append(("verdict", *short, answer["LoadState"], value, verdict.outcome))
        elif not refused and value != shown and not unset(line, value):
            wrong.append(("value", *short, shown, value, verdict.outcome))
        elif not refused and not is_list(directive) and told == verdict.accepted:
            wrong.append(("told", *short, shown, value, verdict.outcome))
    assert not wrong, "\n".join(map(str, wrong))
    assert len(asked) > 8 * each


# Lines of one unit that set the same.
SAME = (
    "[Service]\nTimeoutSec=7\n",
    "[Service]\nTimeoutSec=7\nTimeoutStartSec=5\n",
    "[Service]\nTimeoutStartSec=5\nTimeoutSec=7\n",
    "[Service]\nTimeoutStopSec=5\nTimeoutSec=7\nTimeoutStopSec=6\n",
    "[Service]\nTimeoutSec=7\nTimeoutSec=x\n",
    "[Service]\nTimeoutSec=7\nTimeoutSec=\n",
    "[Service]\nTimeoutSec=0\nTimeoutStopSec=infinity\n",
    "[Service]\nTimeoutAbortSec=3\nTimeoutSec=7\n",
    "[Service]\nTimeoutAbortSec=3\nTimeoutAbortSec=\nTimeoutStopSec=4\n",
    "[Service]\nType=oneshot\nTimeoutSec=7\n",
    "[Service]\nType=oneshot\nTimeoutStopSec=7\n",
    "[Unit]\nStartLimitIntervalSec=3\nStartLimitBurst=2\n[Service]\nStartLimitInterval=4\n",
    "[Service]\nStartLimitInterval=4\nStartLimitBurst=3\n[Unit]\nStartLimitIntervalSec=5\n",
    "[Service]\nKillSignal=SIGINT\nRestartKillSignal=SIGQUIT\n",
    "[Service]\nKillSignal=SIGINT\nKillSignal=\n",
    "[Service]\nKillMode=mixed\nKillMode=\nKillMode=x\n",
)
TOLD: dict[str, dict[str, Callable[[Any], Any]]] = {
    "Service": {
        "TimeoutStartUSec": lambda unit: usec(unit.limits["TimeoutStart"]),
        "TimeoutStopUSec": lambda unit: usec(unit.limits["TimeoutStop"]),
        "KillSignal": ending("KillSignal"),
        "KillMode": lambda unit: unit.killing.mode,
    },
    "Unit": {shown.name: shown.read for shown in list(UNIT.values())[:2]},
}


def test_lines_that_set_the_same(box: Box) -> None:
    """The last right line of all that set the same counts, as in systemd."""
    files = {f"same{number}.service": SERVICE_BASE + text for number, text in enumerate(SAME)}
    box.write("/root/load_units.py", LOADER.read_text())
    ask = {name: {interface: list(names) for interface, names in TOLD.items()} for name in files}
    job = json.dumps({"files": files, "ask": ask})
    answers = json.loads(box.run(box.python, "/root/load_units.py", input=job).stdout)
    wrong = []
    for name, text in files.items():
        socket = (f"[Socket]\nListenStream=/run/same\nService={name}\n", "s.socket")
        unit = load([], {"s.socket": socket, name: (text, name)}).services[name]
        ours = {key: read(unit) for each in TOLD.values() for key, read in each.items()}
        wrong += [] if ours == answers[name] else [(text, ours, answers[name])]
    assert not wrong, "\n".join(map(str, wrong))


def unset(line: Line, value: Any) -> bool:
    """Tell whether the value is the one of no line at all, where systemd's default is its own."""
    return (line.name.startswith("Limit") and value == -1) or (
        line.name.startswith("PollLimit") and value == 0
    )


def test_three_answers(box: Box) -> None:
    """check, run and systemd agree on every line."""
    compare(box, 14)


@pytest.mark.stress
def test_three_answers_to_many(box: Box) -> None:
    """check, run and systemd agree on ten times as many lines."""
    compare(box, 150)
