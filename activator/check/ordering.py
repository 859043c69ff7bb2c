"""What a unit waits for when the system starts: its own lines, others' lines, and the defaults.

Source: systemd.unit(5), "DefaultDependencies="; systemd.service(5), systemd.socket(5) and
systemd.target(5), "Automatic Dependencies"; bootup(7).
"""

from collections.abc import Iterator
from typing import NamedTuple

from activator.check.units import Unit, World, expand, service_name
from activator.unitfile.parse import Entry

# Target → what it comes after, as systemd ships them; sockets.target comes after all sockets.
_TARGETS = {
    "basic.target": "sockets.target",
    "multi-user.target": "basic.target",
    "graphical.target": "multi-user.target",
    "default.target": "basic.target",
}
_SOCKETS = "sockets.target"
_PULLS = ("Wants", "Requires", "BindsTo", "Requisite", "Upholds")


class Step(NamedTuple):
    """Something that a unit waits for.

    Attributes:
        name: The unit that is waited for.
        unit: The unit whose line says so; None for what systemd adds.
        entry: That line.
    """

    name: str
    unit: Unit | None = None
    entry: Entry | None = None


def cycle(socket: Unit, world: World) -> Iterator[list[Step]]:
    """Yield the ways on which a socket waits for itself, each by another line.

    Args:
        socket: A socket unit.
        world: The units that are known.
    """
    for first in _before(socket.name, socket, world):
        if way := _way(first, socket, world):
            yield way


def _way(first: Step, socket: Unit, world: World) -> list[Step]:
    """Return the steps from one that a socket waits for back to the socket, if they lead there."""
    came: dict[str, list[Step]] = {first.name: [first]}
    queue = [first.name]
    while queue:
        name = queue.pop(0)
        for step in _before(name, socket, world):
            if step.name == socket.name:
                return came[name]
            if step.name not in came:
                came[step.name] = [*came[name], step]
                queue.append(step.name)
    return []


def _before(name: str, socket: Unit, world: World) -> Iterator[Step]:
    """Yield what a unit waits for."""
    yield from _index(world).get(name, ())
    unit = world.find(name) if name.endswith((".service", ".socket", ".target")) else None
    own = unit is not None and not unit.masked
    if unit is not None and own:
        for word, entry in unit.words("Unit", "After"):
            yield Step(expand(word, unit), unit, entry)
        if unit.name == service_name(socket):
            yield Step(socket.name)
        if unit.settings.on("DefaultDependencies", default=True):
            yield from _by_default(unit)
    if name in _TARGETS:
        yield Step(_TARGETS[name])
    if name == _SOCKETS and socket.settings.on("DefaultDependencies", default=True):
        yield Step(socket.name)


def _by_default(unit: Unit) -> Iterator[Step]:
    """Yield what systemd adds unless DefaultDependencies=no."""
    if unit.type == "service":
        yield Step("basic.target")
    elif unit.type == "target" and unit.name not in (*_TARGETS, _SOCKETS):
        for word, entry in unit.words("Unit", *_PULLS):
            yield Step(expand(word, unit), unit, entry)


def _index(world: World) -> dict[str, list[Step]]:
    """Return what units wait for because others say Before=."""
    found: dict[str, list[Step]] | None = world.notes.get("before")
    if found is None:
        found = world.notes["before"] = {}
        for unit in world.known():
            for word, entry in unit.words("Unit", "Before") if is_started(unit, world) else ():
                found.setdefault(expand(word, unit), []).append(Step(unit.name, unit, entry))
    return found


def is_started(unit: Unit, world: World) -> bool:
    """Return whether something that is known starts a unit at boot, or could be enabled to."""
    if world.enabled(unit) or unit.is_installable:
        return True
    pulled: set[str] | None = world.notes.get("pulled")
    if pulled is None:
        pulled = world.notes["pulled"] = {
            word for other in world.known() for word, _ in other.words("Unit", *_PULLS)
        }
    return not pulled.isdisjoint((unit.name, *unit.aliases))
