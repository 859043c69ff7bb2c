"""The grammar of values: the same word about a line as the parsers of four versions."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from activator.check import catalogue
from activator.errors import ActivatorError
from activator.unitfile import directives, refusals
from activator.unitfile.directives import SECTIONS, VERSIONS, Directive
from activator.unitfile.parse import UnitFile
from activator.unitfile.values import check, judge, judge_written, kept
from activator.unitfile.values.sizes import to_bytes
from activator.unitfile.values.times import UNITS, to_microseconds
from activator.unitfile.values.verdict import (
    BROKEN,
    IGNORED,
    NOTICE,
    OK,
    REFUSED,
    REMOVED,
    SILENT,
    UNKNOWN,
)
from tests.support.facts import Case, Probe, cases, probes

ALL = [
    directive
    for section in SECTIONS
    for name in directives.names(section)
    if (directive := directives.lookup(section, name)) is not None
]
# The facts' words for a line alone → ours. A line that only its neighbours make wrong is ok.
OUTCOMES = {
    "ok": {OK, SILENT},
    "rejected": {IGNORED},
    "unknown-key": {UNKNOWN},
    "obsolete": {NOTICE},
    "unit-refused": {OK},
}
# Ours → the facts' words for a unit.
CLASSES = {
    NOTICE: "notice",
    REMOVED: "notice",
    UNKNOWN: "unknown-key",
    IGNORED: "line-ignored",
    REFUSED: "unit-refused",
}
# What is for others to see: the unit's syntax, and units that are missing.
ELSEWHERE = {
    "unknown-section",
    "outside-section",
    "service-missing",
    "dependency-missing",
    "ok",
}
# systemd says this of a unit that it refuses too, but only one of the two is printed.
NOTICES = {"deprecated-notice", "removed-notice", "ignored-notice", "notice"}


def get(section: str, name: str) -> Directive:
    """Return a directive that exists."""
    directive = directives.lookup(section, name)
    assert directive is not None
    return directive


@pytest.mark.parametrize("probe", probes(), ids=str)
def test_a_line_is_judged_as_the_parser_did(probe: Probe) -> None:
    """Each line that the real parsers were asked about gets the same word here."""
    directive = directives.lookup(probe.section, probe.name)
    assert directive is not None
    assert judge(directive, probe.value, probe.version).outcome in OUTCOMES[probe.outcome]


@pytest.mark.parametrize("case", cases(), ids=str)
def test_a_unit_is_judged_as_the_parser_did(case: Case) -> None:
    """Each unit that the real parsers loaded is dropped or refused for the same lines here."""
    unit = UnitFile.parse(case.text)
    found = set()
    for entry in unit.entries:
        directive = directives.lookup(entry.section, entry.name)
        if directive is not None:
            found.add(CLASSES.get(judge(directive, entry.value, case.version).outcome))
        elif entry.section in SECTIONS and not entry.name.startswith("X-"):
            found.add("unknown-key")
    load = refusals.socket if "[Socket]" in case.text else refusals.service
    for refusal in load(unit.entries, case.version):
        found.add(CLASSES[refusal.outcome])
    expected = {"notice" if word in NOTICES else word for word in case.outcomes} - ELSEWHERE
    assert expected == found - {None}


@pytest.mark.parametrize(
    ("section", "name", "value", "message", "hint"),
    [
        ("Socket", "ReceiveBuffer", "8k", "this is not a size", "write 8K"),
        ("Socket", "ReceiveBuffer", "8Mi", "this is not a size", "write 8M"),
        ("Socket", "ReceiveBuffer", "8 MB", "this is not a size", "write 8M"),
        ("Socket", "SocketMode", "0600 # x", "octal", "a comment stands on a line of its own"),
        ("Socket", "Accept", "no ; x", "yes nor no", "a comment stands on a line of its own"),
        ("Socket", "SocketMode", "rw-rw----", "octal", "write 0660"),
        ("Socket", "SocketMode", "", "missing", "the default is 0666"),
        ("Socket", "Accept", "ja", "yes nor no", "write yes or no"),
        ("Socket", "Accept", '"yes"', "yes nor no", "write yes without quotes"),
        ("Socket", "Backlog", "-1", "out of range", "write 0 to 4294967295"),
        ("Socket", "Backlog", "0128", "not a whole number", "a leading 0 makes it octal"),
        ("Socket", "KeepAliveTimeSec", "5S", "not a time span", "write 5s"),
        ("Socket", "KeepAliveTimeSec", "-5", "not a time span", "not negative"),
        ("Socket", "Timestamping", "US", "unknown", "write us"),
        ("Socket", "BindIPv6Only", "v6only", "unknown", "both"),
        ("Socket", "FileDescriptorName", "a:b", "no colon", "write a-b"),
        ("Socket", "BindToDevice", "toolonginterface", "longer than 15", "short name"),
        ("Socket", "Service", "echo", "not a unit", "write echo.service"),
        ("Socket", "Service", "echo@.service", "a template", "echo@INSTANCE.service"),
        ("Socket", "Service", "echo.timer", "no .service unit", "write echo.service"),
        ("Socket", "ListenStream", "localhost:80", "no host names", "127.0.0.1:80"),
        ("Socket", "ListenStream", "[fe80::1]:80%lo", "not a port", "write [fe80::1]:80%%lo"),
        ("Socket", "ListenStream", "[fe80::1]:80%eth0", "specifier %e", "[fe80::1]:80%%eth0"),
        ("Socket", "Symlinks", "run/a", "not an absolute path", "write /run/a"),
        ("Socket", "ManagedOOMSwap", "kill", "not for socket units", "in the service"),
        ("Service", "ExecStart", "bin/true", "a relative path", "absolute path"),
        ("Service", "ExecStart", "/bin/echo %Q", "unknown specifier %Q", "write %%Q"),
        ("Service", "ExecStart", '/bin/echo "x', "not closed", "close it"),
        ("Service", "User", "a:b", "neither a name nor a number", "letters, digits"),
        ("Service", "Restart", "on_failure", "unknown", "write on-failure"),
        ("Service", "Type", "Notify", "unknown", "write notify"),
        ("Service", "KillSignal", "sigterm", "not a signal", "write SIGTERM"),
        ("Service", "CPUQuota", "50", "not a percentage", "write 50%"),
        ("Service", "MemoryMax", "512m", "not a size", "write 512M"),
        ("Service", "LimitNOFILE", "9:5", "above the hard", "write 5:9"),
        ("Service", "RuntimeDirectory", "/run/echo", "an absolute path", "write echo"),
        ("Service", "Environment", "PATH", "assigns nothing", "write PATH=VALUE"),
        ("Service", "PrivateTmp", "disconnected", "does not know", "it needs 257"),
        ("Service", "RestrictAddressFamilies", "INET", "not an address family", "write AF_INET"),
        ("Service", "SystemCallFilter", "@syste-service", "not a group", "@"),
        ("Service", "SystemCallFilter", "read ~write", "in front of the whole list", "own line"),
        ("Unit", "Documentation", "echo(1)", "not such an address", "write man:echo(1)"),
        ("Unit", "After", "network", "not a unit", "write network.service"),
        ("Socket", "PollLimitBurst", "5", "does not know PollLimitBurst=", "it needs 255"),
        ("Service", "NetClass", "5", "ignores NetClass=", "remove the line"),
        ("Unit", "Description", "a\nb", "a line break", "write it on one line"),
    ],
)
def test_a_wrong_value_is_told_with_the_right_form(
    section: str, name: str, value: str, message: str, hint: str
) -> None:
    """What is wrong and what to write instead are one line each, and name the directive."""
    with pytest.raises(ActivatorError) as caught:
        check(get(section, name), value, directives.OLDEST)
    assert name in caught.value.message
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("value", "joined"), [("a\\", True), ("a\\\\", False), ("\\", True)])
def test_a_backslash_at_the_end(value: str, *, joined: bool) -> None:
    """It joins the next line when it is written; one that was read had white space behind it."""
    directive = get("Unit", "Description")
    assert judge(directive, value).outcome == OK
    verdict = judge_written(directive, value)
    assert joined is ("joins the next line" in verdict.message)
    assert joined is not verdict.accepted


def test_what_systemd_takes_is_returned() -> None:
    """An accepted line gives a verdict, with a notice where systemd prints one."""
    assert check(get("Socket", "Accept"), "yes", 252).outcome == OK
    notice = check(get("Service", "KillMode"), "none", 252)
    assert notice.outcome == NOTICE
    assert notice.message


def test_a_value_that_cannot_work_is_no_error_of_the_parser() -> None:
    """Some paths are taken by systemd, but can never be bound; that is told apart."""
    assert judge(get("Socket", "ListenMessageQueue"), "/a/b").outcome == BROKEN
    assert judge(get("Socket", "ListenStream"), "/run/a/").outcome == BROKEN
    with pytest.raises(ActivatorError, match="one slash"):
        check(get("Socket", "ListenMessageQueue"), "/a/b")


def test_a_word_that_systemd_drops_silently_is_told() -> None:
    """An unknown capability is dropped without a word, and that is said here."""
    verdict = judge(get("Service", "CapabilityBoundingSet"), "CAP_NET_ADMN")
    assert verdict.outcome == SILENT
    assert "CAP_NET_ADMN" in verdict.message


def test_a_bad_line_before_a_dash_is_harmless() -> None:
    """A command that may fail is dropped where another one makes the unit be refused."""
    directive = get("Service", "ExecStartPre")
    assert judge(directive, "bin/true").outcome == REFUSED
    assert judge(directive, "-bin/true").outcome == IGNORED


@pytest.mark.parametrize(
    ("prefix", "outcomes"),
    [
        ("@", (OK, OK)),
        ("-@:", (OK, OK)),
        ("+", (OK, OK)),
        ("!!", (OK, NOTICE)),
        ("+!", (REFUSED, REFUSED)),
        ("--", (IGNORED, IGNORED)),
        ("|", (REFUSED, OK)),
    ],
)
def test_prefixes_of_a_command(prefix: str, outcomes: tuple[str, str]) -> None:
    """Each prefix stands once, + and ! exclude each other, and 258 brought | and dropped !!."""
    line = f"{prefix}/bin/true zero"
    command = get("Service", "ExecStop")
    # A | is part of a file's name to older ones, and that is a relative path.
    assert outcomes == (judge(command, line, 257).outcome, judge(command, line, 258).outcome)


@pytest.mark.parametrize("version", [252, 253, 255, 258, 260, 262, 263])
def test_every_version_is_answered(version: int) -> None:
    """A version between and after those that were asked gets an answer, too."""
    known = judge(get("Socket", "DeferTrigger"), "patient", version).outcome == OK
    assert known == (version >= 258)


def test_values_are_the_same_in_every_spelling() -> None:
    """White space around a value does not count."""
    assert judge(get("Socket", "Backlog"), "  12 \t", 252).outcome == OK


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a /b c", ["a", "c"]),
        ("a %Z c", ["a", "c"]),
        (r"a b=\q c", ["a"]),
        (r"a b:c\q d", ["a"]),
        ('a "b c', ["a"]),
    ],
)
def test_words_that_are_kept(text: str, expected: list[str]) -> None:
    """A list goes on behind a wrong word, and ends at a mistake in quoting."""
    assert expected == kept(get("Service", "RuntimeDirectory"), text)


TEXT = st.one_of(
    st.text(max_size=30),
    st.text("abcKMGTs0159 .:/-+_@%~!|\"'\\,;=#*[]()", max_size=30),
    st.from_regex(re.compile(r"[-@+:!|~]{0,2}/?[a-z0-9%]{0,6}[:= ]?[a-z0-9]{0,6}"), fullmatch=True),
)


@given(TEXT, st.sampled_from(ALL), st.sampled_from(VERSIONS))
@example(":", get("Service", "RuntimeDirectory"), 252)
@example("\ud800", get("Service", "EnvironmentFile"), 262)
@example("\\", get("Service", "ExecStart"), 262)
def test_any_text_gets_a_verdict(text: str, directive: Directive, version: int) -> None:
    """No text makes a checker fail, and what is wrong is one line, with a reason."""
    verdict = judge(directive, text, version)
    assert (verdict.outcome == OK) == (not verdict.message)
    assert "\n" not in verdict.message + verdict.hint


@given(st.integers(0, 2**24 - 1), st.sampled_from([*enumerate(("", "K", "M", "G", "T"))]))
def test_sizes_count_their_suffix(number: int, suffix: tuple[int, str]) -> None:
    """A size with a suffix is that number of it, base 1024, and systemd takes it."""
    text = f"{number}{suffix[1]}"
    assert number * 1024 ** suffix[0] == to_bytes(text)
    assert judge(get("Socket", "ReceiveBuffer"), text).outcome == OK


@given(st.lists(st.integers(0, 2**25), min_size=6, max_size=6))
def test_time_spans_add_up(counts: list[int]) -> None:
    """A time span is the sum of its terms, and systemd takes it."""
    terms = list(zip(counts, ("d", "h", "min", "s", "ms", "us"), strict=True))
    text = " ".join(f"{count}{unit}" for count, unit in terms)
    assert sum(count * UNITS[unit] for count, unit in terms) == to_microseconds(text)
    assert judge(get("Socket", "TriggerLimitIntervalSec"), text).outcome == OK


@given(st.integers(0, 0o17777))
def test_modes_are_octal(number: int) -> None:
    """A mode is taken up to 7777, however many zeros stand in front."""
    expected = OK if number <= 0o7777 else IGNORED
    for text in (f"{number:o}", f"{number:04o}", f"{number:06o}"):
        assert expected == judge(get("Socket", "SocketMode"), text).outcome


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.5M", 1572864),
        ("1 M", 1048576),
        ("1G 500M", 1598029824),
        ("10.K", 10240),
        ("0", 0),
        ("16E", None),
        ("1K1M", None),
        ("-1", None),
        ("K", None),
        ("", None),
    ],
)
def test_to_bytes(text: str, expected: int | None) -> None:
    """Sizes read as systemd reads them."""
    assert expected == to_bytes(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", 5_000_000),
        ("2min 200ms", 120_200_000),
        ("5 5", 10_000_000),
        ("1.5h", 5_400_000_000),
        (".5s", 500_000),
        ("1M", 2_629_800_000_000),
        ("1m", 60_000_000),
        ("infinity", float("inf")),
        ("5.", None),
        ("5 parsecs", None),
        ("1.2.3", None),
        ("-1", None),
        ("", None),
    ],
)
def test_to_microseconds(text: str, expected: float | None) -> None:
    """Time spans read as systemd reads them."""
    assert expected == to_microseconds(text)


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        # As `systemd-analyze calendar` of 252 takes them.
        *[
            (text, True)
            for text in (
                *("daily", "Daily", "daily UTC", "Mon..Fri 09:00", "Mon,Wed", "*-*-01", "*:0/15"),
                *("2012-10-15 00:00:00", "10-15", "*-*~03", "Sat,Thu,Mon..Wed,Sat..Sun"),
                *("Wed *-1", "@1395716396", "05:40 Europe/Berlin", "*-*-* *:*:00"),
                *("08..17/2:0/15", "70-1-1", "05:40:23.4200004/3.1700005"),
            )
        ],
        *[
            (text, False)
            for text in (
                *("", "5", "x", "hourlyx", "25:00", "10:61", "2:60", "13-01", "*-*-32", "Mon 5"),
                *("10..5:0", "::", "127.0.0.1:80", "Mon.. Fri", "10:00:60"),
            )
        ],
    ],
)
def test_points_in_time(text: str, *, taken: bool) -> None:
    """Calendar events as systemd.time(7) has them."""
    directive = catalogue.lookup("Timer", "OnCalendar")
    assert directive
    assert (judge(directive, text).outcome == OK) is (taken or not text)
