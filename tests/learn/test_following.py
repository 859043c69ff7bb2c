"""Traces that are read while others write them."""

import os
from pathlib import Path

from activator.learn.following import Traces

LINE = 'openat(AT_FDCWD</srv>, "/proc/meminfo", O_RDONLY) = 3</proc/meminfo>\n'


def test_lines_come_in_pieces(tmp_path: Path) -> None:
    """A line is a call when its end has come; a process that has ended leaves no file."""
    traces = Traces(tmp_path)
    with (tmp_path / "t.1").open("a", buffering=1) as file:
        file.write(LINE + LINE[:20])
        assert 1 == len(list(traces.new()))
        assert [] == list(traces.new())
        file.write(LINE[20:])
        (call,) = traces.new()
        assert ("/proc/meminfo",) == call.paths
        file.write("+++ exited with 0 +++\n")
        assert [] == list(traces.new())
    assert [] == list(tmp_path.iterdir())
    assert 2 == traces.calls


def test_program_is_remembered(tmp_path: Path) -> None:
    """What a process runs is known in the next piece, too."""
    traces = Traces(tmp_path)
    path = tmp_path / "t.1"
    path.write_text('execve("/usr/bin/guest", ["guest"], 0x7ffd /* 9 vars */) = 0\n')
    list(traces.new())
    with path.open("a") as file:
        file.write(LINE)
    assert ["guest"] == [call.program for call in traces.new()]


def test_room_is_given_back(tmp_path: Path) -> None:
    """Of ten million bytes that were read, the disk keeps next to nothing."""
    path = tmp_path / "t.1"
    path.write_text(LINE * (10_000_000 // len(LINE)))
    before = path.stat().st_blocks
    assert 10_000_000 // len(LINE) == sum(1 for _ in Traces(tmp_path).new())
    assert path.stat().st_blocks < before / 10


def test_what_others_put_there(tmp_path: Path) -> None:
    """Links lead nowhere, a FIFO is not waited for, and bytes that are no text do no harm."""
    other = tmp_path / "other"
    other.write_text(LINE)
    place = tmp_path / "traces"
    place.mkdir()
    (place / "t.1").symlink_to(other)
    (place / "t.2").hardlink_to(other)
    (place / "t.4").mkdir()
    (place / "t.evil").write_text(LINE)
    os.mkfifo(place / "t.3")
    (place / "t.5").write_bytes(b"\xff\x85\n" + LINE.encode())
    assert 1 == len(list(Traces(place).new()))
    assert LINE == other.read_text()
