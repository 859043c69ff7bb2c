"""The steps that remove what was installed under a name."""

from collections.abc import Iterable
from pathlib import Path

from activator.deploy.install.place import Place
from activator.deploy.install.situation import Unit
from activator.deploy.install.step import Step, Verb
from activator.errors import ActivatorError
from activator.output.plan import SUFFIXES, installed


def steps(units: list[Unit], *, live: bool, left: Iterable[str] = ()) -> list[Step]:
    """Return the steps: sockets first, so that no client starts a service again.

    Args:
        units: What was installed.
        live: Whether a manager runs.
        left: The names of units that were being installed or removed, and may have no file.
    """
    names = dict.fromkeys([*left, *(unit.name for unit in units)])
    sockets = [name for name in names if name.endswith(".socket")]
    services = [name.replace("@.", "@*.") for name in names if name not in sockets]
    plain = [unit for unit in units if not (unit.template or unit.container)]
    enabled = [unit.name for unit in plain if not live or unit.state.file == "enabled"]
    found = []
    if live:
        found += _command(Verb.STOP, sockets, "no client comes any more")
        found += _command(Verb.STOP, services, "their connections may end as the units allow")
    found += _command(Verb.DISABLE, enabled)
    found += [Step(Verb.REMOVE, (str(unit.file.path),)) for unit in units]
    if live:
        found.append(Step(Verb.RELOAD))
        found += _command(Verb.RESET_FAILED, [*sockets, *services])
    return found


def kept(where: Place, units: list[Unit]) -> list[str]:
    """Return a line for each drop-in that stays, as the admin's own.

    Args:
        where: Where the units are.
        units: What was installed.
    """
    there = {
        str(path)
        for unit in units
        for path in sorted(Path(where.directory, f"{unit.name}.d").glob("*.conf"))
    }
    loaded = {path for unit in units for path in unit.state.dropins if Path(path).exists()}
    return [
        f"{path} is kept: it is a drop-in of yours, and applies to the next unit of that name"
        for path in sorted(there | loaded)
    ]


def missing(where: Place, name: str) -> ActivatorError:
    """Return the error for a name of which nothing is installed."""
    if other := foreign(where, name):
        hint = "remove it as it was made"
        return ActivatorError("it was not written by activator", hint, place=str(other))
    names = ", ".join(sorted(installed(where.directory) | installed(where.containers)))
    hint = f"there is {names}" if names else f"nothing is, in {where.directory}"
    return ActivatorError(f"nothing is installed as {name!r}", hint)


def foreign(where: Place, name: str) -> Path | None:
    """Return a unit of a name that somebody else has put there."""
    places = (where.directory, where.containers)
    paths = (place / f"{name}{suffix}" for place in places for suffix in SUFFIXES)
    return next((path for path in paths if path.exists()), None)


def _command(verb: Verb, names: list[str], why: str = "") -> list[Step]:
    """Return one step for some units, or none."""
    return [Step(verb, tuple(names), why)] if names else []
