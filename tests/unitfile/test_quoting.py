"""Quoting: what is written is read back as it was meant."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activator.errors import ActivatorError
from activator.unitfile import quoting, unquoting
from activator.unitfile.parse import UnitFile
from activator.unitfile.unquoting import (
    CUNESCAPE,
    PLAIN,
    RELAXED,
    RETAIN,
    UNQUOTE,
    VARIABLE,
    VERBATIM,
)

MODES = (PLAIN, UNQUOTE, CUNESCAPE, RETAIN, VERBATIM, RELAXED, VARIABLE)

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
PROGRAM = TEXT.filter(lambda text: "/" not in text and text[:1] not in unquoting.PREFIXES).map(
    lambda text: f"/usr/bin/{text}x"
)


def expanded(text: str) -> str:
    """Undo what systemd undoes in an argument after unquoting: %% and $$."""
    return text.replace("%%", "%").replace("$$", "$")


@given(st.lists(TEXT))
def test_words_come_back(words: list[str]) -> None:
    """Any words, quoted, are split into the same words, on one line of a unit."""
    value = " ".join(quoting.word(word) for word in words)
    unit = UnitFile.parse(f"[Service]\nEnvironment={value}\nAfter=it\n")
    (first, second) = unit.entries
    assert ("After", "it") == (second.name, second.value)
    assert words == [text.replace("%%", "%") for text in unquoting.words(first.value, CUNESCAPE)]


@given(PROGRAM, st.lists(TEXT))
def test_commands_come_back(program: str, arguments: list[str]) -> None:
    """Any arguments, quoted, are one command with the same arguments."""
    (command,) = unquoting.split_command(quoting.command([program, *arguments]))
    assert program == command.path.replace("%%", "%")
    assert arguments == [expanded(text) for text in command.argv[1:]]
    assert command.prefixes in ("", "@")


@given(st.text())
def test_raw_stays_on_its_line_or_is_refused(text: str) -> None:
    """A raw value is read back as it was, or refused in words."""
    try:
        value = quoting.raw(text)
    except ActivatorError:
        return
    unit = UnitFile.parse(f"[Unit]\nDescription={value}\nAfter=it\n")
    assert [text.replace("%", "%%"), "it"] == [entry.value for entry in unit.entries]


@given(st.text())
def test_reading_never_breaks(text: str) -> None:
    """Any text is split or refused in words."""
    for mode in MODES:
        with suppress(ActivatorError):
            list(unquoting.words(text, mode))
    with suppress(ActivatorError):
        unquoting.split_command(text)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("a  b\tc", ["a", "b", "c"]),
        ("'a b' \"c d\"", ["a b", "c d"]),
        (r"a\x20b \141 \u00e9", ["a b", "a", "é"]),
        (r"\xc3\xa9", ["é"]),
        (r'"a\"b" \s', ['a"b', " "]),
        ('a"b c"d', ["ab cd"]),
        ('""', [""]),
        ("", []),
    ],
)
def test_words(value: str, words: list[str]) -> None:
    """Quotes and escapes are undone as systemd.syntax(7) says."""
    assert words == list(unquoting.words(value, CUNESCAPE))
    assert words == list(unquoting.words(value, RELAXED))


@pytest.mark.parametrize(
    "value", ['"a', "a\\", r"\q", r"\x0", r"\x00", r"\777", r"\ud800", r"\U0000d800", r"\xff"]
)
def test_words_refuses(value: str) -> None:
    """What systemd drops from Environment= is refused."""
    with pytest.raises(ActivatorError):
        list(unquoting.words(value, CUNESCAPE))


@pytest.mark.parametrize(
    ("value", "argument"),
    [
        (r"a\;b", r"a\;b"),
        (r"\q", r"\q"),
        (r"\x00", r"\x00"),
        (r"\777", r"\777"),
        (r"\U0000d800", r"\U0000d800"),
        (r'"\; b"', r"\; b"),
        (r"\xff", "\udcff"),
        (r"\ud800", r"\ud800"),
        (r"\xc3\xa9", "é"),
    ],
)
def test_a_command_keeps_what_systemd_keeps(value: str, argument: str) -> None:
    """Unknown escapes stay as they are, and any byte can be given."""
    ((_, _, argv),) = unquoting.split_command(f"/bin/x {value}")
    assert argv == ("/bin/x", argument)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('u"n c', ["un c"]),
        (r"t\nx", ["tnx"]),
        ('a "b c', ["a", "b c"]),
        (r'q"r s"t\nu v', ["qr stnu", "v"]),
        ("a\\", ["a"]),
        ("a\u00a0b", ["a\u00a0b"]),
    ],
)
def test_a_variable_is_split_as_in_a_command(value: str, words: list[str]) -> None:
    """Backslashes go, and a quote may stay open: what three versions made of $NAME."""
    assert words == list(unquoting.words(value, VARIABLE))


def test_split_command_with_separators_and_prefixes() -> None:
    r"""A lone ; separates commands, \; is an argument, @ takes argv[0] from the line."""
    assert [
        unquoting.Command("-@", "/bin/x", ("zero", "a b", ";")),
        unquoting.Command("", "/bin/y", ("/bin/y",)),
    ] == unquoting.split_command(r'; -@/bin/x zero "a b" \; ; /bin/y ;')


@pytest.mark.parametrize(
    ("argv", "value"),
    [
        (["/bin/echo", "100%", "$HOME", ";", ""], '/bin/echo 100%% $$HOME ";" ""'),
        (["/opt/a$b", "x"], "@/opt/a$b /opt/a$$b x"),
        (["/bin/sh", "-c", "echo 'a b' | cat"], "/bin/sh -c \"echo 'a b' | cat\""),
    ],
)
def test_command(argv: list[str], value: str) -> None:
    """Arguments are literal: nothing in them is expanded."""
    assert value == quoting.command(argv)


@pytest.mark.parametrize(
    "argv", [[], [""], ["bin/x"], ["-x"], ["/bin/x", "a\0b"], ["/b", "\ud800"]]
)
def test_command_refuses(argv: list[str]) -> None:
    """What systemd cannot run or hold is refused."""
    with pytest.raises(ActivatorError):
        quoting.command(argv)


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\0b", " a", "a ", "a\\", "a\\\\\\", "\ud800"])
def test_raw_refuses(text: str) -> None:
    """What would end or join a line is refused."""
    with pytest.raises(ActivatorError):
        quoting.raw(text)


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "A\n"])
def test_assignment_refuses_names(name: str) -> None:
    """A name that no shell would take is refused."""
    with pytest.raises(ActivatorError):
        quoting.assignment(name, "x")
