"""``activator debian``: the files of debian/, by what a spec says."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from activator import debian, spec
from activator.cli import main
from activator.errors import ActivatorError
from activator.render import render

GREETER = """\
name = "greeter"
description = "Greet everybody"
handler = "greeter:greet"
app-dir = "/usr/lib/greeter"

[sockets.greeter]
ListenStream = "127.0.0.1:7800"
"""
Run = Callable[..., int]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that calls ``activator debian`` in an empty project."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEBFULLNAME", "Ann Author")
    monkeypatch.setenv("DEBEMAIL", "ann@mail.test")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    (tmp_path / "greeter.toml").write_text(GREETER)
    (tmp_path / "greeter.py").write_text("def greet(sock): ...\n")

    def run(*arguments: str) -> int:
        return main(["debian", *(arguments or ("greeter.toml",))])

    return run


def package(text: str, name: str = "", compat: int = 0) -> debian.Package:
    """Return the package of a spec's text."""
    loaded = spec.loads(text)
    return debian.package([loaded], render(loaded), name, compat)


def written() -> set[str]:
    """Return the files of debian/."""
    return {str(path.relative_to("debian")) for path in Path("debian").rglob("*") if path.is_file()}


def test_a_package_is_begun(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Without debian/, a whole package stands there afterwards, and each file is named."""
    assert 0 == run()
    names = {
        *("activator.mk", "changelog", "control", "copyright", "rules", "source/format"),
        *("greeter.install", "greeter.postinst", "greeter.preinst", "greeter.prerm"),
        *("greeter.service", "greeter.socket"),
    }
    assert names == written()
    assert {f"debian/{name}" for name in names} == set(capsys.readouterr().out.split())
    assert os.access("debian/rules", os.X_OK)
    assert "Maintainer: Ann Author <ann@mail.test>\n" in Path("debian/control").read_text()
    assert "greeter.py usr/lib/greeter\n" == Path("debian/greeter.install").read_text()
    assert "Tue, 14 Nov 2023 22:13:20 +0000" in Path("debian/changelog").read_text()
    assert Path("debian/rules").read_text().endswith("include debian/activator.mk\n")


def test_what_is_there_stays(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Files of the packager's own are neither replaced nor begun, and what is to do is said."""
    Path("debian").mkdir()
    Path("debian/control").write_text("Source: shop\n\nPackage: greeter\n")
    Path("debian/rules").write_text("#!/usr/bin/make -f\n%:\n\tdh $@\n")
    assert 0 == run()
    assert "Source: shop\n\nPackage: greeter\n" == Path("debian/control").read_text()
    assert not Path("debian/changelog").exists()
    assert "debian/rules: add this line at its end: include" in capsys.readouterr().err
    Path("debian/greeter.prerm").write_text("#!/bin/sh\n")
    assert 1 == run()
    assert "debian/greeter.prerm: it was not written by activator" in capsys.readouterr().err
    assert "#!/bin/sh\n" == Path("debian/greeter.prerm").read_text()
    assert 0 == run("greeter.toml", "--force")


def test_a_second_call_changes_what_has_changed(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """Generated again, only a changed spec's files differ; --check tells before."""
    run()
    capsys.readouterr()
    assert 0 == run("greeter.toml", "--check")
    assert 0 == run()
    assert "" == capsys.readouterr().out
    Path("greeter.toml").write_text(GREETER.replace("7800", "7801"))
    assert 1 == run("greeter.toml", "--check")
    assert "debian/greeter.socket: it is out of date" in capsys.readouterr().err
    assert 0 == run()
    assert "debian/greeter.socket\n" == capsys.readouterr().out


@pytest.mark.parametrize(
    ("control", "arguments", "message"),
    [
        ("Package: a\n\nPackage: b\n", (), "there is no package 'greeter'"),
        ("", ("--package", "Big"), "'Big' cannot be the name of a package"),
        ("Package: a\n", ("--package", "b"), "give --package a"),
    ],
)
def test_wrong_packages_are_told(
    run: Run,
    capsys: pytest.CaptureFixture[str],
    control: str,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    """A package that is not there, or cannot be, is an error, and nothing is written."""
    if control:
        Path("debian").mkdir()
        Path("debian/control").write_text(control)
    assert 1 == run("greeter.toml", *arguments)
    assert message in capsys.readouterr().err
    assert {"control"} >= written()


def test_units_bear_the_names_debhelper_looks_for() -> None:
    """Units named as the package is have short names, others say their own, templates too."""
    each = GREETER.replace('name = "greeter"', 'name = "greeter"\nmode = "per-connection"')
    names = {unit.name: (unit.file, unit.stem) for unit in package(each).units}
    assert {
        "greeter.socket": ("greeter.socket", ""),
        "greeter@.service": ("greeter@.service", ""),
    } == names
    names = {unit.name: (unit.file, unit.stem) for unit in package(each, "shop").units}
    assert {
        "greeter.socket": ("shop.greeter.socket", "greeter"),
        "greeter@.service": ("shop@.greeter.service", "greeter"),
    } == names


def test_users_and_groups_are_made() -> None:
    """What the units name is made, but for what Debian has and what systemd makes up."""
    text = GREETER + 'SocketUser = "root"\nSocketGroup = "greeters"\n'
    plain = debian.texts(package(text))
    assert "g greeters -\n" in plain["greeter.sysusers"]
    assert "dh_installsysusers --package=greeter\n" in plain["activator.mk"]
    assert "dh_installsysusers" not in debian.texts(package(text, compat=14))["activator.mk"]
    needs = 'needs = ["user:greeter", "write:/srv/greetings"]\n'
    own = debian.texts(package(needs + GREETER))
    assert 'u greeter - "Greet everybody"\n' in own["greeter.sysusers"]
    assert 'd "/srv/greetings" 0750 greeter greeter -\n' in own["greeter.tmpfiles"]
    assert "greeter.sysusers" not in debian.texts(package(GREETER))


def test_several_specs_share_a_package() -> None:
    """The units of all specs are in one fragment, each called for once."""
    other = GREETER.replace("greeter", "parting").replace("7800", "7801")
    both = [spec.loads(GREETER), spec.loads(other)]
    units = {name: text for one in both for name, text in render(one).items()}
    fragment = debian.texts(debian.package(both, units, "shop"))["activator.mk"]
    for name in units:
        kind = "--no-stop-on-upgrade" if name.endswith(".socket") else "--no-enable"
        assert 1 == sum(kind in line and line.endswith(f" {name}") for line in fragment.split("\n"))
        assert f"--exclude={name}" in fragment


@pytest.mark.parametrize("script", ["preinst", "postinst", "prerm"])
def test_scripts_are_right_for_a_plain_shell(script: str, tmp_path: Path) -> None:
    """A shell reads each script without complaint."""
    path = tmp_path / script
    path.write_text(debian.texts(package(GREETER))[f"greeter.{script}"])
    subprocess.run(["sh", "-n", path], check=True)


def test_an_unreadable_control_is_told(tmp_path: Path) -> None:
    """What is no text is an error with the file's name."""
    (tmp_path / "control").write_bytes(b"\xff")
    with pytest.raises(ActivatorError, match="it is not UTF-8"):
        debian.existing(tmp_path)
