"""Run a build in a root file system that has what it needs, and nothing of this machine."""

import os
import subprocess
from pathlib import Path


class BuildError(Exception):
    """Something could not be built; the message says where its log is, and how it ends."""


def run_inside(tree: Path, script: str, source: Path, out: Path, log: Path) -> None:
    """Run a script in a root file system; all it writes elsewhere than to ``/out`` is lost.

    It has no network.

    Args:
        tree: The root file system.
        script: What sh runs.
        source: What it finds at ``/source``, to be read.
        out: What it finds at ``/out``, to be written.
        log: Where its output goes.

    Raises:
        BuildError: It failed.
    """
    command = [
        *("systemd-nspawn", "--quiet", "--settings=no", "--register=no", "--keep-unit"),
        *("--volatile=overlay", "--private-network", "--console=pipe", "--as-pid2"),
        *(f"--machine=activator-build-{os.getpid()}", f"--directory={tree}"),
        *(f"--bind-ro={source}:/source", f"--bind={out}:/out", "sh", "-c", script),
    ]
    with log.open("w") as stream:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=os.environ | {"SYSTEMD_NSPAWN_LOCK": "0"},
            check=False,
        )
    if done.returncode:
        raise BuildError(f"{log}:\n" + "\n".join(log.read_text().splitlines()[-15:]))
