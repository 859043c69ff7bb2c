"""`activator run` where a FIFO, a device, a socket or a directory stands in the place of a file."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.local import ONCE, Activate, ask, failure, python, write_units


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


MADE: dict[str, Callable[[Path], object]] = {
    "fifo": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "terminal": lambda path: path.symlink_to("/dev/ptmx"),
    "socket": _socket,
    "directory": Path.mkdir,
}


def units(tmp_path: Path, more: str = "") -> str:
    """Write a service and its socket; return the socket's path."""
    write_units(
        tmp_path,
        {
            "x.socket": f"[Socket]\nListenStream={tmp_path}/s\n",
            "x.service": f"[Service]\nExecStart={python(tmp_path, ONCE)}\n{more}",
            "x.socket.d/none.conf": "",
            "x.service.d/none.conf": "",
        },
    )
    return f"{tmp_path}/s"


@pytest.mark.parametrize("kind", ["fifo", "socket", "directory"])
@pytest.mark.parametrize("name", ["x.socket.d/a.conf", "x.service.d/a.conf", "x.service"])
def test_unit(tmp_path: Path, kind: str, name: str) -> None:
    """A unit or a drop-in that is no file is told at once, in one line."""
    units(tmp_path)
    (tmp_path / name).unlink(missing_ok=True)
    MADE[kind](tmp_path / name)
    reason = "it is not a regular file; mend the link or the permissions"
    expected = f"{name}: the file cannot be read: {reason}\n"
    assert expected == failure(tmp_path, "x.socket")


def test_device_as_unit(tmp_path: Path) -> None:
    """A link to a device masks what it stands for, whichever it is."""
    units(tmp_path)
    (tmp_path / "x.service").unlink()
    (tmp_path / "x.service").symlink_to("/dev/zero")
    expected = "x.service: x.service is masked; write something into it, or give another file\n"
    assert expected == failure(tmp_path, "x.socket")


@pytest.mark.parametrize("kind", MADE)
def test_environment_file(tmp_path: Path, activate: Activate, kind: str) -> None:
    """An environment file that is none fails the start; it may be missing with a dash."""
    MADE[kind](tmp_path / "env")
    path = units(tmp_path, f"EnvironmentFile=-{tmp_path}/env\nEnvironmentFile=-/dev/null\n")
    run = activate("x.socket")
    run.until("listening")
    assert f"{tmp_path}" == ask(path)["cwd"]
    run.stop()
    units(tmp_path, f"EnvironmentFile={tmp_path}/env\n")
    run = activate("--now", "x.socket")
    run.until(rf"^x\.service: x\.service:3: cannot read the environment file {tmp_path}/env: ")
    run.stop()


def test_empty_environment_file(tmp_path: Path, activate: Activate) -> None:
    """The null device has no variables."""
    path = units(tmp_path, "EnvironmentFile=/dev/null\n")
    activate("x.socket").until("listening")
    assert f"{tmp_path}" == ask(path)["cwd"]


@pytest.mark.parametrize(
    "line",
    ["StandardInput=file:{}", "StandardOutput=file:{}", "StandardError=append:{}",
     "StandardOutput=truncate:{}", "OpenFile={}:x:read-only", "OpenFile={}"],
)  # fmt: skip
def test_stream_that_nobody_holds(tmp_path: Path, activate: Activate, line: str) -> None:
    """A FIFO without another end holds up neither the service nor the run."""
    os.mkfifo(tmp_path / "fifo")
    path = units(tmp_path, line.format(f"{tmp_path}/fifo") + "\n")
    run = activate("x.socket")
    run.until("listening")
    assert f"{tmp_path}" == ask(path)["cwd"]
    run.until("exited")
    assert 0 == run.stop()
