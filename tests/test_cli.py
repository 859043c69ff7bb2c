"""The command line as a whole: help, versions, errors, and what is loaded for it."""

import subprocess
import sys

import pytest

from activator.cli import COMMANDS
from activator.version import __version__


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


@pytest.mark.parametrize("arguments", [["no-such-command"], ["--no-such-option"], ["gen", "-x"]])
def test_wrong_usage(arguments: list[str]) -> None:
    """A wrong call is told on stderr and exits with 2."""
    done = run(*arguments)
    assert (2, "") == (done.returncode, done.stdout)
    assert "Error: " in done.stderr


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
