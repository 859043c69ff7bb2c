"""What a command is about can be named as a spec, a unit, a name or a folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from activator.cli import subjects
from activator.cli.located import UNITS, located
from activator.errors import ActivatorError, UsageError
from activator.generate import specfile
from activator.generate.render import render
from activator.output.atomic import write_all

SPEC = """\
name = "{0}"
handler = "activator.examples.echo:echo"
[sockets.a]
ListenStream = "/run/{0}-a.sock"
[sockets.b]
ListenStream = "/run/{0}-b.sock"
"""
Run = subprocess.CompletedProcess[str]


def activator(*words: str, cwd: Path) -> Run:
    """Run a command line."""
    argv = [sys.executable, "-m", "activator", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False, cwd=cwd)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a directory with the spec kvd.toml, and folders of specs and of units."""
    for name in ("kvd", "specs/one", "specs/two"):
        text = SPEC.format(Path(name).name)
        write_all((tmp_path / name).parent, {f"{Path(name).name}.toml": text})
    write_all(tmp_path / "units", render(specfile.load(tmp_path / "kvd.toml")))
    (tmp_path / "root").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    "word", ["kvd", "kvd.toml", "kvd-a.socket", "kvd.service", "units/kvd-b.socket", "units"]
)
def test_uninstall(folder: Path, word: str) -> None:
    """All that was made from the spec goes, however it is named."""
    for spec in ("kvd.toml", "specs"):
        done = activator("install", spec, "--root", "root", cwd=folder)
        assert 0 == done.returncode, done.stderr
    done = activator("uninstall", word, "--root", "root", cwd=folder)
    assert 0 == done.returncode, done.stderr
    left = {path.name for path in (folder / "root/etc/systemd/system").glob("*.s*")}
    assert {"one", "two"} == {name.partition("-")[0].partition(".")[0] for name in left} - {
        "sockets"
    }


def test_uninstall_of_a_folder_and_of_a_spec_that_is_gone(folder: Path) -> None:
    """A folder stands for all its specs; of a file that is gone, its name tells."""
    for spec in ("kvd.toml", "specs"):
        activator("install", spec, "--root", "root", cwd=folder)
    assert 0 == activator("uninstall", "specs", "--root", "root", cwd=folder).returncode
    (folder / "kvd.toml").unlink()
    assert 0 == activator("uninstall", "kvd.toml", "--root", "root", cwd=folder).returncode
    assert [] == list((folder / "root").rglob("*.socket"))
    done = activator("uninstall", "root", "--root", "root", cwd=folder)
    assert (2, 1) == (done.returncode, len(done.stderr.splitlines()))


@pytest.mark.parametrize("gone", [False, True])
def test_uninstall_beside_a_package_of_the_name(folder: Path, gone: bool) -> None:  # noqa: FBT001
    """A folder of the name that has neither specs nor units is another's, as of the code."""
    (folder / "kvd").mkdir()
    (folder / "kvd/__init__.py").touch()
    assert 0 == activator("install", "kvd", "--root", "root", cwd=folder).returncode
    assert list((folder / "root").rglob("kvd-a.socket"))
    if gone:
        (folder / "kvd.toml").unlink()
    done = activator("uninstall", "kvd", "--root", "root", cwd=folder)
    assert 0 == done.returncode, done.stderr
    assert [] == list((folder / "root").rglob("*.socket"))


def test_a_package_of_the_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The spec beside it is meant."""
    monkeypatch.chdir(folder)
    Path("kvd").mkdir()
    assert ("kvd.toml",) == subjects.specs(["kvd"])
    assert ("kvd.toml",) == located(["kvd"], paths=True)
    assert ("kvd-a.socket", "kvd-b.socket") == subjects.sockets(["kvd"], user=False)
    live = ["kvd-a.socket", "kvd-b.socket"]
    assert tuple(live) == subjects.running(["kvd"], lambda: live)
    Path("kvd/other.socket").touch()
    assert ("kvd",) == located(["kvd"], paths=True)


@pytest.mark.parametrize("command", [("gen", "-o", "out"), ("debian", "--package", "shop")])
def test_specs(folder: Path, command: tuple[str, ...]) -> None:
    """A name is the spec beside, a folder all its specs; a unit is none."""
    done = activator(*command, "kvd", "specs", cwd=folder)
    assert 0 == done.returncode, done.stderr
    for name in ("kvd", "one", "two"):
        assert f"{name}-a" in done.stdout
    done = activator(*command, "units/kvd-a.socket", cwd=folder)
    assert (2, 1) == (done.returncode, len(done.stderr.splitlines()))
    assert "units/kvd-a.socket is a unit; name the spec" in done.stderr
    assert 2 == activator(*command, "root", cwd=folder).returncode


@pytest.mark.parametrize("command", [("graph",), ("check", "--fail-on", "never")])
def test_files_by_name(folder: Path, command: tuple[str, ...]) -> None:
    """A name is the spec or the unit of that name here."""
    for where, name, file in (
        (folder, "kvd", "kvd.toml"),
        (folder / "units", "kvd-a", "kvd-a.socket"),
    ):
        named, whole = (activator(*command, word, cwd=where) for word in (name, file))
        assert (whole.stdout, 0) == (named.stdout, named.returncode), named.stderr


def test_live_sockets(folder: Path) -> None:
    """Specs and folders stand for their sockets, a path for its unit; names stay."""

    def found(*words: str) -> list[str]:
        return list(subjects.sockets([str(folder / word) for word in words], user=False))

    assert ["kvd-a.socket", "kvd-b.socket"] == found("kvd.toml") == found("units")[:2]
    both = ["one-a.socket", "one-b.socket", "two-a.socket", "two-b.socket"]
    assert both == found("specs", "specs/two.toml")
    assert ["kvd.service", "x", "y.socket"] == [
        *found("units/kvd.service"),
        *subjects.sockets(["x", "y.socket"], user=False),
    ]
    with pytest.raises(UsageError, match="there are no units in"):
        found("root")


def test_running_units(folder: Path) -> None:
    """Specs, unit files and folders stand for their units of a run; names stay."""
    live = ["kvd-a.socket", "kvd-b.socket", "kvd.service", "one-a.socket", "one@1-2.service"]
    (folder / "units/one@.service").touch()
    every = UNITS

    def found(*words: str, kinds: tuple[str, ...] = every) -> list[str]:
        return list(subjects.running(map(str, words), lambda: live, kinds=kinds))

    assert live[:3] == found(f"{folder}/kvd.toml")
    assert live[2:3] == found(f"{folder}/kvd.toml", kinds=(".service",))
    assert [*live[:3], live[4]] == found(f"{folder}/units", f"{folder}/kvd.toml")
    assert [live[2], live[4]] == found(f"{folder}/units", kinds=(".service",))
    assert live[:1] == found(f"{folder}/units/kvd-a.socket", kinds=(".service",))
    assert live[3:4] == found(f"{folder}/specs")
    assert ["kvd", "other", "x.socket"] == found("kvd", "other", "x.socket")
    with pytest.raises(ActivatorError, match=r"no service of .*one\.toml runs"):
        found(f"{folder}/specs/one.toml", kinds=(".service",))


def test_running_unit_before_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of a unit that runs is no folder of that name."""
    monkeypatch.chdir(folder)
    assert ("specs",) == subjects.running(["specs"], lambda: ["specs.service"])
