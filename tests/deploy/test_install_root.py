"""``activator install`` and ``uninstall`` where no systemd runs: files below another root."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ECHO = (ROOT / "units/echo.toml").read_text()
Run = subprocess.CompletedProcess[str]

pytestmark = pytest.mark.skipif(
    shutil.which("systemctl") is None, reason="there is no systemctl, which makes the links"
)


def activator(*arguments: str) -> Run:
    """Run the command line."""
    return subprocess.run(
        [sys.executable, "-m", "activator", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Return the root of a system that does not run."""
    (tmp_path / "image").mkdir()
    (tmp_path / "echo.toml").write_text(ECHO)
    return tmp_path / "image"


def install(image: Path, *flags: str, text: str = ECHO) -> Run:
    """Install a spec below the root."""
    spec = image.parent / "echo.toml"
    spec.write_text(text)
    return activator("install", str(spec), "--root", str(image), *flags)


def files(base: Path) -> list[str]:
    """Return all files and links below a directory."""
    found = (Path(folder, name) for folder, _, names in os.walk(base) for name in names)
    return sorted(str(path.relative_to(base)) for path in found)


def test_files_and_links_are_all_there_is(image: Path) -> None:
    """The units are written and enabled below the root, and nowhere else."""
    run = install(image)
    assert ("", 0) == (run.stderr, run.returncode)
    system = f"{image}/etc/systemd/system"
    assert [
        f"write {system}/echo.socket: new",
        f"write {system}/echo.service: new",
        "enable echo.socket",
    ] == run.stdout.splitlines()
    assert [
        "echo.toml",
        "image/etc/systemd/system/echo.service",
        "image/etc/systemd/system/echo.socket",
        "image/etc/systemd/system/sockets.target.wants/echo.socket",
    ] == files(image.parent)
    assert "echo is as it should be: nothing to do\n" == install(image).stdout
    (image / "etc/systemd/system/sockets.target.wants/echo.socket").unlink()
    assert "enable echo.socket\n" == install(image).stdout
    assert 0 == activator("uninstall", "echo", "--root", str(image)).returncode
    assert [] == files(image)


def test_dry_run_does_nothing(image: Path) -> None:
    """The steps are the same, and nothing is written."""
    shown = install(image, "--dry-run").stdout
    assert [] == files(image)
    assert shown == install(image).stdout


def test_a_dry_run_of_a_removal(image: Path) -> None:
    """The steps are the same, with the units that go; then there is nothing to do."""
    words = ("uninstall", "echo", "--root", str(image))
    install(image)
    before = files(image)
    shown = activator(*words, "--dry-run")
    assert (0, before) == (shown.returncode, files(image))
    assert "-ListenStream=127.0.0.1:7777" in activator(*words, "--dry-run", "--diff").stdout
    assert shown.stdout == activator(*words).stdout
    assert "nothing to do" in activator(*words, "--if-installed").stdout
    (image / "etc/systemd/system/echo.socket").write_text("")
    refused = activator(*words, "--if-installed")
    assert (1, "") == (refused.returncode, refused.stdout)
    assert "it was not written by activator" in refused.stderr


def test_the_difference_is_that_of_the_change(image: Path) -> None:
    """As text and as JSON, with what was there and what is then there."""
    path = image / "etc/systemd/system/echo.service"
    install(image)
    old = path.read_text()
    changed = ECHO + "[service]\nNice = 3\n"
    assert "+Nice=3" in install(image, "--dry-run", "--diff", text=changed).stdout.splitlines()
    told = json.loads(install(image, "--diff", "--format", "json", text=changed).stdout)
    (unit,) = (unit for unit in told["units"] if unit["status"] == "changed")
    assert (str(path), old, path.read_text()) == (unit["path"], unit["before"], unit["after"])


@pytest.mark.parametrize("flags", [("--restart",), ("--reload",), ("--restart", "--reload")])
def test_nothing_runs_below_a_root(image: Path, flags: tuple[str, ...]) -> None:
    """What would restart there is refused as wrong usage."""
    run = install(image, *flags)
    assert (2, "", 1) == (run.returncode, run.stdout, len(run.stderr.splitlines()))
    assert [] == files(image)


def test_other_mode(image: Path) -> None:
    """What the spec makes no more is removed with its links."""
    install(image)
    run = install(image, text=ECHO.replace("shared", "per-connection"))
    assert 0 == run.returncode, run.stderr
    assert [
        "etc/systemd/system/echo.socket",
        "etc/systemd/system/echo@.service",
        "etc/systemd/system/sockets.target.wants/echo.socket",
    ] == files(image)


def test_units_of_all_users(image: Path) -> None:
    """With --user, they are for every user of that system."""
    run = install(image, "--user")
    assert ("", 0) == (run.stderr, run.returncode)
    assert [
        "etc/systemd/user/echo.service",
        "etc/systemd/user/echo.socket",
        "etc/systemd/user/sockets.target.wants/echo.socket",
    ] == files(image)


def test_edited_files_stay(image: Path) -> None:
    """Neither command touches an edited file unless it is forced to."""
    install(image)
    path = image / "etc/systemd/system/echo.service"
    edited = path.read_text() + "Nice=1\n"
    path.write_text(edited)
    for run in (install(image), activator("uninstall", "echo", "--root", str(image))):
        assert (1, "", 1) == (run.returncode, run.stdout, len(run.stderr.splitlines()))
        assert run.stderr.startswith(f"{path}: it was edited since it was written; ")
    assert edited == path.read_text()
    assert 0 == install(image, "--force").returncode
    assert edited != path.read_text()


def test_masked_unit_stays(image: Path) -> None:
    """A link to /dev/null is the admin's word."""
    system = image / "etc/systemd/system"
    system.mkdir(parents=True)
    (system / "echo.socket").symlink_to("/dev/null")
    run = install(image, "--force")
    assert 1 == run.returncode
    message = f"{system}/echo.socket: it is not a regular file; remove it, or unmask the unit\n"
    assert message == run.stderr
    assert (system / "echo.socket").is_symlink()


def test_drop_ins_are_kept_and_named(image: Path) -> None:
    """They are the admin's own."""
    install(image)
    dropin = image / "etc/systemd/system/echo.socket.d/mine.conf"
    dropin.parent.mkdir()
    dropin.write_text("[Socket]\nBacklog=1\n")
    run = activator("uninstall", "echo", "--root", str(image))
    assert run.stderr.startswith(f"{dropin} is kept: it is a drop-in of yours, and applies to ")
    assert [str(dropin.relative_to(image))] == files(image)


def test_json(image: Path) -> None:
    """Units, steps and the result, for programs."""
    told = json.loads(install(image, "--format", "json").stdout)
    assert ("installed", "echo", []) == (told["result"], told["name"], told["notes"])
    assert ["new", "new"] == [unit["status"] for unit in told["units"]]
    assert ["write", "write", "enable"] == [step["do"] for step in told["steps"]]
    gone = json.loads(
        activator("uninstall", "echo", "--root", str(image), "--format", "json").stdout
    )
    assert "removed" == gone["result"]
    failed = activator("uninstall", "echo", "--root", str(image), "--format", "json")
    assert "failed" == json.loads(failed.stdout)["result"]
    assert [failed.stderr.strip()] == json.loads(failed.stdout)["errors"]


def test_unknown_name(image: Path) -> None:
    """What there is instead is told."""
    run = activator("uninstall", "ecko", "--root", str(image))
    system = f"{image}/etc/systemd/system"
    nothing = f"nothing is installed as 'ecko'; nothing is, in {system}\n"
    assert (1, nothing) == (run.returncode, run.stderr)
    install(image)
    run = activator("uninstall", "ecko", "--root", str(image))
    assert "nothing is installed as 'ecko'; there is echo\n" == run.stderr
    Path(system, "ecko.socket").write_text("")
    run = activator("uninstall", "ecko", "--root", str(image))
    assert f"{system}/ecko.socket: it was not written by activator; " in run.stderr


def test_links_do_not_lead_out(image: Path) -> None:
    """A link in the image that would lead to this system is refused."""
    (image / "etc").symlink_to("/etc")
    run = install(image)
    assert 1 == run.returncode
    assert "a link leads out of the root" in run.stderr


@pytest.mark.parametrize("root", ["", "/no/such/directory"])
def test_root_that_is_none(image: Path, root: str) -> None:
    """A wrong --root is told in one line."""
    run = activator("install", f"{image.parent}/echo.toml", "--root", root)
    assert (1, "") == (run.returncode, run.stdout)
    assert f"--root: {root!r} is not a directory; make it first\n" == run.stderr


@pytest.mark.skipif(Path("/run/systemd/system").exists(), reason="systemd runs here")
def test_no_systemd_runs() -> None:
    """Without systemd, only --root makes sense."""
    run = activator("install", str(ROOT / "units/echo.toml"))
    message = "systemd does not run here; --root DIR writes the files alone\n"
    assert (1, "", message) == (run.returncode, run.stdout, run.stderr)


def test_units_that_would_be_refused(image: Path) -> None:
    """What a user's manager would not load is told before anything is written."""
    run = install(image, "--user", text=ECHO + "[service]\nDynamicUser = true\n")
    message = "echo.service: DynamicUser= is refused by a user's manager; leave it out\n"
    assert (1, "", message) == (run.returncode, run.stdout, run.stderr)
    assert [] == files(image)


def test_templates(image: Path) -> None:
    """Templates of your own go before the built-in ones."""
    templates = image.parent / "templates"
    templates.mkdir()
    (templates / "socket.j2").write_text('# ours\n{% extends "builtin/socket.j2" %}\n')
    run = install(image, "--templates", str(templates))
    assert 0 == run.returncode, run.stderr
    assert "# ours" in (image / "etc/systemd/system/echo.socket").read_text()


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_steps_that_nobody_reads_are_taken_back(image: Path, command: str) -> None:
    """A full disk, or a terminal that has gone, leaves nothing half-done."""
    if command == "uninstall":
        install(image)
    before = files(image)
    words = [f"{image.parent}/echo.toml" if command == "install" else "echo", "--root", str(image)]
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(
            [sys.executable, "-m", "activator", command, *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    message = "cannot tell what is done: No space left on device; everything is as it was before\n"
    assert (1, message) == (run.returncode, run.stderr)
    assert before == files(image)
