"""``activator check``: what is looked at, how it is told, and the exit status."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

from activator.check.report import github
from activator.check.units import Finding

SOCKET = "[Socket]\nListenStream=/run/echo.sock\nSocketMode=0600\n"
SERVICE = "[Service]\nExecStart=/bin/true\nDynamicUser=yes\n"
BAD = "[Service]\nExecStart=/bin/true\nRestart=maybe\n"


def run(*arguments: str | Path, status: int = 0) -> str:
    """Run the command and return what it prints, or its complaint if it was called wrongly."""
    done = subprocess.run(
        [sys.executable, "-m", "activator", "check", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )
    assert status == done.returncode, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if status < 2 else done.stderr


def found(*arguments: str | Path, status: int = 1) -> list[dict[str, object]]:
    """Return the findings, as JSON gives them."""
    rows = json.loads(run(*arguments, "--format", "json", status=status))
    assert isinstance(rows, list)
    return rows


def loader(rows: list[dict[str, object]]) -> list[tuple[object, object, object]]:
    """Return place and rule of what systemd itself would say."""
    return [(row["file"], row["line"], row["rule"]) for row in rows if str(row["rule"]) < "ACT2"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a matching pair of units."""
    (tmp_path / "echo.socket").write_text(SOCKET)
    (tmp_path / "echo.service").write_text(SERVICE)
    return tmp_path


def test_a_clean_unit_gives_nothing(folder: Path) -> None:
    """No error, the exit status is 0, and the empty result is valid in each format."""
    assert [] == loader(found(folder / "echo.socket", "--fail-on", "error", status=0))
    assert "2.1.0" == json.loads(run(folder, "--format", "sarif", "--fail-on", "never"))["version"]


def test_numbers_of_thousands_of_digits(folder: Path) -> None:
    """They are out of range, as systemd says too, and each is told with its line."""
    nines, hexadecimal = "9" * 5000, "0x" + "f" * 5000
    socket = [f"ListenStream={nines}", f"ListenStream=127.0.0.1:{hexadecimal}"]
    socket += [f"Backlog={nines}", f"Backlog={hexadecimal}", f"ReceiveBuffer={nines}K"]
    socket += [f"TriggerLimitIntervalSec={nines}s", f"SocketMode={'7' * 5000}"]
    (folder / "echo.socket").write_text(SOCKET + "\n".join(socket) + "\n")
    (folder / "echo.service").write_text(f"{SERVICE}MemoryMax=1.{nines}G\nUser={nines}\n")
    rows = loader(found(folder))
    assert set(range(4, 11)) <= {line for file, line, _ in rows if "socket" in str(file)}
    assert {4, 5} <= {line for file, line, _ in rows if "service" in str(file)}


def test_json_has_exactly_these_keys(folder: Path) -> None:
    """Seven keys, lines and columns from 1."""
    (folder / "echo.service").write_text(BAD)
    rows = [row for row in found(folder) if row["rule"] == "ACT106"]
    assert [
        {
            "file": str(folder / "echo.service"),
            "line": 3,
            "column": 9,
            "rule": "ACT106",
            "severity": "error",
            "message": rows[0]["message"],
            "hint": rows[0]["hint"],
        }
    ] == rows
    assert "maybe" in str(rows[0]["message"])


def test_text_is_one_line_a_finding(folder: Path) -> None:
    """Place, severity, rule, message and hint, as compilers write them."""
    (folder / "echo.service").write_text(BAD)
    lines = run(folder, status=1).splitlines()
    place = f"{folder / 'echo.service'}:3:9: error ACT106: Restart=maybe"
    assert any(line.startswith(place) for line in lines)


def test_sarif_has_the_shape_of_its_schema(folder: Path) -> None:
    """Required properties of SARIF 2.1.0, rules by index, and places from 1."""
    (folder / "a b.service").write_text(BAD)
    log = json.loads(run(folder, "--format", "sarif", status=1))
    assert {"$schema", "version", "runs"} == set(log)
    [one] = log["runs"]
    driver = one["tool"]["driver"]
    assert "activator" == driver["name"]
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"]
        assert rule["help"]["text"]
    levels = {"error", "warning", "note"}
    for result in one["results"]:
        assert result["message"]["text"]
        assert result["level"] in levels
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        [location] = result["locations"]
        physical = location["physicalLocation"]
        assert " " not in physical["artifactLocation"]["uri"]
        assert Path(unquote(physical["artifactLocation"]["uri"])).exists()
        assert min(physical["region"].values()) >= 1


def test_github_commands_escape_what_is_special() -> None:
    """Line breaks and percent signs in messages, colons and commas in properties."""
    finding = Finding("a,b:c.service", 3, 9, "ACT106", "info", "100%\n", "")
    assert "::notice file=a%2Cb%3Ac.service,line=3,col=9,title=ACT106::100%25%0A" == github(finding)


@pytest.mark.parametrize(
    ("fail_on", "status"), [("error", 1), ("warning", 1), ("info", 1), ("never", 0)]
)
def test_an_error_fails_on_all_severities(folder: Path, fail_on: str, status: int) -> None:
    """The exit status is 1 if something is as grave as --fail-on."""
    (folder / "echo.service").write_text(BAD)
    run(folder / "echo.service", "--fail-on", fail_on, status=status)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["no-such.service"],
        ["notes.txt"],
        ["--installed", "--root", "/"],
        ["--systemd", "200", "x.service"],
        ["--format", "xml", "x.service"],
        ["--explain", "ACT999"],
        ["--root", "/nonexistent"],
    ],
)
def test_wrong_usage(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit status is 2, and the complaint is one line."""
    (tmp_path / "notes.txt").touch()
    (tmp_path / "x.service").write_text(SERVICE)
    monkeypatch.chdir(tmp_path)
    status = 1 if "200" in arguments else 2
    run(*arguments, status=status)


def test_a_version_that_is_not_installed(folder: Path) -> None:
    """The same unit is right for one version and wrong for another."""
    path = folder / "echo.service"
    path.write_text(f"{SERVICE}ExecReloadPost=/bin/true\n")
    assert [(str(path), 4, "ACT103")] == loader(found(path, "--systemd", "trixie"))
    assert [] == loader(found(path, "--systemd", "262", "--fail-on", "error", status=0))


def test_folders_are_looked_through(folder: Path) -> None:
    """Each folder by itself; drop-ins belong to their unit, or stand alone."""
    for path, text in {
        "a/one.service": BAD,
        "b/one.service": SERVICE,
        "b/one.service.d/x.conf": "[Service]\nRestart=maybe\n",
        "c/two.service.d/x.conf": "[Service]\nRestrat=no\n",
        ".hidden/three.service": BAD,
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    assert [
        (str(folder / "a/one.service"), 3, "ACT106"),
        (str(folder / "b/one.service.d/x.conf"), 2, "ACT106"),
        (str(folder / "c/two.service.d/x.conf"), 2, "ACT102"),
    ] == loader(found(folder))
    drop_in = folder / "b/one.service.d/x.conf"
    assert [(str(drop_in), 2, "ACT106")] == loader(found(drop_in))


def test_a_service_named_alone_is_seen_with_sockets_of_other_names(tmp_path: Path) -> None:
    """Its sockets are looked for beside it, as when the folder is named: by Service=, too."""
    service = tmp_path / "web.service"
    service.write_text("[Service]\nExecStart=/usr/bin/activator serve app:handler\n")
    socket = "[Socket]\nListenStream=80\n"
    (tmp_path / "http.socket").write_text(socket)
    assert "ACT423" in run("--fail-on", "warning", service, status=1)
    (tmp_path / "http.socket").write_text(f"{socket}Service=web.service\n")
    assert "ACT423" not in run("--fail-on", "warning", service)


def test_a_spec_is_checked_by_what_it_makes(tmp_path: Path) -> None:
    """A finding stands at the line of the spec that asked for it."""
    path = tmp_path / "echo.toml"
    path.write_text(
        'name = "echo"\nmode = "shared"\nexec = "/usr/bin/echo-server"\n'
        '[sockets.echo]\nListenStream = "/run/echo.sock"\n'
        '[service]\nStandardOutput = "syslog"\n'
    )
    rows = loader(found(path))
    assert [(str(path), 7, "ACT108")] == rows
    assert rows == loader(found(tmp_path))
    path.write_text("name = 5\n")
    assert [(str(path), 1, "ACT100")] == loader(found(path))[:1]


def test_a_root_tells_what_is_missing(tmp_path: Path) -> None:
    """Programs and required units are looked for below it, links followed within it."""
    units = tmp_path / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    (tmp_path / "usr/bin").mkdir()
    (tmp_path / "bin").symlink_to("/usr/bin")
    program = tmp_path / "usr/bin/prog"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = units / "a.service"
    unit.write_text("[Unit]\nRequires=b.service\n[Service]\nExecStart=/bin/prog\n")
    assert [(str(unit), 2, "ACT111")] == loader(found("--root", tmp_path))
    (units / "b.service").write_text("[Service]\nExecStart=prog\nExecStop=-/none\nExecStop=/non\n")
    assert [(str(units / "b.service"), 4, "ACT112")] == loader(found("--root", tmp_path))
    program.chmod(0o644)
    assert 3 == len(loader(found("--root", tmp_path)))
    assert 1 == len(loader(found("--root", tmp_path, unit)))


def test_explanations() -> None:
    """A rule is explained by identifier or name, and all are listed."""
    assert "Bad::" in run("--explain", "act106")
    assert run("--explain", "ACT106") == run("--explain", "bad-value")
    assert "ACT106" in run("--explain", "all")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(folder: Path) -> None:
    """It is told, and the others are looked at."""
    (folder / "echo.service").chmod(0)
    assert [(str(folder / "echo.service"), 1, "ACT116")] == loader(found(folder))


def test_a_link_to_nothing(folder: Path) -> None:
    """It is told, and the others are looked at."""
    path = folder / "broken.service"
    path.symlink_to("nowhere")
    assert [(str(path), 1, "ACT116")] == loader(found(folder))


def test_what_is_no_file_is_not_waited_for(folder: Path) -> None:
    """A FIFO and a directory with a unit's name are told, and the others are looked at."""
    os.mkfifo(folder / "a.service")
    (folder / "b.service").mkdir()
    rows = loader(found(folder))
    assert [(str(folder / f"{name}.service"), 1, "ACT116") for name in "ab"] == rows
    run(folder / "a.service", status=2)


def test_a_terminal_is_shown_the_line(folder: Path) -> None:
    """With its line, a caret below the place, the hint, and how many there are."""
    (folder / "echo.service").write_text(BAD)
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        subprocess.run(
            [sys.executable, "-m", "activator", "check", "echo.service", "--systemd", "257"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            check=False,
            timeout=300,
        )
        os.close(theirs)
        shown = b""
        while b"info\r\n" not in shown:
            shown += terminal.read(65536)
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).replace("\r\n", "\n")
    assert "echo.service:3:9: error ACT106: Restart=maybe" in text
    assert "    Restart=maybe\n            ^\n  hint: " in text
    assert "\n1 error, " in text
    assert b"\x1b[" in shown
