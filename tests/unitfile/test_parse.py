"""Unit files: what is read, and that nothing is lost."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activator.unitfile.parse import UnitFile

LINES = st.sampled_from(
    [
        "[Unit]",
        "[Socket]",
        "[Broken",
        "ListenStream=80",
        "ListenStream=",
        "  Accept = yes  ",
        "# a comment",
        "; another",
        "",
        "   ",
        "ExecStart=/bin/a \\",
        "  b \\",
        "ends in two \\\\",
        "no assignment",
        "=no name",
        "Ünï=çødé",
    ]
)
TEXTS = st.one_of(
    st.text(),
    st.lists(LINES).map("\n".join),
    st.lists(LINES).map("\r\n".join),
    st.lists(LINES).map(lambda lines: "".join(f"{line}\n" for line in lines)),
)
GIVEN_UP = "where systemd gives the file up"


@given(TEXTS)
def test_dump_gives_the_same_text(text: str) -> None:
    """Reading and dumping any text whatever loses nothing."""
    assert text == UnitFile.parse(text).dump()


@given(TEXTS)
def test_what_is_read_can_be_written_and_read_again(text: str) -> None:
    """The entries, written one a line, are read as the same entries."""
    first = [(e.section, e.name, e.value) for e in UnitFile.parse(text).entries]
    again = "".join(f"[{section}]\n{name}={value}\n" for section, name, value in first)
    assert first == [(e.section, e.name, e.value) for e in UnitFile.parse(again).entries]


def test_installed_unit_files_survive() -> None:
    """Every unit file of this machine is dumped as it was read, and has no problem."""
    paths = [
        path
        for kind in ("service", "socket", "target", "timer", "mount")
        for path in Path("/usr/lib/systemd/system").glob(f"*.{kind}")
        if path.is_file()
    ]
    if not paths:
        pytest.skip("no unit files are installed here")
    for path in paths:
        text = path.read_text()
        unit = UnitFile.parse(text, path.name)
        assert text == unit.dump()
        assert [] == unit.problems


def test_continuation_skips_comments() -> None:
    """A comment inside a continued line belongs to no value."""
    unit = UnitFile.parse("[Unit]\nDescription=a\\\n# not this\n  ; nor this\n  b\nAfter=c\n")
    assert [("Description", "a   b", 2), ("After", "c", 6)] == [
        (entry.name, entry.value, entry.line) for entry in unit.entries
    ]


def test_escaped_backslash_does_not_continue() -> None:
    """A line that ends in two backslashes ends there."""
    unit = UnitFile.parse("[Unit]\nDescription=a\\\\\nAfter=c\n")
    assert ["a\\\\"] == unit.get_all("Unit", "Description")
    assert "c" == unit.get("Unit", "After")


def test_white_space_of_joined_lines_stays() -> None:
    """What stands in front of a continued line is part of the value, as quotes keep it."""
    unit = UnitFile.parse('  [Unit]\n\tA="a\\\n  b\\\n\t"\n')
    assert '"a   b \t"' == unit.get("Unit", "A")


def test_many_joined_lines() -> None:
    """Four hundred thousand lines become one in no time."""
    start = time.process_time()
    problem = UnitFile.parse("[Unit]\nA=\\\n" + "  b\\\n" * 400_000).broken
    assert problem is not None
    assert problem.message.startswith("the line is too long")
    assert time.process_time() - start < 5


def test_nothing_is_read_behind_a_broken_header() -> None:
    """What follows is kept as text, and sets nothing."""
    unit = UnitFile.parse("[Unit]\nA=1\n[Unit\nA=2\n[Unit]\nA=3\n")
    assert ["1"] == [entry.value for entry in unit.entries]
    assert str(unit.broken) == str(unit.problems[0])
    assert len(unit.chunks) == 6


def test_an_empty_value_resets() -> None:
    """An empty assignment clears the values before it."""
    unit = UnitFile.parse("[Socket]\nListenStream=1\nListenStream=2\nListenStream=\nListenStream=3")
    assert ["3"] == unit.get_all("Socket", "ListenStream")
    assert unit.get("Socket", "Backlog") is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("A=b\n", "u.socket:1: the assignment stands before any section; begin with [Unit]"),
        (
            "[Unit\n",
            f"u.socket:1: the section header '[Unit' is not closed, {GIVEN_UP}; end it with ]",
        ),
        (
            "[Unit]\nx\n",
            "u.socket:2: 'x' is not an assignment; write NAME=VALUE, or # for a comment",
        ),
        ("[Unit]\n=x\n", "u.socket:2: the assignment has no name; write NAME=VALUE"),
    ],
)
def test_problems_have_a_place(text: str, problem: str) -> None:
    """What systemd skips is told with its line."""
    assert [problem] == [str(error) for error in UnitFile.parse(text, "u.socket").problems]


def test_a_byte_order_mark_is_skipped() -> None:
    """A file that begins with a byte order mark begins with its first section."""
    assert "b" == UnitFile.parse("\ufeff[Unit]\nA=b\n").get("Unit", "A")
