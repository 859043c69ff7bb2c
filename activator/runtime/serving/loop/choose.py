"""Choose the event loop for async handlers."""

import asyncio
import os
from socket import AF_INET, AF_INET6, AF_UNIX

from activator.errors import ActivatorError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from socket import AddressFamily

# How many descriptors a loop needs, and one connection with it. Without them asyncio's loop leaves
# itself half made, and uvloop's may end the process by SIGABRT.
ASYNCIO_NEEDS = 4
UVLOOP_NEEDS = 10
UVLOOP_FAMILIES = frozenset({AF_INET, AF_INET6, AF_UNIX})


def new_loop(
    wanted: str, families: "Iterable[AddressFamily | None]", *, short: bool, proxied: bool = False
) -> asyncio.AbstractEventLoop:
    """Return a new event loop, which the caller closes.

    Args:
        wanted: ``auto`` (uvloop where it is of use), ``asyncio`` or ``uvloop``.
        families: The address families that it is to serve; uvloop has no AF_VSOCK.
        short: Whether it is for one connection only, where uvloop costs more than it gives.
        proxied: Whether proxies tell who clients are: uvloop asks the kernel.

    Raises:
        ActivatorError: uvloop is wanted, but not installed or not fit for a family.
        OSError: There are too few descriptors.
    """
    foreign = [str(family) for family in families if family not in UVLOOP_FAMILIES]
    if wanted == "uvloop" and foreign:
        raise ActivatorError(
            f"uvloop cannot serve {', '.join(foreign)}", "use auto or asyncio", place="--loop"
        )
    if wanted == "uvloop" and proxied:
        raise ActivatorError(
            "uvloop cannot tell handlers what a proxy tells", "use auto or asyncio", place="--loop"
        )
    if wanted == "asyncio" or (wanted == "auto" and (foreign or short or proxied)):
        return _asyncio_loop()
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError as error:
        if wanted == "uvloop":
            from activator.common.extras import installing  # noqa: PLC0415 - only a failure needs it

            raise ActivatorError(
                f"uvloop cannot be loaded: {error}",
                f"{installing('uvloop')}, or use auto or asyncio",
                place="--loop",
            ) from None
        return _asyncio_loop()
    _see_to_descriptors(UVLOOP_NEEDS)
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def is_uvloop(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether a loop is uvloop's."""
    return type(loop).__module__.partition(".")[0] == "uvloop"


def _asyncio_loop() -> asyncio.AbstractEventLoop:
    _see_to_descriptors(ASYNCIO_NEEDS)
    return asyncio.new_event_loop()


def _see_to_descriptors(count: int) -> None:
    opened: list[int] = []
    try:
        while len(opened) < count:
            opened.append(os.eventfd(0))
    finally:
        for fd in opened:
            os.close(fd)
