"""``activator debian``: the files of debian/, by what a spec says."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from activator.cli import main
from activator.deploy import debian
from activator.errors import ActivatorError
from activator.generate import specfile
from activator.generate.render import render

GREETER = """\
name = "greeter"
description = "Greet everybody"
handler = "greeter:greet"
app-dir = "/usr/lib/greeter"

[sockets.greeter]
ListenStream = "127.0.0.1:7800"
"""
FIGURES = """\
handler = { greeter = "greeter:greet" }
metrics = "figures"

[sockets.figures]
ListenStream = "/run/figures.sock"
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
    loaded = specfile.loads(text)
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
    said = capsys.readouterr().err
    assert "debian/rules: add this line at its end: include" in said
    hint = "debian/control: add ${activator:Depends} to Depends of greeter: activator\n"
    assert hint in said
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


def test_a_container_is_refused(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """No package is made without the image; what to do instead is told, and nothing is written."""
    text = 'name = "shop"\nimage = "localhost/shop:1"\n[sockets.http]\nListenStream = 7800\n'
    Path("shop.toml").write_text(text)
    assert 1 == run("greeter.toml", "shop.toml")
    (line,) = capsys.readouterr().err.splitlines()
    assert "shop.toml:2: " in line
    assert "use activator install on the machine" in line
    assert not written()


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
    users = "\nexecute_before_dh_installsystemd:\n\tdh_installsysusers --package=greeter\n"
    assert users in plain["activator.mk"]
    assert "dh_installsysusers" not in debian.texts(package(text, compat=14))["activator.mk"]
    needs = 'needs = ["user:greeter", "write:/srv/greetings"]\n'
    own = debian.texts(package(needs + GREETER))
    assert 'u greeter - "Greet everybody"\n' in own["greeter.sysusers"]
    # Directories are made for users that are there.
    assert users.replace("installsystemd", "installtmpfiles") in own["activator.mk"]
    assert 'd "/srv/greetings" :0750 :greeter :greeter -\n' in own["greeter.tmpfiles"]
    assert "greeter.sysusers" not in debian.texts(package(GREETER))


@pytest.mark.parametrize(
    ("keys", "user", "line"),
    [
        # systemd makes a user up, and takes one of its name that is there already.
        ("", "greeter", ":greeter :greeter"),
        ('mode = "per-connection"\n', "greeter", ":greeter :greeter"),
        ('service = { Group = "greeters" }\n', "greeter", ":greeter :greeters"),
        ('service = { User = "www-data" }\n', "", ":www-data :www-data"),
        ("service = { DynamicUser = false }\n", "", ":root :root"),
        ('service = { DynamicUser = false, User = "123" }\n', "", ":123 :123"),
    ],
)
def test_what_a_service_writes_to_is_made(keys: str, user: str, line: str) -> None:
    """A directory that a need opens is there before the service starts, and it may write to it."""
    made = package(f'{keys}needs = ["write:/srv/chat"]\n{GREETER}')
    assert f'd "/srv/chat" :0750 {line} -\n' in debian.texts(made)["greeter.tmpfiles"]
    assert [user] * bool(user) == [one.name for one in made.accounts if one.kind == "u"]


def test_a_user_without_a_name_owns_nothing() -> None:
    """Where systemd gives the user that it makes up another name, the spec has to name one."""
    needs = 'needs = ["write:/srv/chat"]\n'
    with pytest.raises(ActivatorError, match=r"systemd makes up a user for 7greeter\.service"):
        package(needs + GREETER.replace('name = "greeter"', 'name = "7greeter"'))


@pytest.mark.parametrize(
    ("text", "packages"),
    [
        (GREETER, "activator"),
        ('asgi = "a:app"', "activator, python3-httptools, python3-uvicorn, python3-websockets"),
        ('wsgi = "a:app"', "activator, python3-waitress"),
        (FIGURES, "activator, python3-prometheus-client"),
        ('handler = "a:b"\npython = "/usr/bin/python3"', "python3, python3-activator"),
        ('wsgi = "a:app"\npython = "/opt/shop/bin/python3"', ""),
        ('exec = "/usr/bin/python3.13 -m http.server"', "python3"),
        ('exec = ["/usr/local/bin/node", "shop.js"]', ""),
        ('exec = "activator exec -- /usr/bin/gunicorn shop:app"', "activator"),
        (
            'exec = "/usr/bin/node shop.js"\nmode = "proxy"\nbackend = 8080',
            "activator, nodejs, systemd",
        ),
    ],
)
def test_packages_that_the_services_need(text: str, packages: str) -> None:
    """What units run, serve HTTP with and measure with is what their package depends on."""
    if text != GREETER:
        text = GREETER.replace('handler = "greeter:greet"\napp-dir = "/usr/lib/greeter"', text)
    made = debian.texts(package(text))["activator.mk"]
    assert f"\techo 'activator:Depends={packages}' >>debian/greeter.substvars\n" in made


def test_several_specs_share_a_package() -> None:
    """The units of all specs are in one fragment, each called for once."""
    other = GREETER.replace("greeter", "parting").replace("7800", "7801")
    both = [specfile.loads(GREETER), specfile.loads(other)]
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
