"""The local activator's parts that need no process: values, words, units, lines."""

import io
import math
import os
import string
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activator.errors import ActivatorError, Problems
from activator.local.events import Event
from activator.local.limits import RateLimit
from activator.local.report import Reporter
from activator.local.units.command import expand_variables, find_program, search_path
from activator.local.units.load import load
from activator.local.units.models import Rate
from activator.local.units.paths import RuntimeDir
from activator.local.units.specifier_table import table_of, unescape
from activator.unitfile import read
from activator.unitfile.address import parse
from activator.unitfile.specifiers import SPECIFIERS
from tests.support.local import Activate, connect, free_port, write_units


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", 5.0),
        ("2s", 2.0),
        ("1min 30s", 90.0),
        ("1h5m", 3900.0),
        ("200ms", 0.2),
        ("1.5s", 1.5),
        (".5", 0.5),
        ("5us", 5e-6),
        ("1w", 604800.0),
        ("infinity", math.inf),
        ("0", 0.0),
    ],
)
def test_seconds(text: str, expected: float) -> None:
    """A time span is read as systemd.time(7) says."""
    assert read.seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("8K", 8192), ("1.5M", 1572864), ("1 M", 1048576), ("0", 0), ("7", 7), ("3B", 3)],
)
def test_size(text: str, expected: int) -> None:
    """A size has base 1024 and upper-case suffixes."""
    assert read.size(text) == expected


@pytest.mark.parametrize(
    ("reads", "text"),
    [
        (read.seconds, ""),
        (read.seconds, "5 parsecs"),
        (read.seconds, "-1"),
        (read.size, "8k"),
        (read.size, "8Mi"),
        (read.size, "-1"),
        (read.size, ""),
        (read.boolean, "maybe"),
        (read.boolean, ""),
        (read.integer, "x"),
        (read.integer, "08"),
        (read.integer, "1_000"),
        (read.integer, "٣"),
        (read.mode, "0999"),
        (read.mode, ""),
        (read.signal, "SIGCLD"),
        (read.signal, "65"),
    ],
)
def test_bad_value(reads: object, text: str) -> None:
    """What systemd would skip raises with a hint."""
    assert callable(reads)
    with pytest.raises(ActivatorError) as caught:
        reads(text)
    assert caught.value.hint


def test_integers() -> None:
    """Numbers may be hexadecimal or octal, as in C."""
    assert [16, 8, 10, -5, 7] == [read.integer(t) for t in ("0x10", "010", "10", "-5", "+7")]
    assert [True, True, False] == [read.boolean(text) for text in ("ON", "y", "f")]
    assert read.mode("0660") == 0o660


@given(st.text(max_size=20))
def test_values_never_break(text: str) -> None:
    """Any text is read, or refused with the one error."""
    for each in (read.seconds, read.size, read.boolean, read.integer, read.mode, read.signal):
        try:
            each(text)
        except ActivatorError:
            continue


def test_variables() -> None:
    """The example of systemd.service(5), and what else is written there."""
    environment = {"ONE": "'one'", "TWO": "'two two' too", "THREE": ""}

    assert ["'one'", "'two two' too", ""] == expand_variables(
        ["${ONE}", "${TWO}", "${THREE}"], environment
    )
    assert ["one", "two two", "too"] == expand_variables(["$ONE", "$TWO", "$THREE"], environment)
    assert ["$", "$ONE", "x$ONE", "${}", "${1}"] == expand_variables(
        ["$$", "$$ONE", "x$ONE", "${}", "${1}"], environment
    )
    assert ["a", "b c"] == expand_variables(["$ODD"], {"ODD": "a 'b c"})


@given(
    st.lists(st.text(string.ascii_letters + " '\"\\$%", max_size=10), max_size=5),
    st.dictionaries(st.sampled_from(["A", "B_1", "C"]), st.text(max_size=10)),
)
def test_variables_are_exact(words: list[str], environment: dict[str, str]) -> None:
    """A doubled $ is literal, and ${NAME} is exactly one word with the variable's value."""
    literal = [word.replace("$", "$$") for word in words]
    braced = [f"${{{name}}}" for name in environment]

    assert words == expand_variables(literal, environment)
    assert list(environment.values()) == expand_variables(braced, environment)


def test_search_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The interpreter's directory comes first, then PATH, then systemd's own."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.setattr(sys, "argv", ["/opt/venv/bin/activator"])
    program = tmp_path / "only-here"
    program.write_text("")
    directories = search_path().split(":")

    assert ["/opt/venv/bin", str(Path(sys.executable).parent), str(tmp_path)] == directories[:3]
    assert "/usr/local/sbin" in directories
    with pytest.raises(ActivatorError, match="is not executable"):
        find_program("only-here", search_path())
    program.chmod(0o755)
    assert str(program) == find_program("only-here", search_path())


def test_specifiers() -> None:
    """Every specifier that does not need control groups or credentials is known."""
    table = table_of(r"my-web\x2dapp@in-st.service", path="/etc/x/y.service", runtime="/elsewhere")

    assert {
        "n": r"my-web\x2dapp@in-st.service",
        "N": r"my-web\x2dapp@in-st",
        "p": r"my-web\x2dapp",
        "P": "my/web-app",
        "i": "in-st",
        "I": "in/st",
        "j": r"web\x2dapp",
        "J": "web-app",
        "f": "/in/st",
        "t": "/elsewhere",
        "y": "/etc/x/y.service",
        "Y": "/etc/x",
        "U": str(os.getuid()),
        "H": os.uname().nodename,
        "v": os.uname().release,
    }.items() <= table.items()
    assert set(SPECIFIERS) - set(table) == {"c", "r", "R", "d"}
    assert table_of("a.service")["f"] == "/a"
    assert unescape(r"a\x2db-c") == "a-b/c"


def test_rate_limit() -> None:
    """So many events pass in an interval; then the next interval begins."""
    now = [0.0]
    limit = RateLimit(Rate(2.0, 3), lambda: now[0])

    assert [True, True, True, False, False] == [limit.allows() for _ in range(5)]
    assert limit.remaining() == 2.0
    now[0] = 2.1
    assert limit.allows()
    assert all(RateLimit(Rate(0.0, 3)).allows() for _ in range(10))
    assert all(RateLimit(Rate(2.0, 0)).allows() for _ in range(10))


def test_runtime_dir() -> None:
    """Only paths below /run are moved, and none twice."""
    moved = RuntimeDir("/run/user/1")

    assert moved.path("/run/a/b") == "/run/user/1/a/b"
    assert moved.path("/run/user/1/a") == "/run/user/1/a"
    assert moved.path("/runner/a") == "/runner/a"
    assert RuntimeDir().path("/run/a") == "/run/a"
    for text in ("@a", "80"):
        assert parse("ListenStream", text) == moved.address(parse("ListenStream", text))
    with pytest.raises(ActivatorError, match="give a shorter --runtime-dir"):
        RuntimeDir("/" + "x" * 100).address(parse("ListenStream", "/run/abcdef"))


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_colours_only_on_a_terminal() -> None:
    """A service's output has a coloured prefix on a terminal, and none elsewhere."""
    event = Event("output", "echo@1-2.service", "hello", 7)
    plain, coloured = io.StringIO(), Terminal()
    Reporter(plain, plain)(event)
    Reporter(coloured, coloured)(event)

    assert plain.getvalue() == "echo[7] | hello\n"
    assert coloured.getvalue() == "\x1b[36mecho[7]\x1b[0m | hello\n"


def test_a_terminal_obeys_no_service() -> None:
    """Colours reach a terminal, and end with the line; other control characters are shown."""
    event = Event("output", "a.service", "\x1b[32mok\tgo\x1b]0;title\x07\x9b2J", 1)
    status = Event("status", "a.service", "50 %\r", 1)
    terminal, pipe = Terminal(), io.StringIO()
    for out in (terminal, pipe):
        report = Reporter(out, out)
        report(event)
        report(status)

    prefix = "\x1b[36ma[1]\x1b[0m"
    assert terminal.getvalue() == (
        f"{prefix} | \x1b[32mok\tgo\\x1b]0;title\\x07\\x9b2J\x1b[0m\n"
        f"{prefix}: \x1b[2mstatus: 50 %\\x0d\x1b[0m\n"
    )
    assert pipe.getvalue() == f"a[1] | {event.text}\na[1]: status: 50 %\r\n"


def test_each_service_has_its_colour() -> None:
    """Two services differ in colour, a failure is red, and what merely happens is dim."""
    out, err = Terminal(), Terminal()
    report = Reporter(out, err)
    for event in (
        Event("output", "a.service", "1", 1),
        Event("output", "b.service", "2", 2),
        Event("output", "a.service", "3", 3),
        Event("started", "a.service", pid=4),
        Event("failed", "a.socket", "no"),
        Event("failed", "a.socket", "no"),
    ):
        report(event)

    assert out.getvalue() == (
        "\x1b[36ma[1]\x1b[0m | 1\n\x1b[33mb[2]\x1b[0m | 2\n\x1b[36ma[3]\x1b[0m | 3\n"
        "\x1b[36ma[4]\x1b[0m: \x1b[2mstarted\x1b[0m\n"
    )
    assert err.getvalue() == "\x1b[31ma.socket: no\x1b[0m\n"


def test_texts_as_units() -> None:
    """Units may come as texts; their names in messages are what the caller says."""
    texts = {
        "a.socket": ("[Socket]\nListenStream=@a\n", "a.toml: a.socket"),
        "a.service": ("[Service]\nExecStart=/bin/true\nX=1\n", "a.toml: a.service"),
        "b.socket": ("[Socket]\nAccept=what\n", "b.toml: b.socket"),
    }
    with pytest.raises(ActivatorError, match=r"b\.toml: b\.socket:2: Accept=what: this is neither"):
        load([], texts)
    del texts["b.socket"]
    plan = load([], texts)

    assert ["a.service"] == list(plan.services)
    assert ("a.toml: a.service:3: [Service] has no X=",) == tuple(
        note.partition(";")[0] for note in plan.notes
    )


SECTIONS = st.sampled_from(["[Socket]", "[Service]", "[Unit]", "[X-Mine]", ""])
NAMES = st.sampled_from(
    ["ListenStream", "ListenFIFO", "Accept", "Service", "SocketMode", "Symlinks", "ReceiveBuffer",
     "KeepAliveTimeSec", "IPTOS", "Mark", "Timestamping", "TriggerLimitBurst", "ExecStart",
     "Environment", "WorkingDirectory", "Type", "StandardInput", "KillSignal", "Unknown",
     "EnvironmentFile", "LimitNOFILE", "LimitNICE", "LimitRTTIME", "User", "Restart", "RestartSec",
     "SuccessExitStatus", "KillMode", "PIDFile", "RuntimeDirectory", "StandardInputData",
     "Requires", "After", "Sockets", "WatchdogSec", "ExecStopPost", "ExecStartPre",
     "StartLimitBurst", "Nice",
     "StandardOutput", "StandardInputText", "FileDescriptorStoreMax", "MessageQueueMessageSize"]
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(["", "yes", "no", "/run/a", "@a", "80", "[::]:80", "1s", "%i", "%%", "64K",
                     "/bin/true", "/bin/sh -c 'exit 0'", "A=1 B=2", "socket", "notify",
                     "forking", "1:2", "infinity", "a b/c", "a:b", ":", "..", "b.service c.socket",
                     "SIGTERM 7", "RTMIN+3", "always", "file:/x", "fd:a", "-/x", "eA==", "-5"]),
    st.text(max_size=15),
)  # fmt: skip
LINES = st.lists(st.one_of(SECTIONS, st.builds("{}={}".format, NAMES, VALUES)), max_size=12)


@given(LINES, LINES)
def test_any_units_load_or_are_refused(socket_lines: list[str], service_lines: list[str]) -> None:
    """Whatever stands in units, loading gives a plan or errors that have a place."""
    texts = {
        "a.socket": ("[Socket]\nListenStream=@z\n" + "\n".join(socket_lines), "a.socket"),
        "a.service": ("[Service]\nExecStart=/bin/true\n" + "\n".join(service_lines), "a.service"),
        "a@.service": ("[Service]\nExecStart=/bin/true %i\n" + "\n".join(service_lines), "a@"),
    }
    errors: list[ActivatorError] = []
    try:
        plan = load([], texts)
    except ActivatorError as error:
        errors += error.problems if isinstance(error, Problems) else [error]
    else:
        assert all(unit.listens for unit in plan.sockets)
    assert [error for error in errors if not error.place] == []


def test_spec(tmp_path: Path, activate: Activate) -> None:
    """A spec runs without files being written: its units are made in memory."""
    port, other = free_port(), free_port()
    write_units(
        tmp_path,
        {
            "echo.toml": f"""
                name = "echo"
                mode = "shared"
                handler = "activator.examples.echo:echo"

                [sockets.echo]
                ListenStream = ["127.0.0.1:{port}", "/run/echo.sock"]
                """,
            "cat.toml": f"""
                name = "cat"
                mode = "per-connection"
                exec = "/bin/cat"

                [sockets.cat]
                ListenStream = "127.0.0.1:{other}"

                [service]
                StandardInput = "socket"
                """,
        },
    )
    if not Path(sys.executable).with_name("activator").exists():
        pytest.skip("activator is not installed beside the interpreter")
    run = activate("--runtime-dir", "rt", "echo.toml", "cat.toml")
    run.until("listening", count=3)
    for address in (port, other, str(tmp_path / "rt" / "echo.sock")):
        with connect(address) as client:
            client.sendall(b"hello")
            assert client.recv(10) == b"hello"

    assert run.stop() == 0
    assert ["cat.toml", "echo.toml", "rt"] == sorted(path.name for path in tmp_path.iterdir())
