"""Run one box for as long as standard input stays open, then leave nothing of it behind.

Started as a program of its own, in a session of its own: the pipe to it breaks however the test
run ends (also by SIGKILL), and a Ctrl-C at the terminal does not reach it. Only the standard
library, since it runs isolated: ``python -I keeper.py CGROUP DIRECTORY COMMAND...``.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

# How long the command may take to end, and then its cgroup to run empty.
GRACE_S = 60.0
# The command enters the cgroup by itself, before anything of the box can exist outside of it.
ENTER = 'echo $$ >"$0/cgroup.procs" && exec "$@"'


def keep(cgroup: Path, directory: Path, command: list[str]) -> int:
    """Run a command in a new cgroup until it ends or standard input does.

    Args:
        cgroup: The cgroup to make, and to remove with all below it.
        directory: The box's directory on this machine, to remove as well.
        command: The program and its arguments; SIGTERM must end it.

    Returns:
        The command's exit status (negative: the signal that ended it).
    """
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(1))
    try:
        cgroup.mkdir()
        process = subprocess.Popen(
            # Should this process be killed, the box still ends.
            ["setpriv", "--pdeathsig", "TERM", "sh", "-c", ENTER, str(cgroup), *command],
            stdin=subprocess.DEVNULL,
        )
        try:
            ended = os.pidfd_open(process.pid)
            select.select([sys.stdin, ended], [], [])
        finally:
            process.terminate()
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()
        return process.wait()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        # On a hybrid machine nspawn makes the same cgroup in v1's name=systemd hierarchy too.
        for mount in cgroup_mounts("cgroup2", "cgroup"):
            remove_cgroup(mount / cgroup.name)


def cgroup_mounts(*kinds: str) -> list[Path]:
    """Return where file systems of some kinds ("cgroup2", "cgroup" for v1) are mounted."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [Path(target) for _, target, kind, *_ in map(str.split, lines) if kind in kinds]


def remove_cgroup(cgroup: Path) -> None:
    """Remove a cgroup and all below it, waiting for the last processes to be gone.

    Raises:
        TimeoutError: A process stays in it.
    """
    deadline = monotonic() + GRACE_S
    while cgroup.exists():
        for directory, _, _ in os.walk(cgroup, topdown=False):
            try:
                Path(directory).rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                # Busy: a process of the box has not been reaped yet.
                if monotonic() > deadline:
                    raise TimeoutError(f"{directory} is still in use") from None
                sleep(0.01)
                break


if __name__ == "__main__":
    sys.exit(keep(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
