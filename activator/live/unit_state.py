"""What systemctl(1) shows of one unit, as a value."""

import time
from dataclasses import dataclass
from datetime import datetime

PROPERTIES = {
    "Id": "",
    "LoadState": "",
    "ActiveState": "",
    "Result": "",
    "UnitFileState": "",
    "FragmentPath": "",
    "DropInPaths": "",
    "ActiveEnterTimestamp": "",
    "ActiveEnterTimestampMonotonic": "0",
    "NeedDaemonReload": "",
    "InvocationID": "",
}


@dataclass(frozen=True, slots=True)
class UnitState:
    """What the manager says of a unit.

    Attributes:
        name: The unit's name.
        load: LoadState=, such as ``loaded`` or ``not-found``.
        active: ActiveState=, such as ``active`` or ``failed``.
        result: Result=, such as ``success``.
        file: UnitFileState=, such as ``enabled``; empty without a file.
        path: The file it was loaded from; empty without one.
        dropins: The drop-ins it was loaded with.
        since: When it became active last, in seconds since the epoch; 0 if never.
        unread: Whether its files changed since the manager read them.
        invocation: InvocationID= of its last start; empty if there was none.
    """

    name: str
    load: str
    active: str
    result: str
    file: str
    path: str
    dropins: tuple[str, ...]
    since: float
    unread: bool
    invocation: str = ""

    @property
    def up(self) -> bool:
        """Tell whether it is active, or on its way there or back."""
        return self.active not in ("inactive", "failed", "")


def read(block: str) -> UnitState:
    """Return what a block of ``systemctl show`` says."""
    given = PROPERTIES | dict(line.split("=", 1) for line in block.split("\n") if "=" in line)
    return UnitState(
        name=given["Id"],
        load=given["LoadState"],
        active=given["ActiveState"],
        result=given["Result"],
        file=given["UnitFileState"],
        path=given["FragmentPath"],
        dropins=tuple(given["DropInPaths"].split()),
        since=since(
            given["ActiveEnterTimestamp"], int(given["ActiveEnterTimestampMonotonic"] or 0)
        ),
        unread=given["NeedDaemonReload"] == "yes",
        invocation=given["InvocationID"],
    )


def since(written: str, monotonic: int) -> float:
    """Return when a unit became active, in seconds since the epoch; 0 if never.

    A machine without a clock of its own boots with a wrong time, which is what was written
    down then. So the time that has passed since is taken off the present time as well, and
    the later one counts.

    Args:
        written: The time of day, as ``--timestamp=us+utc`` writes it.
        monotonic: The time since the boot, in microseconds.
    """
    if not monotonic:
        return 0.0
    passed = time.monotonic() - monotonic / 1e6
    try:
        then = datetime.strptime(f"{written}+0000", "%a %Y-%m-%d %H:%M:%S.%f UTC%z").timestamp()
    except ValueError:
        then = 0.0
    return max(then, time.time() - passed)
