"""Keep the local activator small: it may run for weeks beside the services that matter."""

import ctypes
import gc
import sys


def load_asyncio() -> None:
    """Import asyncio without OpenSSL, for which there is no use here and which costs 4 MB.

    asyncio goes without it where Python was built without; who imports ssl later gets it.
    """
    if "asyncio" in sys.modules or "ssl" in sys.modules:
        return
    sys.modules["ssl"] = None  # type: ignore[assignment]
    try:
        import asyncio  # noqa: F401, PLC0415 - for its effect
    finally:
        del sys.modules["ssl"]


def give_back() -> None:
    """Return the memory that reading units has needed to the system (malloc_trim(3))."""
    gc.collect()
    gc.freeze()  # what is there now stays, and need not be looked at again and again
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
    if trim is not None:
        trim(0)
