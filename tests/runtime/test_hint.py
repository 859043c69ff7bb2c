"""What the runtime's own records say where a sandbox may be why a handler, or a start, fails."""

import errno
import os
import socket
import sqlite3
import sys
from pathlib import Path

import pytest

from activator.errors import ActivatorError
from activator.runtime.serving import hint as hints
from activator.runtime.serving.hint import hint
from activator.runtime.serving.load import load_one
from activator.runtime.serving.report import failure, hint_at


def os_error(number: int, path: str | None = None) -> OSError:
    """Return what a system call raises."""
    return OSError(number, os.strerror(number), path)


def caused(error: Exception, cause: Exception) -> Exception:
    """Return an exception that another one led to."""
    error.__cause__ = cause
    return error


FOUND = {
    "state": (os_error(errno.EROFS, "/var/lib/shop/file"), "state:shop"),
    "write": (os_error(errno.EROFS, "/etc/hosts"), "write:/etc/hosts"),
    "home": (os_error(errno.ENOENT, "/home/anna/notes"), "read:/home/anna/notes"),
    "network": (os_error(errno.ENETUNREACH), "network"),
    "names": (socket.gaierror(-3, "Temporary failure in name resolution"), "network"),
    "sqlite": (sqlite3.OperationalError("unable to open database file"), "state"),
    "jit": (MemoryError(), "jit"),
    "cause": (caused(RuntimeError("no"), os_error(errno.EROFS, "/var/cache/shop/x")), "cache"),
    "group": (
        ExceptionGroup("tasks", [KeyError("x"), os_error(errno.EAFNOSUPPORT)]),
        "network",
    ),
    "escape": (os_error(errno.EROFS, "/etc/\x1b"), r"write:/etc"),
}


@pytest.fixture
def confined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process count as confined."""
    monkeypatch.setattr(hints, "CONFINED", ())


@pytest.mark.usefixtures("confined")
@pytest.mark.parametrize("kind", FOUND)
def test_the_need_is_named(kind: str) -> None:
    """By the exception, by those of its group, and by those that led to it."""
    error, need = FOUND[kind]
    found = hint(error)
    assert f'needs = ["{need}"]' in found
    assert found.isprintable()


@pytest.mark.usefixtures("confined")
@pytest.mark.parametrize(
    "error",
    [
        ValueError("no such thing"),
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        os_error(errno.ENOENT, "/srv/shop/page"),
        KeyError("fork " * 1_000_000),
    ],
    ids=["value", "reset", "missing", "long"],
)
def test_other_failures_are_no_matter_of_a_sandbox(error: Exception) -> None:
    """Nothing is said of them, however much a client has sent."""
    assert not hint(error)


def test_nothing_is_said_outside_a_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not confined fails for another reason."""
    monkeypatch.setattr(hints, "CONFINED", ("NoNewPrivs:\t2\n",))
    assert not hint(os_error(errno.EROFS, "/var/lib/shop/file"))


@pytest.mark.usefixtures("confined")
def test_a_directory_that_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """A need that is met opens nothing more: the program looks elsewhere."""
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/shop")
    found = hint(FOUND["sqlite"][0])
    assert "below $STATE_DIRECTORY" in found
    assert "needs" not in found


@pytest.mark.usefixtures("confined")
def test_it_stands_behind_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """A record ends with it."""
    failure("it failed", os_error(errno.EROFS, "/var/lib/shop/file"))
    assert capsys.readouterr().err.rstrip("\n").split("\n")[-1].startswith("hint: the unit's")


@pytest.mark.usefixtures("confined")
def test_a_hint_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a descriptor to read the table with, what failed is told all the same."""
    monkeypatch.setattr(hints, "symptoms", lambda: open("/nosuch"))  # noqa: PTH123, SIM115
    assert not hint_at(os_error(errno.EROFS, "/var/lib/shop/file"))
    monkeypatch.setitem(sys.modules, hints.__name__, None)
    assert not hint_at(os_error(errno.EROFS, "/var/lib/shop/file"))


@pytest.mark.usefixtures("confined")
def test_a_module_that_cannot_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line of its end has the hint."""
    monkeypatch.syspath_prepend(tmp_path)
    text = "raise OSError(30, 'Read-only file system', '/var/log/shop/x')\n"
    (tmp_path / "unwell_module.py").write_text(text)
    with pytest.raises(ActivatorError) as caught:
        load_one("unwell_module:handle")
    assert 'needs = ["logs"]' in str(caught.value.hint)
