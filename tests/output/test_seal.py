"""Units on disk: what is ours, what was edited, and what is left alone."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activator.common import origin
from activator.errors import ActivatorError
from activator.output import seal
from activator.output.atomic import remove_all, write_all
from activator.output.plan import Status, plan, write, written

ROOT = Path(__file__).parents[2]
ECHO = str(ROOT / "units/echo.toml")
TEXT = "# head\n\n[Socket]\nListenStream=80\n"


def gen(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``activator gen``."""
    return subprocess.run(
        [sys.executable, "-m", "activator", "gen", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return a directory with the units of the echo example."""
    assert 0 == gen(ECHO, "-o", str(tmp_path)).returncode
    return tmp_path


def edit(path: Path) -> None:
    """Change one line, as a person would."""
    path.write_text(path.read_text().replace("ListenStream=127.0.0.1:7777", "ListenStream=80"))


def test_fingerprint_stands_in_the_head_comment() -> None:
    """It ends the comment at the file's beginning, and nothing else is changed."""
    lines = seal.seal("a.socket", TEXT, "a").splitlines()
    assert ["# head", *TEXT.splitlines()[1:]] == [lines[0], *lines[2:]]
    assert lines[1].startswith("# activator: name=a sha256=")


@given(text=st.text(), name=st.from_regex(r"[A-Za-z0-9:_.\\-]+", fullmatch=True))
def test_every_text_can_carry_a_fingerprint(text: str, name: str) -> None:
    """Whatever the text, its fingerprint is read back, and holds for that file name alone."""
    sealed = seal.seal("a.socket", text, name)
    assert seal.Seal(name, intact=True) == seal.read("a.socket", sealed)
    assert seal.Seal(name, intact=False) == seal.read("b.socket", sealed)
    assert name == origin.name_of(sealed)


@given(data=st.data())
def test_every_edit_shows(data: st.DataObject) -> None:
    """No character can be changed, added or taken away without notice."""
    sealed = seal.seal("a.socket", TEXT, "a")
    place = data.draw(st.integers(0, len(sealed) - 1))
    end = data.draw(st.integers(place, min(place + 1, len(sealed))))
    edited = sealed[:place] + data.draw(st.text(max_size=2)) + sealed[end:]
    found = seal.read("a.socket", edited)
    assert (edited == sealed) == (found is not None and found.intact)


def test_fingerprints_further_down_do_not_count() -> None:
    """Only the head comment speaks for the file."""
    assert seal.read("a.socket", "[Socket]\n" + seal.seal("a.socket", "", "a")) is None


def test_plan_tells_what_is_there(tmp_path: Path) -> None:
    """Every kind of file is told apart."""
    texts = {f"{name}.socket": seal.seal(f"{name}.socket", TEXT, "a") for name in "abcdefg"}
    old = seal.seal("old.service", TEXT, "a")
    other = {name: seal.seal(name, TEXT, "other") for name in ("c.socket", "x.socket")}
    write_all(tmp_path, {"a.socket": texts["a.socket"], "b.socket": "", "old.service": old} | other)
    (tmp_path / "d.socket").symlink_to("/dev/null")
    (tmp_path / "e.socket").mkdir()
    os.mkfifo(tmp_path / "f.socket")
    found = [(file.name, file.status, str(file.refusal or "")) for file in plan(tmp_path, texts)]
    at = str(tmp_path)
    foreign = "it was not written by activator; move it away, or use --force to replace it"
    link = "it is a symbolic link; remove the link, or use --force to replace it"
    named = "it belongs to 'other'; choose another name, or use --force to replace it"
    assert [
        ("a.socket", Status.UNCHANGED, ""),
        ("b.socket", Status.CHANGED, f"{at}/b.socket: {foreign}"),
        ("c.socket", Status.CHANGED, f"{at}/c.socket: {named}"),
        ("d.socket", Status.CHANGED, f"{at}/d.socket: {link}"),
        ("e.socket", Status.CHANGED, f"{at}/e.socket: {foreign}"),
        ("f.socket", Status.CHANGED, f"{at}/f.socket: {foreign}"),
        ("g.socket", Status.NEW, ""),
        ("old.service", Status.STALE, ""),
    ] == found


def test_directory_that_is_missing_is_empty(tmp_path: Path) -> None:
    """Nothing is written there yet."""
    assert [] == written(tmp_path / "no", {"a"})
    assert [Status.NEW] == [file.status for file in plan(tmp_path / "no", {"a.socket": TEXT})]


def test_bytes_that_are_no_text_are_kept(tmp_path: Path) -> None:
    """A file that is not UTF-8 is compared and written back as it is."""
    (tmp_path / "a.socket").write_bytes(b"# \xff\r\n")
    (file,) = plan(tmp_path, {"a.socket": TEXT})
    assert file.before is not None
    assert "-# \N{REPLACEMENT CHARACTER}\r" in file.diff()
    write_all(tmp_path, {"a.socket": file.before}, sync=True, times={"a.socket": file.modified})
    assert b"# \xff\r\n" == (tmp_path / "a.socket").read_bytes()
    assert file.modified == (tmp_path / "a.socket").stat().st_mtime_ns


def test_remove_all(tmp_path: Path) -> None:
    """Files that are there are removed; one that cannot be is told."""
    write_all(tmp_path, {"a": ""})
    (tmp_path / "dir").mkdir()
    remove_all(tmp_path, ["a", "b"])
    assert ["dir"] == [path.name for path in tmp_path.iterdir()]
    with pytest.raises(ActivatorError, match="cannot remove"):
        remove_all(tmp_path, ["dir"])


def test_a_second_run_touches_nothing(out: Path) -> None:
    """Files that are as they should be keep their inode and their time."""

    def state() -> set[tuple[str, int, int]]:
        return {(path.name, path.stat().st_ino, path.stat().st_mtime_ns) for path in out.iterdir()}

    before = state()
    run = gen(ECHO, "-o", str(out))
    assert ("", "", 0) == (run.stdout, run.stderr, run.returncode)
    assert before == state()


def test_changed_spec_replaces_its_own_units(out: Path, tmp_path: Path) -> None:
    """A unit as it was written is replaced; the other one is not touched."""
    spec = tmp_path / "echo.toml"
    spec.write_text(Path(ECHO).read_text().replace("256K", "1M"))
    assert f"{out}/echo.socket\n" == gen(str(spec), "-o", str(out)).stdout
    assert "ReceiveBuffer=1M" in (out / "echo.socket").read_text()


def test_edited_file_is_not_replaced(out: Path) -> None:
    """An edit is told in one line, nothing is written; --force writes."""
    edit(out / "echo.socket")
    (out / "echo.service").unlink()
    text = (out / "echo.socket").read_text()
    run = gen(ECHO, "-o", str(out))
    message = "it was edited since it was written; put the change into the spec, then use --force"
    assert (1, "", f"{out}/echo.socket: {message}\n") == (run.returncode, run.stdout, run.stderr)
    assert text == (out / "echo.socket").read_text()
    assert not (out / "echo.service").exists()
    assert 0 == gen(ECHO, "-o", str(out), "--force").returncode
    assert 0 == gen(ECHO, "-o", str(out), "--check").returncode


def test_foreign_files_are_told_one_line_each(tmp_path: Path) -> None:
    """Every file in the way is named at once."""
    for name in ("echo.socket", "echo.service"):
        (tmp_path / name).write_text("[Unit]\n")
    run = gen(ECHO, "-o", str(tmp_path))
    assert 1 == run.returncode
    assert 2 == len(run.stderr.splitlines())
    assert {"[Unit]\n"} == {path.read_text() for path in tmp_path.iterdir()}


def test_leftover_is_named(out: Path, tmp_path: Path) -> None:
    """A unit that the spec no longer makes is told, and kept."""
    spec = tmp_path / "echo.toml"
    spec.write_text(Path(ECHO).read_text().replace("shared", "per-connection"))
    run = gen(str(spec), "-o", str(out))
    assert 0 == run.returncode
    message = f"{out}/echo.service: no spec makes it any more; remove it\n"
    assert message == run.stderr
    check = gen(str(spec), "-o", str(out), "--check")
    assert (1, message) == (check.returncode, check.stderr)


def test_check_says_which_files_differ(out: Path) -> None:
    """--check writes nothing and names what is not as it should be."""
    edit(out / "echo.socket")
    (out / "echo.service").unlink()
    run = gen(ECHO, "-o", str(out), "--check")
    assert (1, "") == (run.returncode, run.stdout)
    socket, service = run.stderr.splitlines()
    assert socket.startswith(f"{out}/echo.socket: it was edited since")
    assert service.startswith(f"{out}/echo.service: it is missing")
    assert not (out / "echo.service").exists()


def test_diff(out: Path) -> None:
    """--diff shows what would change and changes nothing, without colour in a pipe."""
    edit(out / "echo.socket")
    before = (out / "echo.socket").read_text()
    run = gen(ECHO, "-o", str(out), "--diff")
    assert 0 == run.returncode
    lines = run.stdout.splitlines()
    assert [f"--- {out}/echo.socket", f"+++ {out}/echo.socket"] == lines[:2]
    assert {"-ListenStream=80", "+ListenStream=127.0.0.1:7777"} <= set(lines)
    assert before == (out / "echo.socket").read_text()
    assert 1 == gen(ECHO, "-o", str(out), "--diff", "--check").returncode


def test_diff_is_coloured_on_a_terminal(out: Path) -> None:
    """On a terminal, lines to come are green."""
    edit(out / "echo.socket")
    master, slave = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-m", "activator", "gen", ECHO, "-o", str(out), "--diff"],
            stdout=slave,
            check=True,
        )
        assert b"\x1b[32m+ListenStream=127.0.0.1:7777\x1b[0m" in os.read(master, 65536)
    finally:
        os.close(master)
        os.close(slave)


def test_json_tells_entries_and_status(out: Path) -> None:
    """The result for programs: every unit, its entries with reasons, and its file."""
    edit(out / "echo.socket")
    run = gen(ECHO, "-o", str(out), "--format", "json", "--force")
    socket, service = json.loads(run.stdout)["units"]
    assert ("echo.socket", f"{out}/echo.socket", "changed") == (
        *(socket["name"], socket["path"], socket["status"]),
    )
    assert "unchanged" == service["status"]
    (table,) = (section for section in socket["sections"] if section["name"] == "Socket")
    (entry,) = (entry for entry in table["entries"] if entry["name"] == "FreeBind")
    assert ("yes", "systemd.socket(5)") == (entry["value"], entry["man"])
    assert entry["why"]
    assert socket["text"] == (out / "echo.socket").read_text()


def test_json_without_files() -> None:
    """With --stdout the same is told, but for the files."""
    rows = json.loads(gen(ECHO, "--stdout", "--format", "json").stdout)["units"]
    assert ["echo.socket", "echo.service"] == [row["name"] for row in rows]
    assert all("path" not in row and row["text"] for row in rows)


@pytest.mark.parametrize(
    "flags",
    [
        ["--stdout", "--check"],
        ["--stdout", "--diff"],
        ["--stdout", "--force"],
        ["-o", "x", "--check", "--force"],
        ["-o", "x", "--diff", "--format", "json"],
    ],
)
def test_wrong_usage(flags: list[str], tmp_path: Path) -> None:
    """Options that make no sense together are refused."""
    run = gen(ECHO, *[str(tmp_path) if flag == "x" else flag for flag in flags])
    assert (2, "") == (run.returncode, run.stdout)
    assert 1 == len(run.stderr.splitlines())


def test_a_thousand_specs_are_cheap(tmp_path: Path) -> None:
    """Comparing and writing 2,000 files takes about a second, a small part of generating them."""
    names = [f"s{number}{kind}" for number in range(1000) for kind in (".socket", ".service")]
    texts = {name: seal.seal(name, TEXT * 20, name.partition(".")[0]) for name in names}
    start = process_time()
    assert {Status.NEW} == {file.status for file in write(tmp_path, texts)}
    assert {Status.UNCHANGED} == {file.status for file in write(tmp_path, texts)}
    assert process_time() - start < 10
