"""Say as JSON what a program started by ``activator exec`` has got, asked by plain libsystemd."""

import json
import os
import sys
from pathlib import Path

from systemd import daemon

SHOWN = ("LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES", "X", "LC_CTYPE")


def open_descriptors() -> dict[int, int]:
    """Return all open descriptors from 3 up, with the inode of each."""
    found = {}
    for path in Path("/proc/self/fd").iterdir():
        try:
            found[int(path.name)] = os.fstat(int(path.name)).st_ino
        except OSError:  # that of the directory itself
            continue
    return {fd: inode for fd, inode in sorted(found.items()) if fd > 2}


def main() -> None:
    """Print all, and a variable for each that is named."""
    opened = open_descriptors()
    status = Path("/proc/self/status").read_text()
    (ignored,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigIgn"))
    names = sys.argv[1:]
    shown = {
        "pid": os.getpid(),
        "open": opened,
        "arguments": names,
        "variables": {name: os.environ[name] for name in os.environ if name in SHOWN},
        "listen": daemon.listen_fds_with_names(unset_environment=False)
        if "LISTEN_FDS" in os.environ
        else {},
        "pidfd": os.fstat(os.pidfd_open(os.getpid())).st_ino,
        "ignored": int(ignored, 16),
    }
    print(json.dumps(shown), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
