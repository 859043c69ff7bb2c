"""``activator gen``: specs to units, and every mistake in one line."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activator import spec
from activator.errors import ActivatorError
from activator.render import render
from activator.unit import UnitFile

ROOT = Path(__file__).parents[1]
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
    rendered = render(spec.loads(text))
    return {name: UnitFile.parse(unit, name) for name, unit in rendered.items()}


@pytest.mark.parametrize("path", sorted(ROOT.glob("units/*.toml")), ids=lambda path: path.stem)
def test_committed_renderings_are_current(path: Path) -> None:
    """The units beside each example are what its spec gives today."""
    for name, text in render(spec.load(path)).items():
        assert text == (path.parent / name).read_text(), "run: activator gen units/*.toml -o units"


def test_every_committed_unit_has_a_spec() -> None:
    """No rendering outlives its spec."""
    made = {name for path in ROOT.glob("units/*.toml") for name in render(spec.load(path))}
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
        made = render(spec.from_options(tree, {}))
    except ActivatorError:
        return
    expected = render(spec.from_options(plain, {}))
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
    (GOOD + "SocketMode = 0o660\n", 6, "SocketMode=: a mode is no number"),
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
    (GOOD + "Accept = true\n", 6, "Accept= is not set here"),
    (GOOD + "[service]\nEnvironment = 'A=b\\'\n", 7, "ends with a backslash"),
    (GOOD + '[service]\nEnvironment = "A=b\\nUser=root"\n', 7, "line break"),
    (GOOD.replace("handler", "exec = '/bin/x'\nhandler"), 3, "both exec and handler"),
    (GOOD.replace("handler", "#"), 1, "neither exec nor handler"),
    (GOOD.replace("handler", "metrics = 'a'\nhandler"), 2, "metrics = 'a' is no shared socket"),
    (GOOD.replace("handler", "metrics = 'echo'\nhandler"), 2, "metrics has the only shared socket"),
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
    ("idle-exit = 'soon'\n" + GOOD, 1, "no time span"),
    ("idle-exit = 0\n" + GOOD, 1, "would stop at once"),
    ("idle-exit = true\n" + GOOD, 1, "idle-exit is not"),
    ("mode = 'per-connection'\nidle-exit = 5\n" + GOOD, 2, "for a handler that stays"),
    ("idle-exit = 5\n" + EXEC, 1, 'is for mode = "proxy", and'),
    ("systemd = 219\n" + GOOD, 1, "too old"),
    ("systemd = 'wheezy'\n" + GOOD, 1, "unknown"),
    ("python = 'python3'\n" + GOOD, 1, "no absolute path"),
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
        spec.loads(f'name = "x"\nexec = "/bin/x"\n[sockets.x]\nListenFIFO = "/run/f"\n{line}\n')
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
        render(spec.loads(text, "x.toml"))
    assert str(caught.value).startswith(f"x.toml:{line}: systemd would refuse ")
    assert what in str(caught.value)


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
