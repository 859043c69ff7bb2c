"""What a terminal gets: colours where they are wanted, and nothing that it would obey."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from activator.cli.doctor import shown
from activator.common.counted import counted
from activator.common.printable import printable
from activator.live.doctor import Finding
from activator.live.kernel import Held
from activator.live.status.gather import Accounting, Address, Service, Status
from activator.live.status.tables import details, overview
from activator.unitfile.parse import UnitFile
from tests.support.services import ROOT, clean_environment

SPEC = str(ROOT / "units/echo.toml")
# What asks for a colour, whatever it is about.
COLOURED = {
    "error": ("gen", "/nowhere/nothing.toml"),
    "directives": ("directives", "ListenStream"),
    "explain": ("gen", "--explain", "--stdout", SPEC),
}


def on_terminal(*arguments: str, **environment: str) -> bytes:
    """Return what a command writes on a terminal of its own."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "activator", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env={**clean_environment(), "TERM": "xterm", **environment},
    )
    os.close(theirs)
    written = b""
    try:
        while data := os.read(ours, 65536):
            written += data
    except OSError:  # the last one has closed it
        pass
    process.wait()
    os.close(ours)
    return written


@pytest.mark.parametrize("what", COLOURED)
def test_colours(what: str) -> None:
    """NO_COLOR and TERM=dumb are for all commands; an empty NO_COLOR is none."""
    arguments = COLOURED[what]
    assert b"\x1b[" in on_terminal(*arguments, NO_COLOR="")
    assert b"\x1b" not in on_terminal(*arguments, NO_COLOR="1")
    assert b"\x1b" not in on_terminal(*arguments, TERM="dumb")


def lines_of(written: bytes) -> list[str]:
    """Return the lines that a terminal shows."""
    return re.sub(r"\x1b\[[0-9;]*m", "", written.decode()).replace("\r\n", "\n").split("\n")


def too_wide(lines: list[str], width: int) -> list[str]:
    """Return the lines that are too wide, but for single words that nothing can break."""
    return [line for line in lines if len(line) > width and len(line.split()) > 2]


@pytest.mark.parametrize("columns", [50, 80, 120])
def test_explained_units_fit(columns: int) -> None:
    """Comments take several lines, assignments are continued, and all says the same."""
    lines = lines_of(on_terminal("gen", "--explain", "--stdout", SPEC, COLUMNS=f"{columns}"))
    assert [] == too_wide(lines, columns)
    plain = subprocess.run(
        [sys.executable, "-m", "activator", "gen", "--stdout", SPEC],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    wanted, found = (
        [(entry.name, entry.value.split()) for entry in UnitFile.parse(text).entries]
        for text in (plain.stdout, "\n".join(lines))
    )
    assert wanted == found


@pytest.mark.parametrize("columns", [60, 80])
def test_findings_fit(columns: int, tmp_path: Path) -> None:
    """A blank line stands between findings, and what goes on is indented."""
    long = "ExecStart=/bin/true " + "word " * 40 + "&& true"
    text = f"[Service]\n{long}\nRestrt=no\nX\x1b[31m\tY\n"
    (tmp_path / "a.service").write_text(text)
    path = str(tmp_path / "a.service")
    lines = lines_of(on_terminal("check", path, COLUMNS=f"{columns}"))
    heads = [number for number, line in enumerate(lines) if line.startswith(path)]
    assert len(heads) >= 3
    assert all(not lines[number - 1] for number in heads[1:])
    assert all(line[:2] in ("  ", "") for line in lines[: heads[-1]] if not line.startswith(path))
    assert [] == too_wide(lines, columns)
    # The place in a long line is shown.
    caret = next(
        number
        for number, line in enumerate(lines)
        if line.strip() == "^" and lines[number - 1][line.index("^") :].startswith("&&")
    )
    assert lines[caret].index("^") < columns
    assert "\\x1b[31m" in "\n".join(lines)


@pytest.mark.parametrize("width", [0, 40, 80, 200])
def test_what_doctor_finds_fits(width: int) -> None:
    """What is said is broken between words; commands are whole, and a comment is one throughout."""
    words = "so that a line of a unit forbids it " * 4
    command = "printf '%s' '[Service]' " + "LogsDirectory=shop.log " * 9
    finding = Finding("wrong", "shop.socket", words, (words, ""), (f"# {words}", command))
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in shown(finding, width).splitlines()]
    mend = next(number for number, line in enumerate(lines) if "mend" in line)
    assert command in lines[-1]
    assert (max(map(len, lines[:-1])) <= width) if width else (5 == len(lines))
    assert all(line[14:].startswith("# ") for line in lines[mend + 1 : -1])
    told = " ".join("\n".join(lines[:mend]).split())
    assert "shop.socket: so that a" in told
    assert "[wrong]" in told


@pytest.mark.parametrize(
    ("word", "meant"), [("chekc", "check"), ("instal", "install"), ("srve", "serve")]
)
def test_a_mistyped_command(word: str, meant: str) -> None:
    """The command that was meant is named, in one line."""
    argv = [sys.executable, "-m", "activator", word]
    done = subprocess.run(argv, cwd=ROOT, check=False, capture_output=True, text=True)
    assert (2, f"there is no command '{word}'; did you mean {meant}?\n") == (
        done.returncode,
        done.stderr,
    )


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 clients wait"), (1, "1 client waits"), (2, "2 clients wait")]
)
def test_numbers_and_their_nouns(number: int, said: str) -> None:
    """One of something is no plural."""
    assert said == counted(number, "client", "wait")
    assert said.rpartition(" ")[0] == counted(number, "client")


@pytest.mark.parametrize(
    "arguments",
    [
        ("graph", SPEC),
        ("schema",),
        ("directives",),
        ("directives", "--format=json"),
        ("gen", "--stdout", SPEC),
        ("--help",),
        ("check", "--format=json", "latin.service"),
        ("check", "latin.service"),
        ("gen", "--stdout", "\udcff.toml"),
    ],
    ids=lambda arguments: " ".join(arguments).encode("ascii", "replace").decode(),
)
@pytest.mark.parametrize("encoding", ["iso-8859-1", "ascii", "utf-8"])
def test_locales(arguments: tuple[str, ...], encoding: str, tmp_path: Path) -> None:
    """What a locale cannot show is replaced; what is for programs is UTF-8."""
    (tmp_path / "latin.service").write_bytes(b"[Service]\nExecStart=/bin/tru\xe9 \xff\nWat=\xe9\n")
    done = subprocess.run(
        [sys.executable, "-m", "activator", *arguments],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        env={**clean_environment(), "PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)},
    )
    assert b"Traceback" not in done.stderr
    assert done.returncode in (0, 1), done.stderr
    if "--format=json" in arguments or arguments == ("schema",):
        json.loads(done.stdout.decode("utf-8"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain → text", "plain → text"),
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\rb\nc\td", r"a\x0db\x0ac\x09d"),
        ("\x9b31m", r"\x9b31m"),
        ("a\u2028b\x85", r"a\u2028b\x85"),
        ("\udcff", r"\xff"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    """What a terminal would obey is shown."""
    assert shown == printable(text)


def a_status(name: str, address: str) -> Status:
    """Return a socket whose service runs."""
    nothing = Accounting(None, None, None, None)
    service = Service(
        f"{name}.service", "active (running)", 4711, 90061.0, 3, 0, "success", "", nothing
    )
    return Status(
        name=f"{name}.socket",
        state="running",
        since_s=1.0,
        per_connection=False,
        accepted=None,
        open=2,
        refused=None,
        most=None,
        backlog=None,
        receive_buffer=None,
        send_buffer=None,
        ip=nothing,
        addresses=(Address(address, "stream", 0, 4096, 2, 0),),
        service=f"{name}.service",
        services=(service,),
        backend="",
        backends=(),
    )


@pytest.mark.parametrize("width", [20, 40, 80, 120, 200])
def test_the_table_fits(width: int) -> None:
    """No row is longer than the terminal is wide, and what matters most stays."""
    rows = [
        a_status("web", "[2001:db8:1234:5678:9abc:def0:1234:5678]:8443"),
        a_status("a-very-long-name-of-a-socket-for-something", "/run/something/very/long.sock"),
        a_status("a\x1b[31m", "/run/a\x1b[31m"),
    ]
    text = overview(rows, width)
    lines = [line for line in text.replace("\x1b[0m", "").split("\n") if line]
    plain = [printable_width(line) for line in lines]
    assert 4 == len(plain)
    assert max(plain) <= width
    assert "SOCKET" in lines[0]
    assert ("STARTS" in lines[0]) == (width == 200)
    assert ("ADDRESS" in lines[0]) == (width >= 80)
    assert "\x1b[31m" not in text
    everything = overview(rows)
    assert "a-very-long-name-of-a-socket-for-something.socket" in everything


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("active (running)", "says"),
        ("activating (start)", "says"),
        ("deactivating (stop-sigterm)", "says"),
        ("inactive (dead)", "said last"),
        ("failed (failed)", "said last"),
        ("activating (auto-restart)", "said last"),
        ("activating (auto-restart-queued)", "said last"),
    ],
)
def test_words_of_who_has_ended(state: str, expected: str) -> None:
    """The manager keeps STATUS= of a process that is gone; it is not what the service says now."""
    status = a_status("web", "/run/web.sock")
    service = status.services[0]._replace(state=state, status="draining: 0 open")
    lines = details(status._replace(services=(service,))).splitlines()
    words = [line.strip() for line in lines if line.endswith("draining: 0 open")]
    assert [f"{expected + ':':<16}draining: 0 open"] == words


def printable_width(line: str) -> int:
    """Return a line's length without its colours."""
    for colour in ("\x1b[1m", "\x1b[32m", "\x1b[31m", "\x1b[33m"):
        line = line.replace(colour, "")
    return len(line)


def test_who_is_at_an_address() -> None:
    """A client of an address comes to its own listener, or to one for all of them."""
    own = Held("127.0.0.1:80", "stream", 1, 0)
    every = Held("0.0.0.0:80", "stream", 1, 0)
    path = Held("/run/a.sock", "stream", 1, 0)
    assert [True, True] == [one.is_at("127.0.0.1:80") for one in (own, every)]
    assert [True, True] == [one.is_at("localhost:80") for one in (own, every)]
    assert [False, True] == [one.is_at("192.0.2.1:80") for one in (own, every)]
    assert [False, False] == [one.is_at("127.0.0.1:8080") for one in (own, every)]
    assert path.is_at("/run/a.sock")
    assert not path.is_at("/run/b.sock")
