"""``activator directives``: the catalogue, to read in a terminal."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping

import pytest

from activator.generate import explain, hardening
from activator.generate.specfile.intents import intents
from activator.unitfile import directives
from activator.unitfile.directives import NEWEST, OLDEST, SECTIONS


def activator(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    return subprocess.run(
        [sys.executable, "-m", "activator", "directives", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def on_terminal(columns: int, *arguments: str, **environment: str) -> str:
    """Run the command line on a terminal of its own, and return what it shows."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    inherited = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    with subprocess.Popen(
        [sys.executable, "-m", "activator", "directives", *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**inherited, "TERM": "xterm", **environment},
    ) as process:
        os.close(slave)
        shown = b""
        try:
            while chunk := os.read(master, 65536):
                shown += chunk
        except OSError:  # the terminal's other end is closed
            pass
        finally:
            os.close(master)
        assert process.wait(10) == 0
    return shown.decode().replace("\r\n", "\n")


def names(run: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the names in a table."""
    assert ("", 0) == (run.stderr, run.returncode)
    return [line.split()[0] for line in run.stdout.splitlines() if line.startswith("  ")]


def test_a_page_has_all_that_is_known() -> None:
    """NAME shows the meaning, values, default, version and the manual page."""
    run = activator("PollLimitBurst")
    assert ("", 0) == (run.stderr, run.returncode)
    first, *lines = run.stdout.splitlines()
    assert "PollLimitBurst=  [Socket]" == first
    facts = {line[2:14].strip(): line[14:] for line in lines if line[2:14].strip()}
    assert "a whole number from 0 on" == facts["Values"]
    assert "150 if Accept=yes, else 15" == facts["Default"]
    assert "systemd 255" == facts["Since"]
    assert "[sockets.NAME]" == facts["In a spec"]
    assert "systemd.socket(5)" == facts["Manual"]
    assert lines[-1].endswith("/systemd.socket.html#PollLimitBurst=")


def test_a_page_for_each_meaning() -> None:
    """A name that sections know alike has one page, others have one each."""
    heads = [line for line in activator("TimeoutSec=").stdout.splitlines() if line[:1].isalpha()]
    assert ["TimeoutSec=  [Socket]", "TimeoutSec=  [Service]"] == heads
    heads = [line for line in activator("KillMode").stdout.splitlines() if line[:1].isalpha()]
    assert ["KillMode=  [Socket] [Service]"] == heads


def test_a_page_of_a_reserved_directive_says_what_decides_it() -> None:
    """What a spec does not set is said where it is looked up."""
    assert "not set there: mode = " in activator("Accept").stdout
    assert "[unit] or [sockets.NAME.unit]" in activator("After").stdout


def test_a_page_of_an_old_directive_names_its_successor() -> None:
    """Legacy ones say so, with what to use and since when they are ignored."""
    text = activator("CPUShares").stdout
    assert "use CPUWeight=" in text
    assert "systemd 262 ignores it" in text


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["maxconnections"], "did you mean MaxConnections="),
        (["ReciveBuffer"], "did you mean ReceiveBuffer="),
        (["Backlog", "--section", "service"], "[Socket]"),
        (["Xyzzy"], "activator directives lists all"),
    ],
)
def test_unknown_names_get_a_suggestion(arguments: list[str], hint: str) -> None:
    """An unknown name exits with 1 and one line that has the likely name."""
    run = activator(*arguments)
    assert (1, "") == (run.returncode, run.stdout)
    (message,) = run.stderr.splitlines()
    assert hint in message


def test_all_directives_are_listed_once_a_meaning() -> None:
    """Without a choice, every directive of every section is in the table."""
    listed = names(activator())
    assert {name for section in SECTIONS for name in directives.names(section)} == set(listed)


def test_a_section() -> None:
    """--section lists that section, in any case of letters."""
    assert list(directives.names("Install")) == names(activator("--section", "INSTALL"))


def test_a_search() -> None:
    """--search looks into names and summaries."""
    found = names(activator("--search", "BACKLOG"))
    assert ["Backlog"] == found
    assert "MaxConnections" in names(activator("--search", "accept=yes"))
    assert (1, "") == (activator("--search", "xyzzy").returncode, "")


def test_versions() -> None:
    """--since lists what came with that release or later, by number or by Debian's name."""
    found = names(activator("--since", "255"))
    assert "PollLimitBurst" in found
    assert "Backlog" not in found
    assert names(activator("--since", "trixie")) == names(activator("--since", "257"))
    assert 1 == activator("--since", "wheezy").returncode


def test_listeners() -> None:
    """--for lists what concerns such a listener, and nothing of its commands."""
    tcp = names(activator("--for", "tcp"))
    assert {"ListenStream", "NoDelay", "FreeBind", "Backlog", "Accept"} <= set(tcp)
    assert set(tcp).isdisjoint({"ListenFIFO", "PipeSize", "SocketMode", "Symlinks", "User"})
    fifo = names(activator("--for", "fifo"))
    assert {"ListenFIFO", "PipeSize", "SocketMode"} <= set(fifo)
    assert set(fifo).isdisjoint({"NoDelay", "Accept", "ReceiveBuffer"})


def test_every_kind_belongs_to_a_listener() -> None:
    """The words of the catalogue's column are all known, and each has a listener."""
    used = {kind for entry in explain.entries() for kind in entry.directive.kinds.split()}
    assert used <= set(explain.KINDS)
    assert used <= {word for words in explain.LISTENERS.values() for word in words.split()}


def test_every_directive_has_a_page() -> None:
    """No directive lacks what its page needs."""
    for entry in explain.entries():
        facts = explain.facts(entry)
        assert facts["summary"]
        assert facts["values"]
        assert explain.REPEATS[facts["repeat"]]
        assert facts["since"] is None or facts["since"] <= NEWEST
        assert facts["removed"] is None or facts["removed"] >= OLDEST


def test_json() -> None:
    """--format json gives a list of objects with every fact, for one and for many."""
    (one,) = json.loads(activator("NoDelay", "--format", "json").stdout)
    assert ("NoDelay", ["Socket"], "no", ["tcp"]) == tuple(
        one[key] for key in ("name", "sections", "default", "kinds")
    )
    many = json.loads(activator("--format", "json").stdout)
    assert len(explain.entries()) == len(many)


@pytest.mark.parametrize(
    "arguments",
    [["Backlog", "--search", "x"], ["--for", "carrier-pigeon"], ["--section", "Timer"], ["a", "b"]],
)
def test_wrong_usage(arguments: list[str]) -> None:
    """A wrong call exits with 2 and says what is wrong on stderr."""
    run = activator(*arguments)
    assert (2, "") == (run.returncode, run.stdout)
    assert run.stderr


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_table_fits_the_terminal(columns: int) -> None:
    """Lines are cut to the terminal's width; elsewhere they are whole."""
    shown = on_terminal(columns, "--section", "Install", NO_COLOR="1")
    assert columns >= max(len(line) for line in shown.splitlines())
    assert ("…" in shown) == (columns < 100)
    assert "…" not in activator("--section", "Install").stdout


def test_a_page_fits_the_terminal() -> None:
    """A page is wrapped to the terminal's width, but for addresses."""
    shown = on_terminal(60, "StandardOutput", NO_COLOR="1")
    lines = [line for line in shown.splitlines() if "https://" not in line]
    assert 60 >= max(len(line) for line in lines)


def test_colour_only_on_a_terminal() -> None:
    """Colour is for terminals, and for none with NO_COLOR."""
    assert "\x1b[" in on_terminal(80, "Backlog")
    assert "\x1b[" not in on_terminal(80, "Backlog", NO_COLOR="1")
    assert "\x1b[" not in activator("Backlog").stdout


@pytest.mark.parametrize("name", intents())
def test_each_key_of_a_spec_has_a_page(name: str) -> None:
    """A key that is no directive is looked up alike."""
    run = activator(name)
    assert ("", 0) == (run.stderr, run.returncode)
    assert run.stdout.startswith(f"{name}  a key of a spec\n  {intents()[name].summary}\n")


@pytest.mark.parametrize(
    ("name", "entries"), [("needs", hardening.needs()), ("hardening", hardening.profiles())]
)
def test_what_may_stand_for_a_key(
    name: str, entries: Mapping[str, hardening.Need | hardening.Profile]
) -> None:
    """Each need and each profile is listed with what it opens or closes, as JSON too."""
    text = activator(name).stdout
    told = {form: entry.summary for form, entry in entries.items()}
    for form, summary in told.items():
        assert f"\n  {form}\n    {summary}\n" in f"{text}\n"
    (facts,) = json.loads(activator(name, "--format", "json").stdout)
    assert told == facts["entries"]
    assert f"[Service] has no directive {name!r}" in activator(name, "--section=Service").stderr
