"""The table of what the local activator honours: it is true, and all of it is compared."""

import re

import pytest

from activator.local.units.conditions_unit import KINDS
from activator.local.units.honoured import honours, table
from activator.local.units.load import load
from activator.local.units.reader import Reader
from activator.unitfile import directives
from tests.support.pairs import PAIRS

# What no pair of units can show under systemd and here alike: who shows it.
ELSEWHERE = {
    **{
        f"{prefix}{kind}": "test_conditions_boxes.py"
        for prefix in ("Condition", "Assert")
        for kind in KINDS
    },
    "Conflicts": "test_relations.py",
    "DeferTrigger": "test_errors.py",
    "ExecReload": "test_relations.py",
    "PartOf": "test_relations.py",
    "ReloadSignal": "test_relations.py",
    "Requisite": "test_relations.py",
    "RestartKillSignal": "test_relations.py",
}


def test_table_is_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table has just what is asked for when units are read."""
    asked: set[tuple[str, str]] = set()
    taken = Reader.taken

    def spy(self: Reader, section: str, *names: str) -> object:
        asked.update((section, name) for name in names)
        return taken(self, section, *names)

    monkeypatch.setattr(Reader, "taken", spy)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    service = "[Service]\nExecStart=/bin/true\n"
    texts = {
        "a.socket": "[Socket]\nListenStream=@z\n",
        "a.service": service,
        "b.socket": "[Socket]\nListenStream=@z\nAccept=yes\n",
        "b@.service": service,
    }
    load([], {name: (text, name) for name, text in texts.items()})
    # A socket's commands run without directories of their own, and nothing reads USB here.
    directory = re.compile("(Runtime|State|Cache|Logs|Configuration)Directory")
    unused = {("Socket", name) for _, name in asked if directory.match(name)}
    unused.add(("Socket", "ListenUSBFunction"))

    assert set(table()) == asked - unused


def test_table_knows_directives() -> None:
    """Each row is a directive of systemd's, in its section."""
    assert [row for row in table() if directives.lookup(*row) is None] == []


def test_every_row_is_compared() -> None:
    """Each honoured directive stands in a pair that is run by systemd and by ourselves."""
    used = {
        (section, name)
        for pair in PAIRS
        for text in pair.units.values()
        for section, body in re.findall(r"\[(\w+)\]\n(.*?)(?=\n\s*\[|\Z)", text, re.DOTALL)
        for name in re.findall(r"^\s*([A-Za-z0-9]+)=", body, re.MULTILINE)
    }
    missing = {row for row in table() if row not in used and row[1] not in ELSEWHERE}

    assert missing == set()
    assert len(PAIRS) >= 60


def test_root_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """User= and its kin are listed as ignored for anybody but root."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    assert not honours("Service", "User")
    assert honours("Service", "UMask")
    assert not honours("Service", "ProtectSystem")
