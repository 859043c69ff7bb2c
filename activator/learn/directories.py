"""The directories that a service keeps its data in, while it is only tried."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from activator.errors import ActivatorError


@contextmanager
def lent(directories: Iterable[Path]) -> Iterator[None]:
    """Have the system's directories of a service free for the body, and empty after it.

    Those of an ordinary user are left as they are.

    Raises:
        ActivatorError: One is there: it may hold the data of a service that is installed.
    """
    places = list(directories) if os.geteuid() == 0 else []
    for place in places:
        if os.path.lexists(place):
            hint = (
                "learn where the service has not been installed, as an ordinary user, or with"
                " --on-system"
            )
            raise ActivatorError(f"{place} is there, and the service would write into it", hint)
    try:
        yield
    finally:
        for place in places:
            if place.is_symlink():
                place.unlink()
            elif place.exists():
                shutil.rmtree(place)
