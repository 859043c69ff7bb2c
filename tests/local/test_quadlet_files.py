"""Which files of a folder are Quadlet's."""

import os
from pathlib import Path

from activator.local.units import quadlet


def test_only_files_are_containers(tmp_path: Path) -> None:
    """A folder or a FIFO with the name of a container is none: no reader would hang on it."""
    (tmp_path / "a.container").mkdir()
    os.mkfifo(tmp_path / "b.container")
    (tmp_path / "c.container").symlink_to("/dev/zero")
    (tmp_path / "d.container").write_text("[Container]\n")

    assert [tmp_path / "d.container"] == quadlet.in_folder(tmp_path)
