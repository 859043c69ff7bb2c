"""``activator demo``: what it says has happened."""

import subprocess
import sys
from pathlib import Path


def test_demo(tmp_path: Path) -> None:
    """Both modes are shown to the end, and nothing is left behind."""
    run = subprocess.run(
        [sys.executable, "-m", "activator", "demo"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)},
    )
    assert ("", 0) == (run.stderr, run.returncode)
    lines = [line.strip() for line in run.stdout.splitlines()]
    assert 2 == lines.count("no process")
    assert "1 process for 3 clients" in lines
    assert "3 processes for 3 clients" in lines
    assert 6 == sum(line.startswith("answer 'hello, socket\\n' after ") for line in lines)
    assert "Accept=no" in lines
    assert "Accept=yes" in lines
    assert [] == list(tmp_path.iterdir())
