"""``make install`` and ``make uninstall``: what lies below DESTDIR, and that all of it goes."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from activator.version import __version__
from tests.boxes.fixtures import PROJECT
from tests.support.pages import blocks

# What a prefix has, whichever one it is.
FILES = (
    "bin/activator",
    "share/bash-completion/completions/activator",
    "share/zsh/site-functions/_activator",
    "share/fish/vendor_completions.d/activator.fish",
    "share/man/man1/activator-gen.1",
    "share/man/man5/activator.toml.5",
    "share/doc/activator/runtime.md",
    "share/doc/activator/pictures/run-light.svg",
    "share/doc/activator/examples/echo.socket",
    "share/doc/activator/examples/echo.toml",
)


def _make(target: str, directory: Path, python: str = sys.executable, prefix: str = "/usr") -> str:
    """Make a target, with all that it writes below a directory; return what it says."""
    done = subprocess.run(
        ["make", "--silent", target, f"DESTDIR={directory}/root", f"PREFIX={prefix}"],
        cwd=PROJECT,
        env=os.environ | {"PYTHON": python, "BUILD": str(directory / "build")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout + done.stderr


def _files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def _version(root: Path) -> str:
    """Return what the command that was installed below a root says of its version."""
    (site,) = root.glob("lib/python3*/*-packages")
    return subprocess.run(
        [str(root / "bin/activator"), "--version"],
        cwd=root,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_installed_and_uninstalled(tmp_path: Path) -> None:
    """All lies where its reader looks and tells no path of the build; uninstalled, all is gone."""
    root = tmp_path / "root/usr"
    other = root / "share/doc/other/README"
    other.parent.mkdir(parents=True)
    other.write_text("somebody else's\n")
    _make("install", tmp_path)

    installed = _files(root)
    assert set(FILES) <= installed
    assert [] == [name for name in installed if "systemd/system" in name or "direct_url" in name]
    paths = (str(tmp_path).encode(), str(PROJECT / "activator").encode())
    telling = [name for name in installed if any(it in (root / name).read_bytes() for it in paths)]
    assert [] == telling
    # It runs, and leaves bytecode behind.
    assert f"activator, version {__version__}\n" == _version(root)
    subprocess.run([sys.executable, "-m", "compileall", "-q", root / "lib"], check=True)

    _make("uninstall", tmp_path)
    assert {"share/doc/other/README"} == _files(root)
    assert not list(root.rglob("*activator*"))


def test_the_commands_of_the_page(tmp_path: Path) -> None:
    """They run as they stand, but for the directory; the packages are those that are asked for."""
    (block,) = blocks((PROJECT / "docs/packages.md").read_text(), "below a prefix")
    apt, *commands = block.text.replace("/tmp/image", str(tmp_path / "image")).splitlines()
    script = (PROJECT / "packaging/install").read_text()
    assert [] == [name for name in apt.split()[2:] if name not in script]
    for number, command in enumerate(commands):
        subprocess.run(
            ["sh", "-ec", command],
            cwd=PROJECT,
            env=os.environ | {"PYTHON": sys.executable, "BUILD": str(tmp_path / "build")},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        assert (number == 0) == (tmp_path / "image/usr/bin/activator").is_file()


@pytest.mark.parametrize("prefix", ["/usr", "/usr/local", "/opt/tools"])
def test_a_python_of_the_distribution(tmp_path: Path, prefix: str) -> None:
    """Each prefix has its own bin/, and Debian's Python finds the package below its two."""
    python = "/usr/bin/python3"
    code = "import setuptools, sys; sys.exit(sys.version_info < (3, 11))"
    if subprocess.run([python, "-c", code], check=False, capture_output=True).returncode:
        pytest.skip(f"{python} is not there, too old or without setuptools")
    # The dependencies, as Debian's packages would bring them.
    site = tmp_path / "site"
    site.mkdir()
    for name in ("click", "jinja2", "markupsafe", "systemd"):
        (site / name).symlink_to(Path(sysconfig.get_path("platlib")) / name)
    script = tmp_path / "python3"
    script.write_text(f'#!/bin/sh\nPYTHONPATH=$PYTHONPATH:{site} exec {python} "$@"\n')
    script.chmod(0o755)
    said = _make("install", tmp_path, str(script), prefix)

    root = tmp_path / f"root{prefix}"
    assert (root / "bin/activator").is_file()
    code = "import site; print(*site.getsitepackages())"
    known = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout
    (package,) = root.glob("lib/python3*/*-packages/activator")
    place = f"/{package.parent.relative_to(tmp_path / 'root')}"
    assert (place in known.split()) == (f"does not look into {place}" not in said)
    assert (place in known.split()) == prefix.startswith("/usr")


def test_setuptools_that_makes_no_wheel(tmp_path: Path) -> None:
    """An environment as venv makes it is enough: an old setuptools, and no `wheel`."""
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin/python"
    code = "import setuptools.command.bdist_wheel"
    if subprocess.run([python, "-c", "import setuptools"], check=False).returncode:
        pytest.skip("this Python's venv brings no setuptools")
    assert subprocess.run([python, "-c", code], check=False, capture_output=True).returncode
    (site,) = environment.glob("lib/python3*/site-packages")
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('platlib')}\n")

    _make("install", tmp_path, str(python))
    assert f"activator, version {__version__}\n" == _version(tmp_path / "root/usr")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    """Without the dependencies one line says what to install, and nothing is installed."""
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    done = subprocess.run(
        ["make", "--silent", "install", f"DESTDIR={tmp_path}/root"],
        cwd=PROJECT,
        env=os.environ
        | {"PYTHON": str(environment / "bin/python"), "BUILD": str(tmp_path / "build")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 2 == done.returncode
    assert "has no setuptools; run: apt install python3-setuptools\n" in done.stderr
    assert not (tmp_path / "root").exists()


def test_a_newer_version(tmp_path: Path) -> None:
    """What an earlier version had installed, and the new one has not, is removed."""
    _make("install", tmp_path)
    manifest = tmp_path / "root/usr/share/activator/installed"
    (site,) = (tmp_path / "root/usr").glob("lib/python3*/*-packages/activator")
    old, other = site / "gone.py", site / "other.py"
    for path in (old, other):
        path.write_text("")
    listed = f"./{old.relative_to(tmp_path / 'root/usr')}"
    manifest.write_text("\n".join(sorted([listed, *manifest.read_text().split()])) + "\n")

    _make("install", tmp_path)
    assert not old.exists()
    assert other.exists()
    assert listed not in manifest.read_text()


def test_nothing_to_uninstall(tmp_path: Path) -> None:
    """Where nothing was installed, one line says so."""
    done = subprocess.run(
        ["packaging/uninstall"],
        cwd=PROJECT,
        env={"DESTDIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    where = f"{tmp_path}/usr/local"
    expected = (
        f"uninstall: {where}/share/activator/installed is not there: "
        f"nothing was installed below {where}\n"
    )
    assert (1, "", expected) == (done.returncode, done.stdout, done.stderr)
