"""``activator check --fix``, and the comments that silence a rule."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activator.check import check, fixing
from activator.check.inputs import Scope, worlds
from activator.generate import specfile
from activator.generate.render import render
from activator.unitfile.parse import UnitFile
from tests.check.test_cli import run
from tests.support.check import of_text

BEFORE = """\
; kept: a comment, blanks and order
[Unit]
BindTo=b.service
Description = a  b

[Service]
ExecStart=/bin/prog a # more
  umask=077
StandardOutput = syslog
SendSIGKILL=yes ; note
PIDFile=/var/run/a.pid
MemoryMax=8 mb
NetClass=5
Restart="no"
Environment=A=/var/run \\
# inside
    B=1
# the end, without a line break"""
AFTER = """\
; kept: a comment, blanks and order
[Unit]
BindsTo=b.service
Description = a  b

[Service]
# more
ExecStart=/bin/prog a
  UMask=077
StandardOutput = journal
; note
SendSIGKILL=yes
PIDFile=/run/a.pid
MemoryMax=8M
Restart=no
Environment=A=/var/run \\
# inside
    B=1
# the end, without a line break"""


def mended(path: Path) -> str:
    """Return a file's text as it should be, without writing it."""
    files, _ = fixing.mended(Scope([str(path)], version=257))
    return files[0].after or "" if files else path.read_bytes().decode()


def test_what_is_safe_is_mended(tmp_path: Path) -> None:
    """Each line that can be mended is, and nothing else changes; a second time nothing does."""
    path = tmp_path / "a.service"
    path.write_text(BEFORE)
    path.chmod(0o640)
    owner = path.stat().st_uid, path.stat().st_gid
    diff = run("--fix", "--diff", "--systemd", "257", "--fail-on", "never", path)
    assert "-BindTo=b.service\n+BindsTo=b.service\n" in diff
    assert BEFORE == path.read_text()
    run("--fix", "--systemd", "257", path)
    assert AFTER == path.read_text()
    assert 0o640 == path.stat().st_mode & 0o777
    assert owner == (path.stat().st_uid, path.stat().st_gid)
    modified = path.stat().st_mtime_ns
    run("--fix", "--systemd", "257", path)
    assert modified == path.stat().st_mtime_ns


def test_line_ends_stay_as_they_are(tmp_path: Path) -> None:
    """A file with CR LF keeps them, on new lines too."""
    path = tmp_path / "a.service"
    path.write_text("[Service]\r\nExecStart=/bin/a\r\nUMask=077 # x\r\n", newline="")
    assert "[Service]\r\nExecStart=/bin/a\r\n# x\r\nUMask=077\r\n" == mended(path)


@pytest.mark.parametrize(
    "line",
    [
        "Restrat=no",  # what was meant is a guess
        "umask=077\nUMask=022",  # it would get into the way of another line
        "StandardOutput=syslog+consle",
        "TimeoutStopSec=5S 3x",
        "ExecStartPre=/bin/b 'a # b'",
    ],
)
def test_what_is_a_guess_is_left_alone(tmp_path: Path, line: str) -> None:
    """Nothing changes where the meaning is not beyond doubt."""
    path = tmp_path / "a.service"
    text = f"[Service]\nExecStart=/bin/a\n{line}\n"
    path.write_text(text)
    assert text == mended(path)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """The file behind it is mended."""
    (tmp_path / "real").mkdir()
    target = tmp_path / "real/a.service"
    target.write_text("[Service]\nExecStart=/bin/a\numask=077\n")
    path = tmp_path / "a.service"
    path.symlink_to("real/a.service")
    run("--fix", "--systemd", "257", path, status=0)
    assert path.is_symlink()
    assert "UMask=077" in target.read_text()


def test_what_a_spec_made_is_left_alone(tmp_path: Path) -> None:
    """Its fingerprint would not fit any more: the spec is what must be changed."""
    made = specfile.loads('name = "a"\nexec = "/bin/a"\n[sockets.a]\nListenStream = "/var/run/a"\n')
    for name, text in render(made).items():
        (tmp_path / name).write_text(text)
    before = (tmp_path / "a.socket").read_text()
    assert before == mended(tmp_path / "a.socket")


LINES = st.sampled_from(BEFORE.split("\n"))


@given(st.lists(LINES, max_size=12))
def test_mending_is_idempotent_and_loses_nothing(lines: list[str]) -> None:
    """Whatever the order of lines: comments survive, and what was mended needs no more."""
    import tempfile  # noqa: PLC0415 - a function-scoped fixture does not go with hypothesis

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "a.service"
        path.write_text("\n".join(["[Service]", *lines]))
        before = path.read_text()
        path.write_text(mended(path))
        assert path.read_text() == mended(path)
        for comment in ("; kept", "# inside", "# the end"):
            assert before.count(comment) == path.read_text().count(comment)
        assert UnitFile.parse(path.read_text()).dump() == path.read_text()


@pytest.mark.parametrize(
    "arguments", [["--fix"], ["--diff", "x.service"], ["--fix", "--format", "json", "x.service"]]
)
def test_wrong_usage_of_fix(arguments: list[str | Path]) -> None:
    """Without files, or with another format, there is nothing to mend."""
    run(*arguments, status=2)


# --- comments ----------------------------------------------------------------------------

EARLY = "[Service]\nExecStart=/usr/bin/gunicorn a:b\nTimeoutStopSec=5\n"


@pytest.mark.parametrize("rule", ["ACT504", "act504", "killed-too-early", "ACT101,ACT504"])
@pytest.mark.parametrize("sign", ["#", ";"])
def test_a_comment_silences_a_rule(rule: str, sign: str) -> None:
    """By identifier or name, alone or among others, anywhere in the unit."""
    comment = f"{sign} activator: ignore={rule} no request takes long\n"
    assert ["ACT504"] == [one.rule for one in of_text(EARLY)]
    assert [] == of_text(comment + EARLY)
    assert [] == of_text(EARLY + comment)
    assert [] == of_text(EARLY.replace("TimeoutStopSec", f"{comment}TimeoutStopSec"))


def test_a_comment_silences_its_own_rule_alone() -> None:
    """Another rule, or another unit, is not concerned; what silences nothing is told."""
    found = of_text("# activator: ignore=ACT501 why not\n" + EARLY)
    assert ["ACT504", "ACT903"] == sorted(one.rule for one in found)
    found = of_text("# activator: ignore=ACT504\n" + EARLY)
    assert ["ACT901"] == [one.rule for one in found]
    found = of_text("# activator: ignore=ACT5O4 a slip\n" + EARLY)
    assert ["ACT504", "ACT902"] == sorted(one.rule for one in found)


def test_a_comment_in_a_drop_in_counts(tmp_path: Path) -> None:
    """It silences the rule for the whole unit."""
    (tmp_path / "a.service").write_text(EARLY)
    (tmp_path / "a.service.d").mkdir()
    note = "# activator: ignore=ACT504 no request takes long\n[Service]\n"
    (tmp_path / "a.service.d/x.conf").write_text(note)
    [world] = worlds(Scope([str(tmp_path)], version=257))
    assert [] == check(world)


def test_a_comment_in_a_spec_counts(tmp_path: Path) -> None:
    """It silences the rule for all that is made of the spec."""
    path = tmp_path / "a.toml"
    text = 'name = "a"\nexec = "/bin/a"\n[sockets.a]\nListenStream = "/run/a"\nBacklog = 65535\n'
    path.write_text(text)
    assert "ACT303" in run(path, status=1)
    path.write_text("# activator: ignore=ACT303 net.core.somaxconn is raised\n" + text)
    assert "ACT303" not in run(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user's file")
def test_the_owner_of_a_file_stays(tmp_path: Path) -> None:
    """Root mends a user's file without taking it away."""
    path = tmp_path / "a.service"
    path.write_text("[Service]\nExecStart=/bin/a\numask=077\n")
    os.chown(path, 1234, 1234)
    run("--fix", "--systemd", "257", path)
    assert (1234, 1234) == (path.stat().st_uid, path.stat().st_gid)
