"""Where a service listens by itself, in place of the sockets that it was passed.

Source: proc_net_tcp (kernel documentation), unix(7), proc(5).
"""

import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_TCP_LISTENS = "0A"
_UNIX_LISTENS = 0x10000  # __SO_ACCEPTON


def listening(pids: Iterable[int], ours: Collection[int]) -> list[str]:
    """Return the addresses at which processes listen with sockets of their own.

    Args:
        pids: The processes.
        ours: The inodes of the sockets that they were passed.
    """
    found: dict[str, None] = {}
    for pid in pids:
        with suppress(OSError):
            held = set(_sockets(pid)) - set(ours)
            if held:
                found |= {address: None for inode, address in _listeners(pid) if inode in held}
    return list(found)


def _sockets(pid: int) -> Iterator[int]:
    """Yield the inodes of the sockets that a process has open."""
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            kind, _, inode = os.readlink(each).partition(":")  # noqa: PTH115 - no path
            if kind == "socket":
                yield int(inode.strip("[]"))


def _listeners(pid: int) -> Iterator[tuple[int, str]]:
    """Yield inode and address of all that listens in a process's network namespace."""
    for table in ("tcp", "tcp6"):
        for row in _rows(pid, table):
            if row[3] == _TCP_LISTENS:
                yield int(row[9]), f":{int(row[1].rpartition(':')[2], 16)}"
    for row in _rows(pid, "unix"):
        if int(row[3], 16) & _UNIX_LISTENS and len(row) > 7:  # noqa: PLR2004 - the column of the name
            yield int(row[6]), row[7]


def _rows(pid: int, table: str) -> list[list[str]]:
    try:
        text = Path(f"/proc/{pid}/net/{table}").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return [line.split() for line in text.split("\n")[1:] if line]
