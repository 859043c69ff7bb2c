"""Sets of capabilities as units write them."""

import os

import pytest

from activator.local.units.load import load
from activator.local.units.service_model import Privileges

CHOWN, KILL, EVERYTHING = 1 << 0, 1 << 5, (1 << 41) - 1


def privileges(lines: str) -> Privileges:
    """Return what lines for [Service] ask for."""
    service = "\n".join(["[Service]", "ExecStart=/bin/true", *lines.split(";")])
    texts = {"a.socket": ("[Socket]\nListenStream=@z\n", "a.socket"), "a.service": (service, "a")}
    return load([], texts).services["a.service"].execution.privileges


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("", Privileges()),
        ("CapabilityBoundingSet=CAP_CHOWN", Privileges(CHOWN)),
        ("CapabilityBoundingSet=CAP_CHOWN;CapabilityBoundingSet=5", Privileges(CHOWN | KILL)),
        ("CapabilityBoundingSet=~cap_chown", Privileges(EVERYTHING & ~CHOWN)),
        ("CapabilityBoundingSet=", Privileges(0)),
        ("CapabilityBoundingSet=CAP_CHOWN;CapabilityBoundingSet=~", Privileges()),
        ("CapabilityBoundingSet=CAP_CHOWN CAP_NEW_ONE", Privileges(CHOWN)),
        ("AmbientCapabilities=CAP_KILL CAP_CHOWN", Privileges(ambient=CHOWN | KILL)),
        ("AmbientCapabilities=CAP_KILL;AmbientCapabilities=", Privileges()),
        ("AmbientCapabilities=5 0;AmbientCapabilities=~5", Privileges(ambient=CHOWN)),
        ("SecureBits=noroot keep-caps;SecureBits=noroot-locked", Privileges(secure_bits=0b10011)),
        ("SecureBits=noroot;SecureBits=", Privileges()),
    ],
)
def test_sets(monkeypatch: pytest.MonkeyPatch, lines: str, expected: Privileges) -> None:
    """The first line replaces what there is, others change it, ``~`` takes away."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    assert privileges(lines) == expected


def test_root_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody but root keeps what there is, and is told so."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert privileges("AmbientCapabilities=CAP_KILL") == Privileges()
