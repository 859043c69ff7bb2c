"""Whole root directories: what is enabled, masked, an alias, an instance, a drop-in."""

from pathlib import Path

import pytest

from activator.check import check
from activator.check.inputs import Scope, worlds
from activator.check.world import version_in

LIB = "usr/lib/systemd/system"
ETC = "etc/systemd/system"
SERVICE = "[Service]\nExecStart=/bin/prog\n"
SOCKET = (
    "[Socket]\nListenStream=/run/{}.sock\nSocketMode=0600\n[Install]\nWantedBy=sockets.target\n"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root directory with a program and no units."""
    program = tmp_path / "bin/prog"
    put(program, "#!/bin/sh\n")
    program.chmod(0o755)
    (tmp_path / LIB).mkdir(parents=True)
    return tmp_path


def put(path: Path, text: str) -> None:
    """Write a file with the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def link(path: Path, target: str) -> None:
    """Make a link with the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def enable(root: Path, unit: str, target: str) -> None:
    """Make the link that systemctl enable would."""
    link(root / ETC / f"{target}.wants" / unit, f"/{LIB}/{unit.replace('@x', '@')}")


def found(root: Path, *, rule: str = "", user: bool = False) -> list[tuple[str, int, str]]:
    """Return file, line and rule of what is found that is no info."""
    scope = Scope(root=str(root), whole=True, user=user, version=257)
    return [
        (str(Path(one.finding.file).relative_to(root)), one.finding.line, one.finding.rule)
        for world in worlds(scope)
        for one in check(world)
        if one.finding.severity != "info" and one.finding.rule.startswith(rule)
    ]


def test_drop_ins_of_all_kinds_count(root: Path) -> None:
    """Those of a type, of a prefix, of a template and of an enabled instance, each told once."""
    bad = "[Service]\nRestart=maybe\n"
    for name in ("foo-bar.service", "foo-baz.service", "inst@.service"):
        put(root / LIB / name, SERVICE)
    for name in ("service.d/a", "foo-.service.d/b", "inst@.service.d/c", "inst@x.service.d/d"):
        put(root / ETC / f"{name}.conf", bad)
    enable(root, "inst@x.service", "multi-user.target")
    assert [
        (f"{ETC}/{name}.conf", 2, "ACT106")
        for name in ("foo-.service.d/b", "inst@.service.d/c", "inst@x.service.d/d", "service.d/a")
    ] == sorted(found(root))


def test_a_drop_in_changes_what_a_unit_is(root: Path) -> None:
    """What makes the unit wrong may stand in the drop-in, and the reverse."""
    put(root / LIB / "a.service", SERVICE)
    put(root / ETC / "a.service.d/x.conf", "[Service]\nExecStart=/bin/prog 2\n")
    assert [(f"{ETC}/a.service.d/x.conf", 2, "ACT107")] == found(root)
    put(root / ETC / "a.service.d/x.conf", "[Service]\nExecStart=\nExecStart=/bin/prog 2\n")
    assert [] == found(root)


def test_an_alias_is_told_once_and_known_by_each_name(root: Path) -> None:
    """A unit that another one requires by its alias is there."""
    put(root / LIB / "a.service", SERVICE + "Restart=maybe\n")
    link(root / ETC / "alias.service", f"/{LIB}/a.service")
    put(root / LIB / "b.service", "[Unit]\nRequires=alias.service\n" + SERVICE)
    assert [(f"{LIB}/a.service", 3, "ACT106")] == found(root)


def test_what_is_masked_is_not_looked_at(root: Path) -> None:
    """But a socket that is up, and whose service is masked, is told."""
    put(root / LIB / "a.service", "nonsense\n")
    link(root / ETC / "a.service", "/dev/null")
    assert [] == found(root)
    put(root / LIB / "a.socket", SOCKET.format("a"))
    assert [(f"{LIB}/a.socket", 2, "ACT704")] == found(root)


def test_enabled_units_are_told_apart(root: Path) -> None:
    """A service that is enabled instead of its socket; with both it is fine."""
    put(root / LIB / "a.socket", SOCKET.format("a"))
    put(root / LIB / "a.service", f"{SERVICE}[Install]\nWantedBy=multi-user.target\n")
    assert [] == found(root, rule="ACT701")
    enable(root, "a.service", "multi-user.target")
    assert [(f"{LIB}/a.service", 4, "ACT701")] == found(root, rule="ACT701")
    enable(root, "a.socket", "sockets.target")
    assert [] == found(root, rule="ACT701")


def test_only_enabled_sockets_take_an_address(root: Path) -> None:
    """Two packages may ship a socket for one port; it is wrong to enable both."""
    for name in "ab":
        put(root / LIB / f"{name}.service", SERVICE)
        put(root / LIB / f"{name}.socket", SOCKET.format("same"))
    assert [] == found(root, rule="ACT301")
    for name in "ab":
        enable(root, f"{name}.socket", "sockets.target")
    assert [(f"{LIB}/b.socket", 2, "ACT301")] == found(root, rule="ACT301")


def test_links_to_what_is_gone(root: Path) -> None:
    """A link that a removed package left is told; one to /dev/null takes such a link back."""
    put(root / LIB / "a.service", SERVICE)
    enable(root, "gone.socket", "sockets.target")
    link(root / ETC / "sockets.target.wants/off.socket", "/dev/null")
    assert [(f"{ETC}/sockets.target.wants/gone.socket", 1, "ACT705")] == found(root)


def test_users_and_groups(root: Path) -> None:
    """Those of the root's own tables and of sysusers.d are known, also by their number."""
    put(root / "etc/passwd", "root:x:0:0::/:/bin/sh\nalice:x:5:5::/:/bin/sh\n")
    put(root / "usr/lib/sysusers.d/x.conf", "u bob - -\ng staff -\n")
    for name in ("alice", "bob", "12", "carol"):
        put(root / LIB / f"{name}.service", f"{SERVICE}User={name}\n")
    put(root / LIB / "g.service", f"{SERVICE}Group=staff\nSupplementaryGroups=x\n")
    put(root / LIB / "d.service", f"{SERVICE}User=nosuch\nDynamicUser=yes\n")
    assert [(f"{LIB}/carol.service", 3, "ACT604")] == found(root)


def test_the_version_of_a_root(root: Path) -> None:
    """It is in the name of systemd's own library; without one the oldest counts."""
    assert 252 == version_in(str(root))
    put(root / "usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-257.so", "")
    assert 257 == version_in(str(root))
    put(root / "usr/lib/systemd/libsystemd-shared-262.1-1.so", "")
    assert 262 == version_in(str(root))


def test_units_of_users(root: Path) -> None:
    """They have their own directories, and may not bind a low port."""
    put(root / "usr/lib/systemd/user/a.socket", "[Socket]\nListenStream=80\n")
    put(root / "usr/lib/systemd/user/a.service", SERVICE)
    assert [("usr/lib/systemd/user/a.socket", 2, "ACT305")] == found(root, user=True)
    assert [] == found(root)
