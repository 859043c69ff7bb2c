"""What services have written below the directories of systemd, which outlives their units."""

import os
import shlex
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from activator.deploy.install.place import Place
from activator.deploy.install.situation import Unit
from activator.errors import ActivatorError
from activator.unitfile import unquoting
from activator.unitfile.parse import UnitFile

# Directive → what `systemctl clean` calls it, and where the system has it: file-hierarchy(7).
_KINDS = {
    "StateDirectory": ("state", "/var/lib"),
    "CacheDirectory": ("cache", "/var/cache"),
    "LogsDirectory": ("logs", "/var/log"),
}
# The first systemd whose managers of users keep state in XDG_STATE_HOME.
_STATE_HOME = 254


def left(where: Place, units: Iterable[Unit], *, before: bool) -> Iterator[str]:
    """Yield a line, if there is anything, that says what stays and how to be rid of it.

    Args:
        where: Where the units are.
        units: What was installed.
        before: Whether the units are still there: ``systemctl clean`` wants them, and knows
            best what is theirs.
    """
    if not where.live:
        return
    services = [unit for unit in units if not unit.socket]
    found = {unit.name: dict(_directories(unit, where)) for unit in services}
    paths = dict.fromkeys(path for there in found.values() for path in there)
    if not paths:
        return
    public = [path for path in paths if "private" not in Path(path).parts]
    what = f"{', '.join(public or paths)}: what the service has written stays"
    if not before:
        yield f"{what}; to be rid of it: {shlex.join(['rm', '-r', *paths])}"
        return
    name, there = next((name, there) for name, there in found.items() if there)
    manager = ["--user"] if where.user else []
    kinds = [f"--what={kind}" for kind in dict.fromkeys(there.values())]
    # Any instance stands for its template.
    words = ["systemctl", *manager, "clean", *kinds, name.replace("@.", "@0.")]
    yield f"{what}; to be rid of it, once the units are stopped: {shlex.join(words)}"


def _bases(where: Place) -> Iterator[tuple[str, str, Path]]:
    """Yield each directive, the kind of its directories, and the directory they are below."""
    home = Path.home()
    state = Path(os.environ.get("XDG_STATE_HOME", home / ".local/state"))
    if where.user and where.manager.version() < _STATE_HOME:
        state = Path(os.environ.get("XDG_CONFIG_HOME", home / ".config"))
    cache = Path(os.environ.get("XDG_CACHE_HOME", home / ".cache"))
    users = {"state": state, "cache": cache, "logs": state / "log"}
    for directive, (kind, system) in _KINDS.items():
        yield directive, kind, users[kind] if where.user else Path(system)


def _directories(unit: Unit, where: Place) -> Iterator[tuple[str, str]]:
    """Yield the directories of a service that are there, and what kind each is."""
    parsed = UnitFile.parse(unit.file.before or "")
    for directive, kind, base in _bases(where):
        # In a file that was edited, what cannot be read is left out.
        with suppress(ActivatorError):
            for value in parsed.get_all("Service", directive):
                for word in unquoting.words(value):
                    # What follows a colon is a link to it.
                    name = word.partition(":")[0]
                    # With DynamicUser=, the first is a link to the second.
                    for path in (base / name, base / "private" / name):
                        if os.path.lexists(path):
                            yield str(path), kind
