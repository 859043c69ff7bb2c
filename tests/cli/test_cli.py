"""The command line as a whole: help, versions, errors, and what is loaded for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from activator.cli import COMMANDS
from activator.version import __version__

ROOT = Path(__file__).parents[2]
# What takes a spec, with what is to come behind it.
SPEC_COMMANDS = [
    ("gen", "--stdout"),
    ("install", "--root", "."),
    ("debian",),
    ("check",),
    ("graph",),
    ("run",),
]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    return subprocess.run(
        [sys.executable, "-m", "activator", *arguments],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_version() -> None:
    """--version prints the version."""
    assert f"activator, version {__version__}\n" == run("--version").stdout


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_command_has_help_with_an_example(name: str) -> None:
    """Each command's --help shows how it is called, and an example of it."""
    done = run(name, "--help")
    assert ("", 0) == (done.stderr, done.returncode)
    # In the usage, and in an example.
    assert done.stdout.count(f"activator {name}") > 1
    assert "\\b" not in done.stdout


def test_help_lists_every_command_and_loads_none() -> None:
    """The group's help comes from its table alone."""
    code = (
        "import sys; from activator.cli import main; main(['--help']); "
        "print([name for name in sys.modules if name.startswith('activator.cli.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)
    assert "[]" == done.stdout.splitlines()[-1]


def test_a_command_loads_no_other() -> None:
    """Calling one command loads that one's module alone."""
    code = (
        "import sys; from activator.cli import main; main(['gen', '--help']); "
        "print([name for name in sys.modules if name in "
        "('activator.cli.run', 'activator.cli.install', 'jinja2', 'asyncio', 'systemd')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.splitlines()[-1]


def loaded(*arguments: str) -> set[str]:
    """Return the modules that a command leaves loaded, without those that click loads."""
    code = (
        "import sys, click; before = {*sys.modules}\n"
        "from activator.cli import main\n"
        "main(sys.argv[1:])\n"
        "print(*sorted({*sys.modules} - before), file=sys.stderr)"
    )
    words = [sys.executable, "-c", code, *arguments]
    return {*subprocess.run(words, capture_output=True, text=True, check=True).stderr.split()}


def test_a_right_input_loads_only_what_it_needs(tmp_path: Path) -> None:
    """One service is checked without sockets' grammar; no line of a right spec is looked for."""
    unit = tmp_path / "one.service"
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    checked = loaded("check", str(unit))
    assert "activator.check" in checked
    assert not checked & {"pathlib", "ipaddress", "activator.unitfile.address"}
    made = loaded("gen", str(ROOT / "units/echo.toml"), "--stdout")
    assert "activator.generate.specfile.load" in made
    assert "activator.generate.specfile.lines" not in made


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["no-such-command"], "there is no command 'no-such-command'; activator --help lists all"),
        (["--no-such-option"], "Error: "),
        (["gen", "-x"], "Error: "),
    ],
)
def test_wrong_usage(arguments: list[str], told: str) -> None:
    """A wrong call is told on stderr and exits with 2."""
    done = run(*arguments)
    assert (2, "") == (done.returncode, done.stdout)
    assert told in done.stderr


def test_a_reader_that_has_gone() -> None:
    """Output into a closed pipe ends the command without a traceback."""
    with subprocess.Popen(
        [sys.executable, "-m", "activator", "directives"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize("command", SPEC_COMMANDS, ids=" ".join)
@pytest.mark.parametrize("kind", ["fifo", "device", "directory"])
def test_spec_that_is_no_file(tmp_path: Path, command: tuple[str, ...], kind: str) -> None:
    """One line, and nothing is waited for or read for ever."""
    spec = tmp_path / "x.toml"
    if kind == "fifo":
        os.mkfifo(spec)
    elif kind == "device":
        spec.symlink_to("/dev/zero")
    else:
        spec.mkdir()
    run = subprocess.run(
        [sys.executable, "-m", "activator", command[0], str(spec), *command[1:]],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=tmp_path,
    )
    assert 0 != run.returncode
    assert 1 == len((run.stdout + run.stderr).splitlines()), run


def test_spec_from_a_pipe_of_the_shell(tmp_path: Path) -> None:
    """What is open already is read to its end, as with <(...)."""
    script = '"$0" -m activator gen <(cat "$1") -o "$2"'
    argv = ["bash", "-c", script, sys.executable, str(ROOT / "units/echo.toml"), str(tmp_path)]
    assert 0 == subprocess.run(argv, check=False).returncode
    assert (tmp_path / "echo.socket").exists()


OUTPUTS = [
    *((name, "--help") for name in sorted(COMMANDS)),
    ("--version",),
    ("gen", "units/echo.toml", "--stdout"),
    ("gen", "units/echo.toml", "-o", "/nonexistent", "--diff"),
    ("gen", "units/echo.toml", "--stdout", "--format", "json"),
    ("check", "--explain", "all"),
    ("check", "tests/no/such.toml"),
    ("completion", "bash"),
    ("directives", "Accept"),
    ("graph", "units/echo.toml"),
    ("install", "units/echo.toml", "--root", "tests", "--dry-run"),
    ("schema",),
    ("templates",),
    ("templates", "--show", "unit"),
    ("inspect",),
]


@pytest.mark.parametrize("words", OUTPUTS, ids=" ".join)
def test_output_that_cannot_be_written(words: tuple[str, ...]) -> None:
    """A closed output and a full disk: one line, status 1, and nothing where nobody hears it."""
    for where, lines in ((">&-", 1), (">/dev/full", 1), (">&- 2>&-", 0), (">/dev/full 2>&1", 0)):
        argv = ["bash", "-c", f'"$0" -m activator "$@" {where}', sys.executable, *words]
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd=ROOT
        )
        assert (1, "", lines) == (done.returncode, done.stdout, len(done.stderr.splitlines())), done
