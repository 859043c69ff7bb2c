"""Files that are written whole, with their owner and mode, where they were meant to be."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from activator.errors import ActivatorError
from activator.output import folder
from activator.output.atomic import remove_all, write_all

ROOT = Path(__file__).parents[2]
ECHO = str(ROOT / "units/echo.toml")
USER = 65534  # nobody
UNIT = "[Socket]\nListenStream=/var/run/a.sock\nRemoveOnStop=yes\nSocketMode=0600\n"
# Runs a command line, and meanwhile what is said for the moment before a file gets its name.
WATCHED = """
import os, runpy, signal, sys
code, *words = sys.argv[1:]
sys.dont_write_bytecode = True  # or the first file may be what Python has compiled
seen = []
def before(event, arguments):
    if event == "os.rename" and not seen:
        seen.append(event)
        found = os.stat(arguments[0], dir_fd=arguments[2], follow_symlinks=False)
        exec(code)
sys.addaudithook(before)
sys.argv = ["activator", *words]
runpy.run_module("activator", run_name="__main__")
"""
Run = subprocess.CompletedProcess[str]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root is tempted by others' links")


def activator(*words: str, cwd: Path | None = None) -> Run:
    """Run a command line."""
    argv = [sys.executable, "-m", "activator", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False, cwd=cwd)


def watched(code: str, *words: str) -> Run:
    """Run a command line that runs some code before the first file gets its name."""
    argv = [sys.executable, "-c", WATCHED, code, *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def names(base: Path) -> list[str]:
    """Return what is in a directory."""
    return sorted(path.name for path in base.iterdir())


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644])
def test_mended_file_never_has_another_mode(tmp_path: Path, mode: int) -> None:
    """Its mode and its owner are there before its name, whenever the run is killed."""
    unit = tmp_path / "a.socket"
    unit.write_text(UNIT)
    unit.chmod(mode)
    if os.geteuid() == 0:
        os.chown(unit, USER, USER)
    owner = unit.stat().st_uid
    show = "print(oct(found.st_mode), found.st_uid, file=sys.stderr)"
    run = watched(show, "check", "--fix", str(unit))
    assert f"{oct(stat.S_IFREG | mode)} {owner}" == run.stderr.splitlines()[0]
    assert "/run/a.sock" in unit.read_text()
    assert "/var/run" not in unit.read_text()
    assert (mode, owner) == (stat.S_IMODE(unit.stat().st_mode), unit.stat().st_uid)


def test_programs_can_be_run_from_the_start(tmp_path: Path) -> None:
    """The rules of a package have their mode before their name."""
    run = watched("print(oct(found.st_mode))", "debian", ECHO, "-o", str(tmp_path / "debian"))
    assert 0 == run.returncode, run.stderr
    assert 0o755 == stat.S_IMODE((tmp_path / "debian/rules").stat().st_mode)
    write_all(tmp_path, {"a": "", "b": ""}, modes={"a": 0o700})
    assert [0o700, 0o644] == [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"]


@pytest.mark.parametrize("again", ["changed", "same"])
def test_next_run_removes_what_a_killed_one_left(tmp_path: Path, again: str) -> None:
    """Whether it has anything to write or not."""
    out = tmp_path / "out"
    if again == "same":
        assert 0 == activator("gen", ECHO, "-o", str(out)).returncode
    kill = "os.kill(os.getpid(), signal.SIGKILL)"
    killed = watched(kill, "gen", ECHO, "-o", str(out), "--systemd", "257", "--force")
    assert -signal.SIGKILL == killed.returncode
    assert any(name.startswith(".") for name in names(out))
    mine = out / ".mine"
    mine.mkdir()
    assert 0 == activator("gen", ECHO, "-o", str(out)).returncode
    assert [".mine", "echo.service", "echo.socket"] == names(out)


def test_run_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    """Another run in the same directory takes nothing away from it."""
    wait = "print(flush=True); input()"
    argv = [sys.executable, "-c", WATCHED, wait, "gen", ECHO, "-o", str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(argv, text=True, **pipes) as first:  # type: ignore[call-overload]
        assert first.stdout
        first.stdout.readline()
        write_all(tmp_path, {"other.socket": ""})
        remove_all(tmp_path, ["other.socket"])
        first.communicate("\n")
    assert 0 == first.returncode
    assert ["echo.service", "echo.socket"] == names(tmp_path)


def test_what_is_left_of_others_stays(tmp_path: Path) -> None:
    """Only a directory of our own, that nobody works in, is taken for a left one."""
    with folder.opened(str(tmp_path)) as place, folder.apart(place) as new:
        (own,) = names(tmp_path)
        folder.clean(place)
        assert [own] == names(tmp_path)
        assert os.stat(own, dir_fd=place).st_ino == os.fstat(new).st_ino
    assert [] == names(tmp_path)
    (tmp_path / own).write_text("")
    write_all(tmp_path, {"a": ""})
    assert [own, "a"] == names(tmp_path)


def test_directory_that_is_exchanged_meanwhile(tmp_path: Path) -> None:
    """What was opened is written into, whatever stands at its path then."""
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    place = str(out)
    exchange = f"os.rename({place!r}, {place!r} + '.old'); os.symlink('elsewhere', {place!r})"
    run = watched(exchange, "gen", ECHO, "-o", str(out))
    assert 0 == run.returncode, run.stderr
    assert [] == names(elsewhere)
    assert ["echo.service", "echo.socket"] == names(tmp_path / "out.old")


def test_own_links_and_dots_are_followed(tmp_path: Path) -> None:
    """A directory may be named as people name it; what is missing is made."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real/../real")
    (tmp_path / "whole").symlink_to(tmp_path / "link")
    for path in ("link", "whole", "./whole/../real/.", str(tmp_path / "link"), "link/new/er"):
        assert 0 == activator("gen", ECHO, "-o", path, cwd=tmp_path).returncode
        assert "echo.socket" in names(tmp_path / path)
        (tmp_path / path / "echo.socket").unlink()
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(ActivatorError, match="round: cannot write: too many levels"):
        write_all(tmp_path / "round", {"a": ""})


@as_root
@pytest.mark.parametrize(
    "words",
    [
        ("gen", ECHO, "-o", "{}"),
        ("gen", ECHO, "-o", "{}/below"),
        ("debian", ECHO, "-o", "{}"),
        ("templates", "--copy", "{}"),
        ("install", ECHO, "--root", "{}"),
    ],
    ids=" ".join,
)
def test_link_of_another_user_is_not_followed(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Root writes nothing where somebody else's link leads."""
    target, link = tmp_path / "target", tmp_path / "link"
    target.mkdir()
    link.symlink_to(target)
    os.chown(link, USER, USER, follow_symlinks=False)
    run = activator(*(word.format(link) for word in words))
    message = "a link of another user is not followed"
    assert (1, 1) == (run.returncode, len(run.stderr.splitlines())), run
    assert f"{link}: cannot write: {message}; choose another directory\n" == run.stderr
    assert [] == names(target)


@as_root
def test_fix_follows_no_link_of_another_user(tmp_path: Path) -> None:
    """Neither before the file nor in its place; root's own are followed."""
    unit, link = tmp_path / "real/a.socket", tmp_path / "a.socket"
    write_all(unit.parent, {unit.name: UNIT})
    link.symlink_to(unit)
    os.chown(link, USER, USER, follow_symlinks=False)
    run = activator("check", "--fix", str(link))
    assert f"{link}: cannot write: a link of another user is not followed\n" == run.stderr
    assert UNIT == unit.read_text()
    os.chown(link, 0, 0, follow_symlinks=False)
    activator("check", "--fix", str(link))
    assert "/var/run" not in unit.read_text()
    assert link.is_symlink()


def test_refusals_are_one_line(tmp_path: Path) -> None:
    """A file where a directory should be, and the other way round."""
    (tmp_path / "file").write_text("")
    (tmp_path / "a").mkdir()
    with pytest.raises(ActivatorError, match="file: cannot write: not a directory"):
        write_all(tmp_path / "file/below", {"a": ""})
    with pytest.raises(ActivatorError, match="a: cannot write: is a directory"):
        write_all(tmp_path, {"b": "", "a": ""})
    assert ["a", "file"] == names(tmp_path)
