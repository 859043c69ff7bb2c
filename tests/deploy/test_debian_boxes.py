"""The Debian packages: built, judged, installed, used, upgraded under load, removed and purged."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from activator.cli import main
from tests.boxes.box import Box
from tests.boxes.building import run_inside
from tests.boxes.fixtures import ONE, PROJECT, box_root, give_up
from tests.boxes.loads import clients
from tests.boxes.recipes import BUILD
from tests.boxes.sources import debian_source
from tests.runtime.test_activation_boxes import socat
from tests.support.packages import build

NAMES = ("python3-activator", "activator", "activator-examples")
SOCKETS = ("echo.socket", "echo-each.socket")
EXAMPLES = "/usr/share/doc/activator-examples/examples"
# What changes by itself: the kernel's, the logs and caches of dpkg and systemd, Python's own.
PRUNED = (
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/tmp",
    "/root",
    "/var/log",
    "/var/cache",
    "/var/lib/dpkg",
)
FILES = (
    *("find", "/", "-xdev", "(", "-name", "__pycache__"),
    *(word for path in PRUNED for word in ("-o", "-path", path)),
    *(")", "-prune", "-o", "-print"),
)

# A daemon of somebody else's: it echoes, and tells its version.
SPEC = """\
name = "greeter"
description = "Echo, and tell the version"
app-dir = "/usr/lib/greeter"
needs = ["write:/srv/greeter"]

[handler]
echo = "greeter:echo"
version = "greeter:version"

[sockets.echo]
ListenStream = "/run/greeter.sock"

[sockets.version]
ListenStream = "127.0.0.1:7900"
"""
MODULE = """\
async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()

def version(sock):
    with open("/srv/greeter/asked", "a") as file:
        file.write("VERSION\\n")
    sock.sendall(b"VERSION\\n")
"""
BUILD_ALL = """
set -eu
cp -r /source /build
for project in /build/*; do
    (cd "$project" && dpkg-buildpackage --unsigned-source --unsigned-changes --build=binary)
done
cp /build/*.deb /out
lintian --allow-root --fail-on error /build/*.changes
"""

# autopkgtest in a root file system that has the packages; it leaves out what wants a systemd.
AUTOPKGTEST = """
set -eu
dpkg --install /out/*.deb
dpkg-source --extract /out/*.dsc /tmp/tree
autopkgtest --no-built-binaries --test-name=command /tmp/tree -- null
"""


@pytest.fixture(scope="module")
def box(packages: Path) -> Iterator[Box]:
    """Yield a booted box of its own, in which nothing of ours is installed yet."""
    with Box(packages.name, box_root(packages.name)) as box:
        yield box


def snapshot(box: Box) -> set[str]:
    """Return the paths of all files but those that change by themselves."""
    return set(box.run(*FILES).stdout.splitlines())


def errors(box: Box) -> str:
    """Return what the journal has at error level or above."""
    return box.run("journalctl", "--priority=err", "--output=cat", "--no-pager").stdout


def carry(box: Box, packages: Path, *names: str) -> list[str]:
    """Put packages into the box, and return their paths there."""
    paths = []
    for name in names or NAMES:
        (package,) = packages.glob(f"{name}_*.deb")
        paths.append(f"/root/{package.name}")
        box.write(paths[-1], package.read_bytes())
    return paths


def install(box: Box, paths: list[str]) -> None:
    """Install packages, with the documentation that a box leaves out otherwise."""
    box.run("dpkg", "--path-include=/usr/share/doc/activator*", "--install", *paths)


def newer(packages: Path, directory: Path) -> Path:
    """Make the same packages once more, with a higher version, as the next upload would."""
    for package in packages.glob("*.deb"):
        tree = directory / package.stem
        subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
        control = tree / "DEBIAN/control"
        control.write_text(control.read_text().replace("0.1.0-1", "0.1.0-2"))
        built = directory / package.name.replace("0.1.0-1", "0.1.0-2")
        subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, built],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return directory


def test_life_of_the_packages(box: Box, packages: Path, tmp_path: Path) -> None:
    """Installed, used, upgraded under load, removed and purged: nothing lost, nothing left."""
    before, quiet = snapshot(box), errors(box)
    install(box, carry(box, packages))

    # Nothing is where systemd looks; the examples, their units too, are documentation.
    installed = box.run("dpkg", "--listfiles", *NAMES).stdout
    assert "systemd" not in re.sub("/usr/share/doc/.*|/systemd_activator.*", "", installed)
    documented = {path.name for path in (PROJECT / "units").iterdir()}
    assert documented == set(box.run("ls", EXAMPLES).stdout.split())

    # The command works from the packages alone.
    assert "0.1.0" in box.run("activator", "--version").stdout
    generated = box.run(
        *("activator", "gen", "--name", "x", "--exec", "/bin/true"),
        *("--listen-stream", "/run/x.sock", "--stdout"),
    ).stdout
    assert "ListenStream=/run/x.sock" in generated
    shown = box.run("activator", "demo").stdout
    assert "was started for it, by systemd" in shown
    script = "source /usr/share/bash-completion/completions/activator; complete -p activator"
    assert "activator" in box.run("bash", "-c", script).stdout

    # Both modes are served, hardened.
    specs = [f"{EXAMPLES}/{name}.toml" for name in ("echo", "echo-each")]
    for spec in specs:
        box.run("activator", "install", spec)
    assert "one\n" == socat(box, "UNIX-CONNECT:/run/echo.sock", "one\n")
    assert "each\n" == socat(box, "TCP:127.0.0.1:7778", "each\n")
    exposure = box.run("systemd-analyze", "security", "--no-pager", "echo.service").stdout
    assert re.search(r"Overall exposure level for echo.service: 0\.[12] SAFE", exposure)

    # An upgrade under load loses no client of either mode.
    upgrade = carry(box, newer(packages, tmp_path))
    with (
        clients(box, 20, "/run/echo.sock") as shared,
        clients(box, 3, "/run/echo-each.sock") as each,
    ):
        install(box, upgrade)
        box.systemctl("restart", "echo.service")
        assert ["served"] == list(shared.end())
        assert ["served"] == list(each.end())
    assert "0.1.0-2" in box.run("dpkg-query", "--show", "activator-examples").stdout
    for unit in SOCKETS:
        assert "active" == box.show(unit, "ActiveState")

    # Uninstalled and purged: nothing is left, and nothing was complained of.
    for name in ("echo", "echo-each"):
        box.run("activator", "uninstall", name)
    for unit in (*SOCKETS, "echo.service"):
        assert "inactive" == box.show(unit, "ActiveState")
    box.run("dpkg", "--remove", *NAMES)
    box.run("dpkg", "--purge", *NAMES)
    assert "" == box.systemctl("--failed", "--plain", "--no-legend").stdout
    assert set() == snapshot(box) - before
    assert quiet == errors(box)


def daemon(directory: Path, version: str, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lay out the sources of one version of the daemon, its debian/ made by the command."""
    project = directory / f"greeter-{version}"
    project.mkdir()
    (project / "greeter.py").write_text(MODULE.replace("VERSION", version))
    (project / "greeter.toml").write_text(spec)
    monkeypatch.chdir(project)
    monkeypatch.setenv("DEBFULLNAME", "Ann Author")
    monkeypatch.setenv("DEBEMAIL", "ann@debian.org")
    compat = "14" if "sid" in str(directory) else "13"
    assert 0 == main(["debian", "greeter.toml", "--compat", compat])
    for name, old, new in (
        ("changelog", "(0.1)", f"({version})"),
        (
            "copyright",
            "FIXME\n Say here under which licence",
            "Expat\n This says under which licence",
        ),
    ):
        path = project / "debian" / name
        path.write_text(path.read_text().replace(old, new))


def test_life_of_a_packaged_daemon(
    box: Box, packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package made from a spec: its sockets listen, its service waits; upgrades lose nothing."""
    sources, out = tmp_path / f"sources-{packages.name}", tmp_path / "out"
    for path in (sources, out):
        path.mkdir()
    moved = SPEC.replace("7900", "7901")
    for version, text in (("0.1", SPEC), ("0.2", SPEC), ("0.3", moved)):
        daemon(sources, version, text, monkeypatch)
    run_inside(box_root(packages.name, BUILD), BUILD_ALL, sources, out, tmp_path / "build.log")

    install(box, carry(box, packages))
    before, quiet = snapshot(box), errors(box)
    for package in out.glob("*.deb"):
        box.write(f"/root/{package.name}", package.read_bytes())
    box.run("dpkg", "--install", "/root/greeter_0.1_all.deb")
    for unit in ("greeter-echo.socket", "greeter-version.socket"):
        assert "active" == box.show(unit, "ActiveState")
        assert "enabled" == box.systemctl("is-enabled", unit).stdout.strip()
    assert "inactive" == box.show("greeter.service", "ActiveState")
    assert "0.1\n" == socat(box, "TCP:127.0.0.1:7900", "")

    # What it writes to was made, and belongs to the user that its unit leaves to systemd.
    assert "0.1\n" == box.run("cat", "/srv/greeter/asked").stdout
    owner = box.run("stat", "--format=%U:%G %a", "/srv/greeter").stdout
    assert "greeter:greeter 750\n" == owner
    depends = box.run("dpkg-query", "--show", "--showformat=${Depends}", "greeter").stdout
    assert "activator" in depends.split(", ")

    with clients(box, 20, "/run/greeter.sock") as process:
        box.run("dpkg", "--install", "/root/greeter_0.2_all.deb")
        ask = ("socat", "-t120", "-", "TCP:127.0.0.1:7900")
        box.wait_for(lambda: box.run(*ask, check=False).stdout == "0.2\n", "the new version")
        assert ["served"] == list(process.end())

    # A socket that has changed is opened anew, though its service runs.
    box.run("dpkg", "--install", "/root/greeter_0.3_all.deb")
    assert "0.3\n" == socat(box, "TCP:127.0.0.1:7901", "")

    # Bytecode, as a service that is not hardened leaves it there.
    box.run("python3", "-m", "compileall", "-q", "/usr/lib/greeter")
    assert "" == box.run("dpkg", "--remove", "greeter").stderr
    for unit in ("greeter-echo.socket", "greeter-version.socket", "greeter.service"):
        assert "inactive" == box.show(unit, "ActiveState")
    assert "" == box.run("dpkg", "--purge", "greeter").stderr
    # Debian keeps users, and nobody but its owner deletes data.
    assert {"/srv/greeter", "/srv/greeter/asked"} == snapshot(box) - before
    box.run("rm", "-r", "/srv/greeter")
    assert "" == box.run("find", "/run", "-name", "*greeter*").stdout
    assert quiet == errors(box)
    box.run("dpkg", "--purge", *NAMES)


def test_autopkgtest(box: Box, packages: Path, tmp_path: Path) -> None:
    """debian/tests pass: the command's under autopkgtest, that of systemd on the booted one."""
    log = tmp_path / "autopkgtest.log"
    tree = box_root(packages.name, BUILD)
    run_inside(tree, AUTOPKGTEST, tmp_path, packages, log)
    assert re.search(r"^command +PASS$", log.read_text(), re.MULTILINE)

    install(box, carry(box, packages))
    script = PROJECT / "packaging/debian/tests/systemd"
    box.write("/root/systemd", script.read_bytes(), 0o755)
    box.run("/root/systemd")
    box.run("dpkg", "--purge", *NAMES)


@pytest.mark.parametrize("packages", [ONE], indirect=True)
def test_documentation(packages: Path, tmp_path: Path) -> None:
    """The site is whole, also where it is registered; Debian's own scripts are its search."""
    (package,) = packages.glob("activator-doc_*.deb")
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path], check=True)
    site = tmp_path / "usr/share/doc/activator-doc/html"
    for page in (PROJECT / "docs").rglob("*.md"):
        assert (site / page.relative_to(PROJECT).with_suffix(".html")).is_file()
    assert "receivebuff" in (site / "searchindex.js").read_text()
    # No link of the site leads to a name that debhelper has changed.
    assert {"grafana.json", "alerts.yml"} <= {path.name for path in site.rglob("*.*")}
    assert [] == list(site.rglob("*.gz"))
    assert "javascript/sphinxdoc" in str((site / "_static/searchtools.js").readlink())
    (registered,) = (tmp_path / "usr/share/doc-base").iterdir()
    assert f"Index: /{(site / 'index.html').relative_to(tmp_path)}\n" in registered.read_text()


@pytest.mark.stress
@pytest.mark.other_systemd
@pytest.mark.parametrize("packages", ["bookworm"], indirect=True)
def test_two_builds_are_the_same(packages: Path, tmp_path: Path) -> None:
    """Built once more from another directory, every package has the same bytes."""
    build(packages.name, tmp_path)
    for package in packages.glob("*.deb"):
        assert package.read_bytes() == (tmp_path / packages.name / package.name).read_bytes()


@pytest.mark.stress
@pytest.mark.other_systemd
@pytest.mark.parametrize("packages", ["bookworm"], indirect=True)
def test_piuparts(packages: Path) -> None:
    """Piuparts finds nothing: installed, removed and purged, the system is as it was."""
    if not shutil.which("piuparts"):
        give_up("not installed: piuparts")
    source = debian_source()
    mirror = [f"--mirror={source.uri} main"] if source else []
    options = [f"--distribution={packages.name}", *mirror, "--no-eatmydata"]
    options.append(f"--existing-chroot={box_root(packages.name)}")
    done = subprocess.run(
        ["piuparts", *options, *map(str, packages.glob("*.deb"))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stdout[-3000:]
    assert "PASS: All tests." in done.stdout
