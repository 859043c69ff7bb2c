"""``activator gen``: specs to units, and every mistake in one line."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activator.cli import complete, gen
from activator.errors import ActivatorError
from activator.generate import specfile
from activator.generate.render import render
from activator.generate.specfile import lines
from activator.generate.specfile.intents import intents
from activator.unitfile.parse import UnitFile

ROOT = Path(__file__).parents[2]
GOOD = """\
name = "echo"
handler = "activator.examples.echo:echo"

[sockets.echo]
ListenStream = "127.0.0.1:7777"
"""
EXEC = GOOD.replace('handler = "activator.examples.echo:echo"', "exec = '/bin/cat'")
TEXT = st.text(max_size=60)


def activator(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    return subprocess.run(
        [sys.executable, "-m", "activator", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def units(text: str) -> dict[str, UnitFile]:
    """Render a spec and parse its units."""
    rendered = render(specfile.loads(text))
    return {name: UnitFile.parse(unit, name) for name, unit in rendered.items()}


@pytest.mark.parametrize("path", sorted(ROOT.glob("units/*.toml")), ids=lambda path: path.stem)
def test_committed_renderings_are_current(path: Path) -> None:
    """The units beside each example are what its spec gives today."""
    for name, text in render(specfile.load(path)).items():
        assert text == (path.parent / name).read_text(), "run: activator gen units/*.toml -o units"


def test_every_committed_unit_has_a_spec() -> None:
    """No rendering outlives its spec."""
    made = {name for path in ROOT.glob("units/*.toml") for name in render(specfile.load(path))}
    committed = {path.name for path in ROOT.glob("units/*") if path.suffix != ".toml"}
    assert made == committed - {"__init__.py", "__pycache__"}


def test_shared_mode_gives_a_service() -> None:
    """Shared: NAME.socket with Accept=no and NAME.service."""
    made = units(GOOD)
    assert ["echo.socket", "echo.service"] == list(made)
    assert "no" == made["echo.socket"].get("Socket", "Accept")
    assert "echo" == made["echo.socket"].get("Socket", "FileDescriptorName")


def test_per_connection_mode_gives_a_template() -> None:
    """Per-connection: NAME.socket with Accept=yes and NAME@.service that never restarts."""
    made = units('mode = "per-connection"\n' + GOOD)
    assert ["echo.socket", "echo@.service"] == list(made)
    assert "yes" == made["echo.socket"].get("Socket", "Accept")
    assert made["echo@.service"].get("Service", "Restart") is None
    assert "inactive-or-failed" == made["echo@.service"].get("Unit", "CollectMode")


def test_several_sockets_give_a_unit_each() -> None:
    """Each socket table gives one unit, all of them for the one service."""
    made = units(
        'name = "shop"\nexec = "/usr/bin/shop"\n'
        "[sockets.http]\nListenStream = 80\n[sockets.admin]\nListenStream = '/run/shop.sock'\n"
    )
    assert ["shop-http.socket", "shop-admin.socket", "shop.service"] == list(made)
    for fdname in ("http", "admin"):
        unit = made[f"shop-{fdname}.socket"]
        assert "shop.service" == unit.get("Socket", "Service")
        assert fdname == unit.get("Socket", "FileDescriptorName")


def test_shared_and_per_connection_sockets_in_one_spec() -> None:
    """A per-connection socket among shared ones keeps the spec's name for its template."""
    made = units(
        'name = "x"\nhandler = "a:b"\n[sockets.s]\nListenStream = 80\n'
        '[sockets.c]\nmode = "per-connection"\nListenStream = 81\n'
    )
    assert ["x-s.socket", "x.socket", "x.service", "x@.service"] == list(made)
    assert "x-s.socket" == made["x.service"].get("Unit", "Requires")


def test_handlers_by_name() -> None:
    """A table of handlers reaches the runtime by descriptor name."""
    made = units(
        'name = "x"\n[handler]\na = "m:a"\nb = "m:b"\n'
        "[sockets.a]\nListenStream = 80\n[sockets.b]\nListenStream = 81\n"
    )
    assert "activator serve a=m:a b=m:b" == made["x.service"].get("Service", "ExecStart")


def test_web_applications() -> None:
    """Applications reach the runtime by their options, beside handlers by descriptor name."""
    sockets = "[sockets.a]\nListenStream = 80\n[sockets.b]\nListenStream = 81\n"
    for handlers, command in (
        ('asgi = "m:a"\nidle-exit = 5\n', "--idle-exit 5 --asgi m:a"),
        ('wsgi = "m:a"\n', "--wsgi m:a"),
        ('[handler]\nb = "m:b"\n[asgi]\na = "m:a"\n', "--asgi a=m:a b=m:b"),
        ('[asgi]\nb = "m:b"\n[wsgi]\na = "m:a"\n', "--asgi b=m:b --wsgi a=m:a"),
    ):
        made = units(f'name = "x"\n{handlers}{sockets}')["x.service"]
        assert f"activator serve {command}" == made.get("Service", "ExecStart")
        assert "notify" == made.get("Service", "Type")


def test_leaving() -> None:
    """What balancers are told before the end, and the time it takes."""
    made = units("drain-delay = 4.5\nhealth = '/health'\n" + GOOD.replace("handler", "wsgi"))
    start, patience = (
        made["echo.service"].get("Service", name) for name in ("ExecStart", "TimeoutStopSec")
    )
    assert " --drain-delay 4.5 --health /health --wsgi " in str(start)
    assert "40s" == patience


def test_websocket_drain() -> None:
    """How long WebSockets go on is told the runtime."""
    made = units("websocket-drain = 7.5\n" + GOOD.replace("handler", "asgi"))
    assert " --websocket-drain 7.5 --asgi " in str(made["echo.service"].get("Service", "ExecStart"))


def test_limits() -> None:
    """What a handler of shared sockets serves at once is told to the runtime."""
    made = units("threads = 4\nconnections-max = 9\nconnections-per-source-max = 3\n" + GOOD)
    words = " --threads 4 --max-connections 9 --max-per-source 3 "
    assert words in str(made["echo.service"].get("Service", "ExecStart"))


def test_log_level() -> None:
    """Which records are told is said to the runtime, where it differs from its default."""
    for level, words in (("debug", " --log-level debug"), ("info", "")):
        made = units(f"log-level = '{level}'\n" + GOOD)
        start = f"activator serve{words} activator.examples.echo:echo"
        assert start == made["echo.service"].get("Service", "ExecStart")


def test_metrics() -> None:
    """The socket for metrics needs no handler, and is the runtime's."""
    made = units(
        'name = "x"\nmetrics = "figures"\n[asgi]\na = "m:a"\n'
        "[sockets.a]\nListenStream = 80\n[sockets.figures]\nListenStream = '/run/x'\n"
    )
    command = "activator serve --metrics figures --asgi a=m:a"
    assert command == made["x.service"].get("Service", "ExecStart")
    assert "x-a.socket x-figures.socket" == made["x.service"].get("Unit", "Requires")


def test_lists_repeat_and_the_spec_wins() -> None:
    """A list repeats its directive; what the spec says replaces a default."""
    made = units(
        GOOD.replace('"127.0.0.1:7777"', '["127.0.0.1:7777", "/run/a.sock"]\nSocketMode = "0600"')
        + "[service]\nRestart = 'always'\n"
    )
    socket = made["echo.socket"]
    assert ["127.0.0.1:7777", "/run/a.sock"] == socket.get_all("Socket", "ListenStream")
    assert ["0600"] == socket.get_all("Socket", "SocketMode")
    assert ["always"] == made["echo.service"].get_all("Service", "Restart")


def test_literal_text_is_quoted_for_its_directive() -> None:
    """{ literal = ... } is written the way that directive's parser undoes."""
    made = units(
        GOOD + "[service]\nWorkingDirectory = { literal = '/srv/100%' }\n"
        "ReadWritePaths = { literal = ['/a b', '/c%'] }\n"
    )
    service = made["echo.service"]
    assert "/srv/100%%" == service.get("Service", "WorkingDirectory")
    assert '"/a b" /c%%' == service.get("Service", "ReadWritePaths")


@given(description=TEXT, argument=TEXT, value=TEXT, setting=TEXT)
@settings(max_examples=200, deadline=None)
def test_no_value_adds_a_line(description: str, argument: str, value: str, setting: str) -> None:
    """Whatever the values, the units have the same directives, or the spec is refused."""
    tree = {
        "name": "x",
        "description": description,
        "exec": ["/bin/x", argument],
        "environment": {"A": value},
        "sockets": {"s": {"ListenStream": 80}},
        "unit": {"Documentation": setting},
    }
    plain = {**tree, "description": "d", "exec": ["/bin/x"], "environment": {"A": ""}}
    plain["unit"] = {"Documentation": "man:x(1)"}
    try:
        made = render(specfile.from_options(tree, {}))
    except ActivatorError:
        return
    expected = render(specfile.from_options(plain, {}))
    for name, text in made.items():
        names = [(e.section, e.name) for e in UnitFile.parse(text).entries]
        assert names == [(e.section, e.name) for e in UnitFile.parse(expected[name]).entries]
        assert not UnitFile.parse(text).problems


MISTAKES = [
    ("name = ", 1, "not TOML"),
    (GOOD + "what = 1\n", 6, "no directive 'what'"),
    ("wat = 1\n" + GOOD, 1, "unknown key 'wat'"),
    ("mdoe = 'shared'\n" + GOOD, 1, "did you mean 'mode'?"),
    ("mode = 'sharde'\n" + GOOD, 1, "give shared or per-connection"),
    (GOOD.replace('"echo"', "3", 1), 1, "name is not a string"),
    (GOOD.replace('name = "echo"\n', ""), 1, "the spec has no name"),
    (GOOD.replace('"echo"', '"a/b"', 1), 1, "holds '/'"),
    (GOOD + 'ReceiveBuffer = "8k"\n', 6, "ReceiveBuffer="),
    (GOOD + 'ReceiveBuffer = "lots"\n', 6, "ReceiveBuffer="),
    (GOOD + "SocketMode = 0o660\n", 6, "SocketMode=: a mode is not a number"),
    (GOOD.partition("\n[")[0] + "\n", 1, "no socket"),
    (GOOD.replace("ListenStream", "NoDelay").replace('"127.0.0.1:7777"', "true"), 4, "listens on"),
    (GOOD.replace('"127.0.0.1:7777"', '[\n  "80",\n  "localhost:80",\n]'), 7, "ListenStream="),
    (GOOD.replace("sockets.echo", 'sockets."a:b"'), 4, "cannot be a descriptor's name"),
    (GOOD + 'SocketMode = ["0600", "0660"]\n', 6, "only the last would count"),
    (
        GOOD.replace("127.0.0.1:7777", "%t/echo/s") + "[service]\nRuntimeDirectory = 'echo'\n",
        5,
        "would vanish whenever the service stops",
    ),
    (GOOD + "[sockets.b]\nListenStream = '127.0.0.1:7777'\n", 7, "already listened on by "),
    (GOOD.replace('"127.0.0.1:7777"', '[\n"80",\n"[::]:80"]'), 7, "already listened on by "),
    (GOOD.replace('"127.0.0.1:7777"', '["80", "[::]:80"]'), 5, "already listened on by "),
    (
        GOOD.replace('"127.0.0.1:7777"', "'/run/e'\nListenDatagram = '/run/e'"),
        6,
        "already listened on by ",
    ),
    (
        GOOD.replace("127", "%t/127") + "ListenFIFO = '%t/127.0.0.1:7777'\n",
        6,
        "already listened on by ",
    ),
    (GOOD.replace('"activator.examples.echo:echo"', "{}"), 2, "handler names nothing"),
    (GOOD.replace('"echo"', '"a:b"'), 1, "holds ':'"),
    (GOOD + f"x = {'{a = ' * 200}1{'}' * 200}\n", 6, "nested too deeply"),
    (GOOD + "Accept = true\n", 6, "Accept= is not set here"),
    (GOOD + "[service]\nEnvironment = 'A=b\\'\n", 7, "ends with a backslash"),
    (GOOD + '[service]\nEnvironment = "A=b\\nUser=root"\n', 7, "line break"),
    (GOOD.replace("handler", "exec = '/bin/x'\nhandler"), 3, "both exec and handler"),
    (GOOD.replace("handler", "#"), 1, "neither exec nor handler"),
    (GOOD.replace("handler", "metrics = 'a'\nhandler"), 2, "metrics = 'a' is not a shared socket"),
    (
        GOOD.replace("handler", "metrics = 'echo'\nhandler"),
        2,
        "metrics takes the only shared socket",
    ),
    (
        GOOD.replace("handler =", "metrics = 'echo'\nexec = '/bin/true'\n#"),
        2,
        "it does not run exec",
    ),
    (GOOD.replace("handler", "exec = '/bin/x'\nasgi"), 3, "both exec and asgi"),
    (GOOD.replace("handler", "wsgi = 'm:a'\nasgi"), 3, "is for all sockets"),
    (GOOD.replace("handler", "asgi = {echo = 'm:a'}\nhandler"), 3, "is for all sockets"),
    (GOOD.replace("handler = ", "asgi = {echo = 'm:a'}\nwsgi.echo = "), 3, "has two of"),
    (GOOD.replace("handler", "asgi").replace("Stream", "Datagram"), 5, "asgi cannot serve"),
    (
        GOOD.replace("handler", "mode = 'per-connection'\nisolation = 'process'\nasgi"),
        3,
        "asgi cannot be served by a process for each connection",
    ),
    (GOOD.replace("activator.examples.echo:echo", "echo"), 2, "names no handler"),
    ("drain = -1\n" + GOOD, 1, "out of range"),
    ("websocket-drain = -1\n" + GOOD.replace("handler", "asgi"), 1, "out of range"),
    ("websocket-drain = 5\n" + GOOD, 1, "websocket-drain is for asgi"),
    ("drain-delay = -1\n" + GOOD, 1, "out of range"),
    ("drain-delay = 5\n" + GOOD.replace("handler", "exec"), 1, "drain-delay is for what the"),
    ("health = '/health'\n" + GOOD, 1, "health is for asgi and wsgi"),
    ("health = 'health'\n" + GOOD.replace("handler", "wsgi"), 1, "is not a path"),
    ("health = '/a b'\n" + GOOD.replace("handler", "wsgi"), 1, "is not a path"),
    ("log-level = 'loud'\n" + GOOD, 1, "log-level"),
    ("log-level = 'debug'\n" + EXEC, 1, "log-level is for handler, asgi, wsgi"),
    ("threads = 2\n" + EXEC, 1, "threads is for a handler of shared sockets"),
    ("threads = 0\n" + GOOD, 1, "threads = 0 would serve nobody"),
    ("connections-max = 2\n" + EXEC, 1, "connections-max is for mode"),
    ("idle-exit = 'soon'\n" + GOOD, 1, "not a time span"),
    ("idle-exit = 0\n" + GOOD, 1, "would stop at once"),
    ("idle-exit = true\n" + GOOD, 1, "idle-exit is not"),
    ("mode = 'per-connection'\nidle-exit = 5\n" + GOOD, 2, "for a handler that stays"),
    ("idle-exit = 5\n" + EXEC, 1, 'is for mode = "proxy", and'),
    ("systemd = 219\n" + GOOD, 1, "too old"),
    ("systemd = 'wheezy'\n" + GOOD, 1, "unknown"),
    ("python = 'python3'\n" + GOOD, 1, "not an absolute path"),
]


@pytest.mark.parametrize(("text", "line", "what"), MISTAKES, ids=[what for *_, what in MISTAKES])
def test_mistakes_are_told_in_one_line(text: str, line: int, what: str, tmp_path: Path) -> None:
    """A wrong spec gives FILE:LINE: what; hint, exit 1, and writes nothing."""
    path = tmp_path / "spec.toml"
    path.write_text(text)
    run = activator("gen", str(path), "-o", str(tmp_path / "out"))
    assert (1, "") == (run.returncode, run.stdout)
    (message,) = run.stderr.splitlines()
    assert message.startswith(f"{path}:{line}: ")
    assert what in message
    assert "; " in message
    assert not (tmp_path / "out").exists()


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Several mistakes give a line each, in the file's order."""
    path = tmp_path / "spec.toml"
    path.write_text("mode = 'x'\n" + GOOD + "Backlogg = 3\nNoDelay = 'maybe'\n")
    run = activator("gen", str(path), "--stdout")
    assert ["1", "7", "8"] == [line.split(":")[1] for line in run.stderr.splitlines()]


@pytest.mark.parametrize("content", [None, b"name = '\xff'\n"])
def test_unreadable_specs(content: bytes | None, tmp_path: Path) -> None:
    """A missing file and one that is not UTF-8 are told in one line."""
    path = tmp_path / "spec.toml"
    if content is not None:
        path.write_bytes(content)
    run = activator("gen", str(path), "--stdout")
    assert (1, 1) == (run.returncode, len(run.stderr.splitlines()))
    assert str(path) in run.stderr


def test_written_files(tmp_path: Path) -> None:
    """The names are printed, the modes are safe, and nothing else is left in the folder."""
    run = activator("gen", str(ROOT / "units/echo.toml"), "-o", str(tmp_path / "new/out"))
    names = ["echo.socket", "echo.service"]
    assert [str(tmp_path / "new/out" / name) for name in names] == run.stdout.splitlines()
    assert sorted(names) == sorted(path.name for path in (tmp_path / "new/out").iterdir())
    assert {0o100644} == {path.stat().st_mode for path in (tmp_path / "new/out").iterdir()}


def test_one_wrong_spec_among_several_writes_nothing(tmp_path: Path) -> None:
    """All specs of a call are written, or none."""
    bad = tmp_path / "bad.toml"
    bad.write_text("")
    out = tmp_path / "out"
    run = activator("gen", str(ROOT / "units/echo.toml"), str(bad), "-o", str(out))
    assert 1 == run.returncode
    assert not out.exists()


def test_two_specs_of_one_name(tmp_path: Path) -> None:
    """Two specs that make the same unit are an error."""
    path = str(ROOT / "units/echo.toml")
    run = activator("gen", path, path, "-o", str(tmp_path))
    assert 1 == run.returncode
    assert "is made by" in run.stderr


def test_a_spec_from_standard_input() -> None:
    """A dash reads the spec from standard input."""
    run = activator("gen", "-", "--stdout", stdin=GOOD)
    assert 0 == run.returncode
    assert "ListenStream=127.0.0.1:7777" in run.stdout


def test_a_spec_from_options() -> None:
    """The same units come from options alone."""
    run = activator(
        *("gen", "--name", "echo", "--mode", "shared", "--exec", "/usr/bin/python3 -m echo"),
        *("--listen-stream", "127.0.0.1:7777", "--receive-buffer", "256K", "--fd-name", "in"),
        *("--set", "socket.NoDelay=yes", "--set", "service.Nice=5", "--stdout"),
    )
    assert ("", 0) == (run.stderr, run.returncode)
    for line in (
        "# echo.socket",
        "ListenStream=127.0.0.1:7777",
        "ReceiveBuffer=256K",
        "FileDescriptorName=in",
        "NoDelay=yes",
        "# echo.service",
        "ExecStart=/usr/bin/python3 -m echo",
        "Nice=5",
    ):
        assert line in run.stdout.splitlines()


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--set", "socket.NoDelai=yes"], "--set socket.NoDelai: "),
        (["--receive-buffer", "8k"], "--receive-buffer: "),
        (["--mode", "both"], "--mode: "),
    ],
)
def test_mistakes_in_options_name_the_option(arguments: list[str], what: str) -> None:
    """A wrong option value is told with the option as its place."""
    run = activator(
        *("gen", "--name", "x", "--exec", "/bin/x", "--listen-stream", "80", "--stdout"), *arguments
    )
    assert 1 == run.returncode
    assert run.stderr.startswith(what)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["units/echo.toml"],
        ["--stdout"],
        ["units/echo.toml", "--stdout", "-o", "x"],
        ["units/echo.toml", "--stdout", "--name", "x"],
        ["--name", "x", "--set", "x=y", "--stdout"],
        ["--no-such-option"],
    ],
)
def test_wrong_usage(arguments: list[str]) -> None:
    """A wrong call exits with 2 and says what is wrong on stderr."""
    run = activator("gen", *arguments)
    assert (2, "") == (run.returncode, run.stdout)
    assert run.stderr


def test_explain_gives_reasons() -> None:
    """--explain writes a comment with the manual page above the lines it chose."""
    run = activator("gen", str(ROOT / "units/echo.toml"), "--stdout", "--explain")
    lines = run.stdout.splitlines()
    above = lines[lines.index("FreeBind=yes") - 1]
    assert above.startswith("# ")
    assert above.endswith("(systemd.socket(5))")


def test_python_and_app_dir_reach_the_command() -> None:
    """A handler's interpreter and folder are part of ExecStart=."""
    made = units("python = '/srv/v/bin/python'\napp-dir = '/srv/a b'\ndrain = 3\n" + GOOD)
    assert (
        '/srv/v/bin/python -m activator serve --app-dir "/srv/a b" --drain 3 '
        "activator.examples.echo:echo"
    ) == made["echo.service"].get("Service", "ExecStart")
    assert "8s" == made["echo.service"].get("Service", "TimeoutStopSec")


@pytest.mark.parametrize(
    ("value", "expected"), [("'2min 30s'", "--idle-exit 150 "), ("0.5", "--idle-exit 0.5 ")]
)
def test_idle_exit_reaches_the_command(value: str, expected: str) -> None:
    """A handler of shared sockets stops when it is idle, if the spec says so."""
    start = units(f"idle-exit = {value}\n{GOOD}")["echo.service"].get("Service", "ExecStart")
    assert f"activator serve {expected}activator.examples.echo:echo" == start
    for text in (GOOD, f"idle-exit = 'infinity'\n{GOOD}"):
        assert "--idle-exit" not in str(units(text)["echo.service"].get("Service", "ExecStart"))


NEWER = """\
name = "n"
exec = "/bin/cat"

[sockets.n]
ListenStream = 80
PollLimitBurst = 3
SocketProtocol = "mptcp"
"""


def test_what_is_newer_is_refused_with_the_version_that_has_it(tmp_path: Path) -> None:
    """A directive or value that the systemd named does not know is an error."""
    path = tmp_path / "n.toml"
    path.write_text(NEWER)
    run = activator("gen", str(path), "--stdout")
    assert 1 == run.returncode
    first, second = run.stderr.splitlines()
    assert first.startswith(f"{path}:6: systemd 252 does not know PollLimitBurst=; it needs 255 ")
    assert second.startswith(f"{path}:7: systemd 252 does not know SocketProtocol=mptcp; it needs ")
    assert 0 == activator("gen", str(path), "--stdout", "--systemd", "trixie").returncode


def test_what_is_newer_can_be_left_out(tmp_path: Path) -> None:
    """--newer=drop leaves out what the systemd named does not know, and says so."""
    path = tmp_path / "n.toml"
    path.write_text(NEWER)
    run = activator("gen", str(path), "--stdout", "--newer=drop")
    assert 0 == run.returncode
    assert "PollLimitBurst" not in run.stdout
    assert "SocketProtocol" not in run.stdout
    assert [
        f"{path}:6: left out: systemd 252 does not know PollLimitBurst=",
        f"{path}:7: left out: systemd 252 does not know SocketProtocol=mptcp",
    ] == run.stderr.splitlines()


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ('ReceiveBuffer = "8k"', "8K"),
        ('SocketMode = "0600 # comment"', "comment"),
        ('ListenStream = "[fe80::1]:80%eth0"', "write [fe80::1]:80%%eth0"),
        ('ListenStream = "127.0.0.1:0"', "65535"),
        ('ListenStream = "localhost:80"', "127.0.0.1:80"),
        ('ListenStream = "/run/' + "x" * 103 + '"', "107"),
    ],
)
def test_what_systemd_drops_without_a_word_is_an_error(line: str, hint: str) -> None:
    """A value that systemd would log and skip is refused, with the right form."""
    with pytest.raises(ActivatorError) as caught:
        specfile.loads(f'name = "x"\nexec = "/bin/x"\n[sockets.x]\nListenFIFO = "/run/f"\n{line}\n')
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ListenStream", "9" * 5000),
        ("ListenStream", "0x" + "f" * 5000),
        ("ListenStream", f'"{"9" * 5000}"'),
        ("ReceiveBuffer", f'"{"9" * 5000}K"'),
        ("TriggerLimitIntervalSec", f'"{"9" * 5000}s"'),
    ],
)
def test_a_number_of_thousands_of_digits(tmp_path: Path, key: str, value: str) -> None:
    """It is as wrong as any other that is too large: a line that names its place."""
    path = tmp_path / "x.toml"
    path.write_text(
        f'name = "x"\nexec = "/bin/x"\n[sockets.x]\nListenFIFO = "/run/f"\n{key} = {value}\n'
    )
    run = activator("gen", str(path), "--stdout")
    assert (1, "") == (run.returncode, run.stdout)
    assert run.stderr.startswith(f"{path}:5: ")
    assert 1 == run.stderr.count("\n")


EACH = """\
mode = "per-connection"
name = "x"
exec = "/bin/x"
[sockets.x]
ListenStream = 80
"""


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (EACH + "ListenDatagram = 81\n", 6, "ListenDatagram= cannot accept"),
        (EACH + "MaxConnections = 0\n", 6, "MaxConnections=0"),
        ("systemd = 262\n" + EACH + "DeferTrigger = true\n", 7, "DeferTrigger="),
        (GOOD + 'Symlinks = "/run/link"\n', 6, "Symlinks="),
        (GOOD + "[service]\nType = 'oneshot'\nRestart = 'always'\n", 8, "Restart=always"),
    ],
)
def test_what_systemd_refuses_never_gets_out(text: str, line: int, what: str) -> None:
    """A combination that systemd refuses is an error at the line that asks for it."""
    with pytest.raises(ActivatorError) as caught:
        render(specfile.loads(text, "x.toml"))
    assert str(caught.value).startswith(f"x.toml:{line}: systemd would refuse ")
    assert what in str(caught.value)


@pytest.mark.parametrize("key", [f"[{'a.' * 400}b]", "a." * 400 + "b", "a." * 100_000 + "b"])
def test_tables_within_tables(tmp_path: Path, key: str) -> None:
    """However deep tables are nested, that is a line with its place."""
    path = tmp_path / "x.toml"
    path.write_text(f"\n{key}" + ("\n" if key[0] == "[" else " = 1\n"))
    run = activator("gen", str(path), "--stdout")
    assert (1, f"{path}:2: nested too deeply; a spec needs few levels\n") == (
        run.returncode,
        run.stderr,
    )


def test_mistakes_in_long_specs_are_found_at_once() -> None:
    """The line of a value costs one look at the text, wherever it stands."""
    items = "".join(f'  "A{number}=x",\n' for number in range(20_000))
    text = EXEC + f"[service]\nEnvironment = [\n{items}]\nRestart = 'wat'\n"
    started = time.process_time()
    with pytest.raises(ActivatorError, match="<spec>:20009: ") as caught:
        specfile.loads(text)
    assert "wat" in str(caught.value)
    assert time.process_time() - started < 10


TOML = """\
# a comment = 1
name = "a"
"q.k" . x = [ # ]
  1, # a,]
  \"\"\"m
]
\"\"\",
  {a = 1, b.c = [1,
 2], "d" = {}}, [3]
]

[sockets.a]
ListenStream = [
  "x", 'y',
]
[other."x y"]
z = 1979-05-27 07:32:00
"""


def test_lines_of_values() -> None:
    """Every table, key and item has the line on which it begins."""
    found = lines.find(TOML)
    expected = {
        ("name",): 2,
        ("q.k", "x"): 3,
        ("q.k", "x", 0): 4,
        ("q.k", "x", 1): 5,
        ("q.k", "x", 2, "b", "c"): 8,
        ("q.k", "x", 2, "b", "c", 1): 9,
        ("q.k", "x", 2, "d"): 9,
        ("q.k", "x", 3, 0): 9,
        ("sockets",): 12,
        ("sockets", "a", "ListenStream", 1): 14,
        ("other", "x y", "z"): 17,
    }
    assert expected == {path: found[path] for path in expected}


@pytest.mark.parametrize(
    "line", ["ListenDatagram = '127.0.0.1:7777'", "ListenStream = '127.0.0.1:7778'"]
)
def test_addresses_that_only_look_alike(line: str) -> None:
    """Another protocol or port is another address; so is one that both sockets share."""
    assert units(f"{GOOD}[sockets.b]\n{line}\n".replace('"activator.examples.echo:echo"', "'m:f'"))
    share = GOOD + "ReusePort = true\n[sockets.b]\nListenStream = '127.0.0.1:7777'\n"
    assert units(share + "ReusePort = true\n")
    with pytest.raises(ActivatorError, match="already"):
        units(share)


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("/usr/bin/node /srv/x.js", "node"),
        ("-/opt/jdk-21/bin/java -jar /srv/x.jar", "java"),
        ("/usr/bin/env -i A=b node22 /srv/x.js", "node22"),
        ("/usr/sbin/php-fpm8.2 -F", "php-fpm8.2"),
        ("/usr/bin/luajit-2.1.0-beta3 /srv/x.lua", "luajit-2.1.0-beta3"),
        ("/usr/bin/pypy3.10 /srv/x.py", "pypy3.10"),
        ("/usr/bin/nodeish", ""),
        ("/bin/cat /usr/bin/node", ""),
    ],
)
def test_programs_that_make_machine_code(tmp_path: Path, command: str, program: str) -> None:
    """They are known by name and get what they cannot run without, with a word on it."""
    path = tmp_path / "x.toml"
    path.write_text(EXEC.replace("/bin/cat", command))
    run = activator("gen", str(path), "--stdout")
    assert ("MemoryDenyWriteExecute=no" in run.stdout) is bool(program)
    expected = f"{path}:2: {program} makes machine code while it runs"
    assert run.stderr.startswith(expected) if program else not run.stderr
    path.write_text(f'needs = ["jit"]\n{path.read_text()}')
    assert "" == activator("gen", str(path), "--stdout").stderr
    path.write_text(
        EXEC.replace("/bin/cat", command) + "[service]\nMemoryDenyWriteExecute = true\n"
    )
    run = activator("gen", str(path), "--stdout")
    assert ("", True) == (run.stderr, "MemoryDenyWriteExecute=yes" in run.stdout)


def test_a_program_that_waits_on_its_standard_input() -> None:
    """As often as it is started, its socket stays; others keep systemd's limit."""
    made = units(EXEC + "[service]\nStandardInput = 'socket'\n")
    assert "0" == made["echo.socket"].get("Socket", "TriggerLimitIntervalSec")
    made = units(EXEC + "TriggerLimitIntervalSec = 5\n[service]\nStandardInput = 'socket'\n")
    assert ["5"] == made["echo.socket"].get_all("Socket", "TriggerLimitIntervalSec")
    assert units(EXEC)["echo.socket"].get("Socket", "TriggerLimitIntervalSec") is None


def test_conditions_are_the_sockets_too() -> None:
    """A socket whose service would be skipped does not listen."""
    text = EXEC + "[sockets.b]\nListenStream = 1\n[sockets.b.unit]\nConditionHost = 'b'\n"
    made = units(text + "[unit]\nConditionPathExists = ['/a', '/b']\nAssertUser = 'root'\n")
    for name in ("echo-echo.socket", "echo-b.socket", "echo.service"):
        assert ["/a", "/b"] == made[name].get_all("Unit", "ConditionPathExists")
        assert ["root"] == made[name].get_all("Unit", "AssertUser")
    assert ["b"] == made["echo-b.socket"].get_all("Unit", "ConditionHost")


@pytest.mark.parametrize("version", [252, 253, 254, 262])
@pytest.mark.parametrize("proxy", [False, True])
def test_restarts_are_slow_or_get_slower(version: int, *, proxy: bool) -> None:
    """A service that fails at each start costs no more than one start in two seconds."""
    more = "mode = 'proxy'\nbackend = '127.0.0.1:1'\n" if proxy else ""
    for name, made in units(f"systemd = {version}\n{more}{EXEC}").items():
        if name.endswith(".service"):
            names = ("RestartSec", "RestartSteps", "RestartMaxDelaySec")
            found = [made.get("Service", directive) for directive in names]
            assert found == (["250ms", "5", "5s"] if version >= 254 else ["2s", None, None])
            assert 1 == len(made.get_all("Service", "RestartSec"))


def test_addresses_may_hold_specifiers() -> None:
    """A path that begins with a specifier is a path: it has a mode, and is removed."""
    made = units(GOOD.replace("127.0.0.1:7777", "%t/%N.sock"))
    assert "0660" == made["echo.socket"].get("Socket", "SocketMode")


def test_many_specs_in_one_call(tmp_path: Path) -> None:
    """A thousand specs are made by all processors: the same texts, in order."""
    for number in range(1000):
        text = GOOD.replace('"echo"', f'"echo-{number}"', 1).replace("7777", str(10_000 + number))
        (tmp_path / f"{number:04}.toml").write_text(text)
    paths = sorted(str(path) for path in tmp_path.glob("*.toml"))
    done = activator("gen", *paths, "--stdout")
    assert ("", 0) == (done.stderr, done.returncode)
    names = [line for line in done.stdout.splitlines() if re.fullmatch(r"# \S+\.socket", line)]
    assert [f"# echo-{number}.socket" for number in range(1000)] == names
    alone = activator("gen", paths[777], "--stdout").stdout
    assert alone in done.stdout


def test_mistakes_among_many_specs(tmp_path: Path) -> None:
    """Of many specs each mistake is told, in order, and nothing is written."""
    for number in range(300):
        extra = "Nonsense = 1\nMore = 2\n" if number % 100 == 50 else ""
        (tmp_path / f"{number:04}.toml").write_text(
            GOOD.replace('"echo"', f'"e{number}"', 1) + extra
        )
    paths = sorted(str(path) for path in tmp_path.glob("*.toml"))
    done = activator("gen", *paths, "-o", str(tmp_path / "out"))
    assert 1 == done.returncode
    places = [line.split(": ")[0] for line in done.stderr.splitlines()]
    expected = [f"{paths[n]}:{line}" for n in (50, 150, 250) for line in (6, 7)]
    assert expected == places
    assert not (tmp_path / "out").exists()


# A value for each kind of key.
VALUES = {
    "string": "x",
    "path": "/x",
    "command": "/bin/cat",
    "handler": "m:h",
    "count": "2",
    "number": "2",
    "timespan": "5min",
    "endpoint": "8080",
    "list": "x",
    "version": "257",
    "proxies": "local",
}


@pytest.mark.parametrize("key", intents())
def test_every_key_has_its_option(key: str) -> None:
    """What a spec can say, options can: each key has one, or is given in other words."""
    options = {name: option for option in gen.command.params for name in option.opts}
    kind = intents()[key].type
    if key in gen.OTHERWISE:
        assert gen.OTHERWISE[key] in options
    elif kind == "table":
        assert key in complete.TABLES
    else:
        assert f"--{key}" in options
        words = [] if kind == "boolean" else [(intents()[key].values or (VALUES[kind],))[0]]
        values = gen.command.make_context("gen", [f"--{key}", *words, "--stdout"]).params
        values |= {"name": values["name"] or "n"}
        tree, places = gen._tree(values)  # noqa: SLF001 - what a spec would say
        assert f"--{key}" == places[key,]
        assert tree[key]


def test_options_say_what_a_spec_says(tmp_path: Path) -> None:
    """The same units, from a file and from options."""
    spec = tmp_path / "x.toml"
    spec.write_text(
        'name = "x"\nhandler = "m:h"\napp-dir = "/srv/x"\nworkers = 2\nidle-exit = "5min"\n'
        'systemd = 257\nenvironment = { LANG = "C", A = "b.c=d" }\n[sockets.x]\nListenStream = 80\n'
    )
    told = activator("gen", str(spec), "--stdout")
    words = "--name x --handler m:h --app-dir /srv/x --workers 2 --idle-exit 5min --systemd 257"
    tables = "--set environment.LANG=C --set environment.A=b.c=d --listen-stream 80 --stdout"
    made = activator("gen", *words.split(), *tables.split())
    assert ("", 0) == (made.stderr, made.returncode)

    def bare(text: str) -> list[str]:
        return [line for line in text.splitlines() if not line.startswith("# ")]

    assert bare(told.stdout) == bare(made.stdout)
    assert "# Made by activator: generate it again to change it." in made.stdout
    piped = activator("gen", "-", "--stdout", stdin=spec.read_text())
    assert made.stdout == piped.stdout
