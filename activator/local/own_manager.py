"""What a run, as a service itself, tells its own manager: sd_notify(3).

With Type=notify the manager hears when all sockets are open, what the run is about, and that the
run is alive.
"""

import asyncio
from collections.abc import Sequence

from activator import notify
from activator.unitfile.address import Address

_SHOWN = 3  # addresses in STATUS=

reloading = notify.reloading


def ready(addresses: Sequence[Address]) -> None:
    """Tell that all sockets are open, and the first few addresses."""
    shown = ", ".join(each.human() for each in addresses[:_SHOWN])
    more = f" and {len(addresses) - _SHOWN} more" if len(addresses) > _SHOWN else ""
    notify.ready(f"listening on {shown}{more}")


def stopping() -> None:
    """Tell that the run ends."""
    notify.stopping("stopping")


async def feed() -> None:
    """Tell that the event loop turns, twice within each WatchdogSec=, if there is one."""
    if interval := notify.ping_interval():
        while True:
            notify.watchdog()
            await asyncio.sleep(interval)
