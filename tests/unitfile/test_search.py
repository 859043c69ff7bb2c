"""Where systemd looks for units: search path, aliases, templates, masks, drop-ins, links."""

from pathlib import Path

import pytest

from activator.unitfile.search import Search, dropin_directories, system_path, user_path

UNIT = "[Service]\nExecStart=/bin/true\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root directory whose search path has directories of all kinds."""
    for name in ("etc", "run", "usr/lib"):
        (tmp_path / name / "systemd/system").mkdir(parents=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    return tmp_path


def put(path: Path, text: str = UNIT) -> None:
    """Write a file with the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def link(path: Path, target: str) -> None:
    """Make a link with the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def search(root: Path) -> Search:
    """Return the search of the system's manager."""
    return Search(system_path(str(root)), str(root))


def test_the_first_directory_counts(root: Path) -> None:
    """/etc goes before /run before /usr/lib, and /lib is no second one."""
    assert ["etc", "run", "usr"] == [
        Path(path).relative_to(root).parts[0] for path in system_path(str(root))
    ]
    put(root / "usr/lib/systemd/system/a.service")
    put(root / "run/systemd/system/a.service")
    found = search(root).find("a.service")
    assert found
    assert str(root / "run/systemd/system/a.service") == found.path
    put(root / "etc/systemd/system/a.service")
    found = search(root).find("a.service")
    assert found
    assert str(root / "etc/systemd/system/a.service") == found.path


def test_an_alias_is_the_unit_behind_it(root: Path) -> None:
    """A link gives another name; both are one unit, and drop-ins of both names count."""
    put(root / "usr/lib/systemd/system/ssh.service")
    link(root / "etc/systemd/system/sshd.service", "/usr/lib/systemd/system/ssh.service")
    put(root / "etc/systemd/system/sshd.service.d/a.conf")
    put(root / "etc/systemd/system/ssh.service.d/b.conf")
    for name in ("ssh.service", "sshd.service"):
        found = search(root).find(name)
        assert found
        assert ("ssh.service", ("sshd.service",)) == (found.name, found.aliases)
        assert ["a.conf", "b.conf"] == [Path(path).name for path in found.dropins]


def test_a_link_to_a_file_elsewhere_is_the_unit(root: Path) -> None:
    """The command `systemctl link` makes such; the file's own name does not matter."""
    put(root / "srv/mine.service")
    link(root / "etc/systemd/system/a.service", "/srv/mine.service")
    found = search(root).find("a.service")
    assert found
    assert ("a.service", ()) == (found.name, found.aliases)


@pytest.mark.parametrize("how", ["link", "empty"])
def test_a_masked_unit(root: Path, how: str) -> None:
    """A link to /dev/null and an empty file mask what lies behind."""
    put(root / "usr/lib/systemd/system/a.service")
    path = root / "etc/systemd/system/a.service"
    path.symlink_to("/dev/null") if how == "link" else path.touch()
    found = search(root).find("a.service")
    assert found
    assert found.masked


def test_instances_come_from_their_template(root: Path) -> None:
    """An own file goes before the template's, and drop-ins of both count."""
    put(root / "usr/lib/systemd/system/a@.service")
    put(root / "etc/systemd/system/a@.service.d/all.conf")
    put(root / "etc/systemd/system/a@x.service.d/one.conf")
    found = search(root).find("a@x.service")
    assert found
    assert ["all.conf", "one.conf"] == [Path(path).name for path in found.dropins]
    assert found.path.endswith("a@.service")
    put(root / "run/systemd/system/a@x.service")
    found = search(root).find("a@x.service")
    assert found
    assert found.path.endswith("a@x.service")
    link(root / "etc/systemd/system/b@.service", "/usr/lib/systemd/system/a@.service")
    found = search(root).find("b@y.service")
    assert found
    assert "a@y.service" == found.name


def test_dropins_of_prefixes_and_types() -> None:
    """The most specific first, as systemd.unit(5) says."""
    assert [
        "foo-bar@x.service.d",
        "foo-bar@.service.d",
        "foo-@x.service.d",
        "foo-@.service.d",
        "foo-.service.d",
        "service.d",
    ] == dropin_directories("foo-bar@x.service")
    assert ["foo-bar.socket.d", "foo-.socket.d", "socket.d"] == dropin_directories("foo-bar.socket")


def test_dropins_of_one_name_hide_each_other(root: Path) -> None:
    """An earlier directory's file wins, also if it is a link to /dev/null; names sort them."""
    put(root / "usr/lib/systemd/system/foo-bar.service")
    put(root / "usr/lib/systemd/system/foo-bar.service.d/20.conf")
    put(root / "usr/lib/systemd/system/foo-bar.service.d/30.conf")
    put(root / "usr/lib/systemd/system/service.d/20.conf")
    put(root / "usr/lib/systemd/system/foo-.service.d/10.conf")
    put(root / "usr/lib/systemd/system/foo-bar.service.d/note.txt")
    link(root / "etc/systemd/system/foo-bar.service.d/30.conf", "/dev/null")
    found = search(root).find("foo-bar.service")
    assert found
    below = root / "usr/lib/systemd/system"
    assert (
        str(below / "foo-.service.d/10.conf"),
        str(below / "foo-bar.service.d/20.conf"),
    ) == found.dropins


def test_links_that_make_dependencies(root: Path) -> None:
    """What is enabled is wanted by links; one to /dev/null takes such a link back."""
    put(root / "usr/lib/systemd/system/a.socket")
    wants = "systemd/system/sockets.target.wants"
    link(root / "etc" / wants / "a.socket", "/usr/lib/systemd/system/a.socket")
    link(root / "usr/lib" / wants / "b.socket", "../b.socket")
    link(root / "etc" / wants / "b.socket", "/dev/null")
    found = search(root).links
    assert [("sockets.target", "wants", "a.socket")] == [one[:3] for one in found]


def test_links_in_a_circle_end(root: Path) -> None:
    """Nothing is found there, and nothing hangs."""
    link(root / "etc/systemd/system/a.service", "b.service")
    link(root / "etc/systemd/system/b.service", "a.service")
    search(root).find("a.service")


def test_dropins_without_their_unit(root: Path) -> None:
    """They are told apart from those of a type, of a prefix and of instances."""
    for name in ("a.service.d", "service.d", "b-.service.d", "c@x.service.d"):
        put(root / "etc/systemd/system" / name / "x.conf")
    put(root / "usr/lib/systemd/system/c@.service")
    assert ["a.service"] == search(root).orphans


def test_the_path_of_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The own directories go first, and only without a root directory."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config/systemd/user").mkdir(parents=True)
    (tmp_path / "usr/lib/systemd/user").mkdir(parents=True)
    assert str(tmp_path / "config/systemd/user") == user_path()[0]
    assert [str(tmp_path / "usr/lib/systemd/user")] == user_path(str(tmp_path))
