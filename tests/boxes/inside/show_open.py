"""Print what process 1 listens on and what else it has open, one a line.

Runs inside a box with the box's own Python; it knows nothing of the project.
"""

import contextlib
import pathlib
import subprocess
import sys
from collections.abc import Iterator


def sockets(*options: str) -> list[list[str]]:
    """Return the words of each line of ss."""
    argv = ["ss", "--no-header", "--all", "--numeric", "--processes", *options]
    told = subprocess.run(argv, capture_output=True, check=True, text=True)
    return [line.split() for line in told.stdout.splitlines()]


def listeners() -> Iterator[str]:
    """Yield sockets as ss shows them, netlink sockets with their groups, and open files."""
    for kind, state, _, _, local, *_, owner in sockets("-4", "-6", "-x"):
        if state in ("LISTEN", "UNCONN") and ",pid=1," in owner:
            yield f"{kind} {local}"
    # Nothing says whose these are.
    for state, _, _, local, *_ in sockets("--mptcp"):
        if state == "LISTEN":
            yield f"mptcp {local}"
    for line in pathlib.Path("/proc/net/netlink").read_text().splitlines()[1:]:
        _, protocol, _, groups, *_ = line.split()
        yield f"netlink {protocol} {groups}"
    for entry in pathlib.Path("/proc/1/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            yield f"open {entry.readlink()}"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in listeners())
