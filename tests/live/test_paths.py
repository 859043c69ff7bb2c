"""What an ordinary user may not see, and what vanishes meanwhile, ends no diagnosis."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from activator.live.doctor import evidence, files, listening
from activator.live.paths import is_gone, status
from activator.live.units import Socket

NOBODY = 65534


@contextmanager
def ordinary() -> Iterator[None]:
    """Be a user to whom permissions apply."""
    before = os.geteuid()
    if not before:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """Return a directory that its own user alone may enter, and root."""
    path = tmp_path / "closed"
    path.mkdir()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path / "a.sock"))
    os.mkfifo(path / "a.fifo")
    path.chmod(0)
    yield path
    path.chmod(0o700)


def unit(path: Path, kind: str, **values: str) -> tuple[Socket, Any]:
    """Return a socket that has one address, and what else there is."""
    manager = SimpleNamespace(user=False)
    situation = SimpleNamespace(held=[], everything=[], manager=manager)
    row = {"Id": "a.socket", "Listen": f"{path} ({kind})", **values}
    return Socket(row, [], cast("Any", situation)), situation


def test_paths_that_cannot_be_seen(closed: Path) -> None:
    """They are told from those that are not there."""
    with ordinary():
        for path in (closed / "a.sock", closed / "none"):
            assert status(path) is None
            assert not is_gone(path)
    assert is_gone(closed.parent / "none")
    assert is_gone(closed.parent / "none" / "further")


def test_diagnoses_of_sockets_that_cannot_be_seen(closed: Path) -> None:
    """Nothing is said of them, where root is told what is wrong."""
    down = unit(closed / "a.sock", "Stream", ActiveState="inactive", NeedDaemonReload="no")
    up = unit(closed / "none", "Stream", ActiveState="active")
    failed = unit(closed / "a.fifo", "FIFO", ActiveState="failed")
    failed[0].reason = "Failed to create FIFO: File exists"
    cases = (
        (listening.stale_file, down),
        (files.file_gone, up),
        (listening.file_exists, failed),
    )
    for diagnosis, (one, situation) in cases:
        with ordinary():
            assert [] == [*diagnosis(one, situation)]
    closed.chmod(0o700)
    for diagnosis, (one, situation) in cases:
        assert 1 == len([*diagnosis(one, situation)])


def test_evidence_that_cannot_be_seen(closed: Path) -> None:
    """A path that a program named is one that may be missing."""
    one, _ = unit(closed, "Stream")
    path = str(closed / "a.sock")
    with ordinary():
        for given in ("group", "owner"):
            assert evidence.terms(one, "", path, given) is None
        found = evidence.terms(one, "", path, "")
    assert found is not None
    assert str(closed) == found["place"]


def test_files_of_units_that_cannot_be_seen(closed: Path) -> None:
    """They are none that were changed."""
    one, _ = unit(closed, "Stream", FragmentPath=str(closed / "a.socket"))
    with ordinary():
        assert 0.0 == one.modified
