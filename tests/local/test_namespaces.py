"""What `activator run` needs of /proc, which containers and chroots may lack."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.local import PATIENCE, environment, write_units

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare(1)"
)
FOREIGN = "/proc is that of another PID namespace"
UNITS = {
    "cat.socket": "[Socket]\nListenStream={}/cat\nAccept=yes\n",
    "cat@.service": "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n",
}


@pytest.mark.parametrize(
    ("options", "before", "told"),
    [
        (
            ["--mount"],
            "umount -l /proc",
            "there is no /proc, which tells of processes; mount -t proc proc /proc\n",
        ),
        (
            ["--pid", "--fork", "--kill-child"],
            ":",
            f"{FOREIGN}; mount it in this one, as unshare --mount-proc does\n",
        ),
    ],
    ids=["none", "foreign"],
)
def test_proc(tmp_path: Path, options: list[str], before: str, told: str) -> None:
    """Without the /proc of its own processes it does not run, and says so in a line."""
    write_units(tmp_path, {name: text.format(tmp_path) for name, text in UNITS.items()})
    command = [sys.executable, "-m", "activator", "run", "--exit-idle", "1s", "cat.socket"]
    done = subprocess.run(
        ["unshare", *options, "/bin/sh", "-c", f'{before}; exec "$@"', "sh", *command],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (1, told) == (done.returncode, done.stderr)
    assert "listening" not in done.stdout
    assert not (tmp_path / "cat").exists()
