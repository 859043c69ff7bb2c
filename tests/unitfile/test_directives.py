"""The catalogue of directives: complete, consistent, and helpful about mistakes."""

import subprocess
import sys
from collections import Counter
from importlib import import_module
from itertools import pairwise

import pytest

from activator.check import catalogue
from activator.unitfile import directives
from activator.unitfile.directives import (
    SECTIONS,
    SUITES,
    VERSIONS,
    Directive,
    lookup,
    names,
    suggest,
)
from activator.unitfile.values import TYPES
from activator.unitfile.values.enums import table
from tests.support.facts import rows

ALL = [
    directive
    for section in SECTIONS
    for name in names(section)
    if (directive := lookup(section, name)) is not None
]
REPEATS = {"single", "single-reset", "lines", "words", "words-kept"}
QUOTINGS = {"raw", "words", "plain-words", "unit-names", "environment", "command", "address"}
STATUSES = {"documented", "undocumented", "legacy", "deprecated"}
KINDS = {
    *("stream", "datagram", "seqpacket", "fifo", "special", "netlink", "mqueue", "usb"),
    *("unix", "path", "ip", "ipv4", "ipv6", "tcp", "udp", "accept", "shared"),
}


def test_the_catalogue_is_complete() -> None:
    """Each section has as many directives as the four versions know together, legacy ones too."""
    expected = {"Unit": 126, "Install": 6, "Socket": 320, "Service": 303}
    assert expected == {section: len(names(section)) for section in SECTIONS}


def test_names_are_unique() -> None:
    """No section lists a name twice."""
    for section in SECTIONS:
        assert [] == [name for name, count in Counter(names(section)).items() if count > 1]


def test_rows_are_well_formed() -> None:
    """Every column holds one of the words that it may hold."""
    for directive in ALL:
        check_row(directive)


def check_row(directive: Directive) -> None:
    """Check the columns of one row."""
    assert directive.type.partition(":")[0] in {*TYPES, "ignored"}
    assert directive.since in VERSIONS
    assert directive.until in (0, *VERSIONS)
    assert directive.status in STATUSES
    assert directive.repeat in REPEATS
    assert directive.quoting in QUOTINGS
    assert directive.expanded == 0 or directive.expanded >= directives.OLDEST
    assert set(directive.kinds.split()) <= KINDS
    if directive.since > directives.OLDEST:
        earlier = max(version for version in VERSIONS if version < directive.since)
        assert earlier < directive.first <= directive.since


def test_a_summary_is_one_short_line() -> None:
    """Every directive has a summary of at most 90 characters, without a full stop."""
    for directive in ALL:
        summary = directive.summary
        assert summary == summary.strip(), directive
        assert 0 < len(summary) <= 90, directive
        assert summary[0].isupper() or summary.startswith("/"), directive
        assert not summary.endswith("."), directive


def test_a_documented_directive_has_its_page() -> None:
    """A manual page is named for each directive that has one."""
    pages = {one.man for one in ALL if one.status == "documented"}
    assert pages == {
        f"systemd.{page}(5)"
        for page in ("unit", "socket", "service", "exec", "kill", "resource-control")
    }


def test_enumerations_are_there() -> None:
    """An enumeration that a type names has words."""
    for directive in ALL:
        word, _, argument = directive.type.partition(":")
        if word in ("enum", "flags"):
            assert table(argument), directive.name


def test_every_type_has_its_checker() -> None:
    """Each type's function exists in the module that is said to hold it."""
    for word, module in TYPES.items():
        checker = getattr(
            import_module(f"activator.unitfile.values.{module}"), word.replace("-", "_")
        )
        assert checker.__doc__


def test_every_type_is_used() -> None:
    """No checker is left over."""
    used = {directive.type.partition(":")[0] for directive in ALL} - {"ignored"}
    used |= {directive.type.partition(":")[0] for directive in catalogue.own()}
    assert set(TYPES) == used


@pytest.mark.parametrize("row", rows("legacy.tsv"), ids=lambda row: row["directive"])
def test_legacy_directives_are_told_apart(row: dict[str, str]) -> None:
    """What each version does with an old directive is in the table, and what to use instead."""
    directive = lookup(row["section"], row["directive"])
    assert directive is not None
    assert directive.status in ("legacy", "deprecated")
    for version in VERSIONS:
        outcome = row[f"v{version}"]
        assert (outcome != "unknown-key") == directive.known(version)
        assert (outcome == "ignored-with-notice") == directive.ignored(version)
        if outcome == "accepted-with-warning":
            assert directive.status == "deprecated"
    if not row["use_instead"].startswith("(drop"):
        assert row["use_instead"] == directive.use
        assert row["use_instead"] in suggest(row["section"], row["directive"])


def test_a_directive_is_known_from_its_release_on() -> None:
    """Between two versions that were asked, the manual's word decides."""
    directive = lookup("Socket", "PollLimitBurst")
    assert directive is not None
    assert [False, False, True, True] == [directive.known(v) for v in (252, 254, 255, 257)]


def test_a_directive_of_two_sections_is_one() -> None:
    """What [Socket] and [Service] share differs in nothing but the section."""
    ours, theirs = lookup("Socket", "ProtectSystem"), lookup("Service", "ProtectSystem")
    assert ours is not None
    assert theirs is not None
    assert ours._replace(section="Service") == theirs


@pytest.mark.parametrize(
    ("section", "name", "expected"),
    [
        ("Socket", "accept", "did you mean Accept=?"),
        ("Socket", "SocketMod", "did you mean SocketMode=?"),
        ("Socket", "socket-mode", "did you mean SocketMode=?"),
        ("Socket", "socket_mode", "did you mean SocketMode=?"),
        ("Socket", "Listen", "did you mean ListenStream=?"),
        ("Socket", "TimeOut", "did you mean TimeoutSec=?"),
        ("Socket", "Restart", "Restart= belongs in [Service]"),
        ("Service", "ListenStream", "ListenStream= belongs in [Socket]"),
        ("Unit", "WantedBy", "WantedBy= belongs in [Install]"),
        ("Install", "User", "User= belongs in [Socket] or [Service]"),
        ("Service", "maxconnection", "did you mean MaxConnections= in [Socket]?"),
        ("Service", "CPUShares", "use CPUWeight="),
        ("Service", "NetClass", "remove the line"),
        ("Socket", "Accept", ""),
        ("Socket", "Zzzz", ""),
    ],
)
def test_suggest(section: str, name: str, expected: str) -> None:
    """A wrong name gets the right one, whatever is wrong with it."""
    assert expected == suggest(section, name)


def test_lookup_is_exact() -> None:
    """Upper and lower case matter, as they do to systemd, and an unknown name is None."""
    assert lookup("Socket", "accept") is None
    assert lookup("Sockets", "Accept") is None


def test_versions_ascend_and_suites_are_among_them() -> None:
    """The oldest version comes first, and each suite ships one of them."""
    assert all(before < after for before, after in pairwise(VERSIONS))
    assert set(SUITES.values()) <= set(VERSIONS)
    assert SUITES["bookworm"] == directives.OLDEST
    assert SUITES["sid"] == directives.NEWEST


def test_the_catalogue_loads_little() -> None:
    """Reading the catalogue imports neither difflib nor csv, which only some need."""
    code = (
        "import sys\n"
        "from activator.unitfile import directives\n"
        "directives.lookup('Socket', 'Accept')\n"
        "print(sorted({'difflib', 'csv', 'inspect'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]\n" == done.stdout
