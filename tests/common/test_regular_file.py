"""Files that may be something else: only regular ones are ever opened."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# Prints what is opened of the path, whatever comes of it.
SCRIPT = """
import sys
from activator.common.regular_file import contents
path = sys.argv[1]
sys.addaudithook(lambda event, of: event == "open" and of[0] == path and print("opened"))
try:
    print(contents(path)[0].decode())
except OSError as error:
    print(error.filename == path, error.strerror)
"""


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


KINDS: dict[str, Callable[[Path], object]] = {
    "fifo": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/ptmx"),
    "socket": _socket,
    "directory": Path.mkdir,
}


def read(path: Path) -> str:
    """Read a path in a process of its own; return what was opened, and what came of it."""
    command = [sys.executable, "-c", SCRIPT, str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_not_opened(tmp_path: Path, kind: str) -> None:
    """Opening a device or a FIFO can do something: it is refused before."""
    KINDS[kind](tmp_path / "a")
    assert "True it is not a regular file\n" == read(tmp_path / "a")


def test_link_to_a_file(tmp_path: Path) -> None:
    """A link is followed."""
    (tmp_path / "file").write_text("text")
    (tmp_path / "a").symlink_to("file")
    assert "opened\ntext\n" == read(tmp_path / "a")
