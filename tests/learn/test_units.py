"""Unit files in place of a spec, with a real strace and a real client."""

import json
import os
import sys
from pathlib import Path

import pytest

from tests.learn.test_learn import CLIENT, SERVER, client, learn, pytestmark

__all__ = ["pytestmark"]

SERVICE = """\
[Service]
ExecStart=-{python} -I {place}/server.py
ProcSubset=pid
PrivateDevices=yes
"""
DROP_IN = "[Service]\nSystemCallFilter=@system-service\nSystemCallFilter=~@resources\n"


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """Return a socket; its service does what two of its lines forbid."""
    (tmp_path / "server.py").write_text(SERVER.format(place=tmp_path))
    (tmp_path / "client.py").write_text(CLIENT)
    (tmp_path / "tmp").mkdir()
    path = tmp_path / "guest.socket"
    path.write_text(f"[Socket]\nListenStream={tmp_path}/s\n")
    (tmp_path / "guest.service").write_text(SERVICE.format(python=sys.executable, place=tmp_path))
    (tmp_path / "guest.service.d").mkdir()
    (tmp_path / "guest.service.d/50-more.conf").write_text(DROP_IN)
    return path


def test_lines_that_forbid(unit: Path) -> None:
    """Needs for a spec, the lines that forbid them, in drop-ins too, and those that do not."""
    done = learn(unit, "--check", "--format", "json", *client(unit))
    assert 1 == done.returncode, done.stderr
    told = json.loads(done.stdout)
    assert {"system-info", "resources"} <= set(told["needs"])
    assert [] == told["missing"]
    place = unit.parent
    rows = [(row["line"], row["need"]) for row in told["forbidding"]]
    assert [
        (f"{place}/guest.service:3: ProcSubset=pid", "system-info"),
        (f"{place}/guest.service.d/50-more.conf:3: SystemCallFilter=~@resources", "resources"),
    ] == rows
    assert f"{place}/guest.service:4: PrivateDevices=yes" in told["idle"]
    shown = learn(unit, *client(unit)).stdout
    assert f"\nforbidden by\n    {rows[0][0]} (system-info)\n" in shown
    assert f"\nnot in the way\n    {told['idle'][0]}\n" in shown
    assert "(missing)" not in shown


@pytest.mark.stress
def test_nothing_is_forbidden(unit: Path) -> None:
    """Without such lines there is nothing to find."""
    (unit.parent / "guest.service.d/50-more.conf").write_text("[Service]\nProcSubset=all\n")
    done = learn(unit, "--check", *client(unit))
    assert 0 == done.returncode, done.stderr
    assert "forbidden by" not in done.stdout


def test_a_service_for_each_connection(unit: Path) -> None:
    """Instances are traced by their template, whose prefixes and arguments stay."""
    place = unit.parent
    unit.write_text(f"{unit.read_text()}Accept=yes\n")
    (place / "guest.service").unlink()
    text = "open('/proc/meminfo').close(); import sys; sys.stdout.write(sys.argv[1])"
    (place / "guest@.service").write_text(
        "[Service]\nStandardInput=socket\nProcSubset=pid\n"
        f'ExecStart=-@{sys.executable} py -c "{text}" served\n'
    )
    done = learn(unit, "--format", "json", *client(unit))
    assert 0 == done.returncode, done.stderr
    told = json.loads(done.stdout)
    assert "system-info" in told["needs"]
    assert [f"{place}/guest@.service:3: ProcSubset=pid"] == [
        row["line"] for row in told["forbidding"]
    ]


@pytest.mark.stress
def test_an_instance_of_a_template(unit: Path) -> None:
    """It is a socket without a file of its own."""
    place = unit.parent
    (place / "guest@.socket").write_text("[Socket]\nListenStream=%i\n".replace("%i", f"{place}/%i"))
    text = (place / "guest.service").read_text()
    (place / "guest@.service").write_text(text)
    done = learn(place / "guest@s.socket", "--format", "json", *client(unit))
    assert 0 == done.returncode, done.stderr
    assert "system-info" in json.loads(done.stdout)["needs"]


WRONG = {
    ("--write",): "--write is for a spec, and {unit} is none; name the spec that",
    ("--verify", "--", "true"): "--verify is for a spec, and {unit} is none",
    ("--app-dir", "x"): "--app-dir is for a spec",
}


@pytest.mark.parametrize("words", WRONG)
def test_options_for_specs(unit: Path, words: tuple[str, ...]) -> None:
    """A unit stays as it is."""
    done = learn(unit, *words)
    assert 2 == done.returncode
    assert done.stderr.startswith(WRONG[words].replace("{unit}", str(unit)))
    assert 1 == done.stderr.count("\n")


def test_what_goes_wrong(unit: Path) -> None:
    """Bad input is told as `activator run` tells it, and a spec beside units is too much."""
    place = unit.parent
    spec = place / "guest.toml"
    spec.write_text("")
    for words, status, said in (
        ((str(place / "nosuch.socket"),), 1, f"there is no file {place}/nosuch.socket; "),
        (
            (str(unit), "nosuch-at-all.socket"),
            1,
            "there is no file nosuch-at-all.socket, nor does the ",
        ),
        ((str(unit), str(spec)), 1, f"{spec} is not a unit; give a .socket file, or a spec "),
        ((str(spec), str(spec)), 2, f"{spec} is one too many; name one spec, or units; "),
    ):
        done = learn(Path(place / words[0]), *words[1:])
        assert status == done.returncode, done.stderr
        assert done.stderr.startswith(said), done.stderr
        assert 1 == done.stderr.count("\n")
    (place / "guest.service.d/50-more.conf").write_text(
        "[Service]\nExecStart=/nosuch\nType=oneshot\n"
    )
    done = learn(unit, *client(unit))
    assert 1 == done.returncode
    assert done.stderr.startswith(f"{place}/guest.service.d/50-more.conf:2: ")
    unit.write_text("[Socket]\nListenStream=/nosuch\x01/s\nFoo\n")
    done = learn(unit, *client(unit))
    assert 1 == done.returncode
    assert str(place) in done.stderr
    assert "activator-learn" not in done.stderr


@pytest.mark.stress
@pytest.mark.skipif(os.geteuid() != 0, reason="the directories of others are their own")
def test_data_is_left_alone(unit: Path) -> None:
    """As for specs: what is there may be a service's, and the hint says what to do."""
    name = f"learned-{os.getpid()}"
    more = unit.parent / "guest.service.d/50-more.conf"
    more.write_text(f"[Service]\nStateDirectory=%p-{name}\n")
    data = Path("/var/lib", f"guest-{name}")
    data.mkdir()
    try:
        done = learn(unit, *client(unit))
        assert 1 == done.returncode
        assert done.stderr.startswith(f"{data} is there, and the service would write into it")
        assert "--on-system" in done.stderr
    finally:
        data.rmdir()
    assert 0 == learn(unit, *client(unit)).returncode
    assert not data.exists()


@pytest.mark.stress
def test_it_ends_in_time(unit: Path) -> None:
    """A client that does not end is ended, and what was seen until then is told."""
    words = ("--", "sh", "-c", '"$@" && sleep 1000; true', "sh", *client(unit)[1:])
    done = learn(unit, "--time", "5s", "--format", "json", *words)
    assert 0 == done.returncode, done.stderr
    assert "system-info" in json.loads(done.stdout)["needs"]
