"""Choose the event loop for async handlers."""

import asyncio
from socket import AF_INET, AF_INET6, AF_UNIX

from activator.errors import ActivatorError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from socket import AddressFamily

UVLOOP_FAMILIES = frozenset({AF_INET, AF_INET6, AF_UNIX})


def new_loop(
    wanted: str, families: "Iterable[AddressFamily | None]", *, short: bool
) -> asyncio.AbstractEventLoop:
    """Return a new event loop, which the caller closes.

    Args:
        wanted: ``auto`` (uvloop where it is of use), ``asyncio`` or ``uvloop``.
        families: The address families that it is to serve; uvloop has no AF_VSOCK.
        short: Whether it is for one connection only, where uvloop costs more than it gives.

    Raises:
        ActivatorError: uvloop is wanted, but not installed or not fit for a family.
    """
    foreign = [str(family) for family in families if family not in UVLOOP_FAMILIES]
    if wanted == "uvloop" and foreign:
        raise ActivatorError(
            f"uvloop cannot serve {', '.join(foreign)}", "use auto or asyncio", place="--loop"
        )
    if wanted == "asyncio" or (wanted == "auto" and (foreign or short)):
        return asyncio.new_event_loop()
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError as error:
        if wanted == "uvloop":
            raise ActivatorError(
                f"uvloop cannot be loaded: {error}",
                "pip install 'activator[uvloop]', or use auto or asyncio",
                place="--loop",
            ) from None
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def is_uvloop(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether a loop is uvloop's."""
    return type(loop).__module__.partition(".")[0] == "uvloop"
