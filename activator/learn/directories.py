"""The directories that a service keeps its data in, while it is only tried."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from activator.errors import ActivatorError
from activator.generate.render import render
from activator.generate.specfile import Spec

_ROOTS = {"State": Path("/var/lib"), "Cache": Path("/var/cache"), "Logs": Path("/var/log")}
_LINE = re.compile(r"^(State|Cache|Logs)Directory=(.+)$", re.MULTILINE)


@contextmanager
def lent(spec: Spec) -> Iterator[None]:
    """Have the system's directories of a service free for the body, and empty after it.

    Those of an ordinary user are left as they are.

    Raises:
        ActivatorError: One is there: it may hold the data of a service that is installed.
    """
    places = list(_places(spec)) if os.geteuid() == 0 else []
    for place in places:
        if os.path.lexists(place):
            hint = "learn where the service has not been installed, or as an ordinary user"
            raise ActivatorError(f"{place} is there, and the service would write into it", hint)
    try:
        yield
    finally:
        for place in places:
            if place.is_symlink():
                place.unlink()
            elif place.exists():
                shutil.rmtree(place)


def _places(spec: Spec) -> Iterator[Path]:
    """Yield the directories, and where systemd has those of a user that it makes up."""
    for text in render(spec).values():
        for kind, words in _LINE.findall(text):
            for word in words.split():
                for root in (_ROOTS[kind], _ROOTS[kind] / "private"):
                    yield root / word.partition(":")[0]
