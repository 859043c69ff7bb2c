"""Take the passed descriptors and say as JSON what they are, and what is left behind."""

import ctypes
import json
import os

from activator import ActivatorError, Listeners, listen_fds
from activator.runtime.listen import VARIABLES


def taken() -> dict[str, object]:
    """Take them and describe them, or the error."""
    try:
        listeners = listen_fds()
    except ActivatorError as error:
        return {"error": error.lines()}
    return described(listeners)


def described(listeners: Listeners) -> dict[str, object]:
    """Describe what was taken."""
    return {
        "listeners": [
            [item.name, item.fd, item.kind, item.family and item.family.name, item.address]
            for item in listeners
        ],
        "inheritable": [os.get_inheritable(item.fd) for item in listeners],
        "absence": listeners.absence,
    }


def left() -> list[str]:
    """Return the variables still set, for Python or for C."""
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    return [name for name in VARIABLES if name in os.environ or getenv(name.encode())]


def main() -> None:
    """Take them once, and again."""
    first = taken()
    print(json.dumps({"first": first, "left": left(), "second": taken()}))  # noqa: T201


if __name__ == "__main__":
    main()
