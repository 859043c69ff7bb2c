"""What is learned from: the units of a spec, or those of files, with all that belongs to them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from activator.generate.render import render
from activator.generate.specfile import Spec
from activator.learn.service import Service, from_files
from activator.learn.stand_in import stand_in
from activator.local.units.files import Units
from activator.local.units.load import load
from activator.local.units.models import Plan
from activator.unitfile.parse import UnitFile


class Subject(NamedTuple):
    """What is learned from.

    Attributes:
        spec: The spec, or what stands for one.
        sockets: The names of the sockets.
        files: The unit file and the drop-ins of each unit, by its name.
        services: The services among them.
        directories: Where systemd keeps the data of the services.
        is_spec: Whether there is a spec.
    """

    spec: Spec
    sockets: tuple[str, ...]
    files: Mapping[str, tuple[UnitFile, ...]]
    services: tuple[Service, ...]
    directories: tuple[Path, ...]
    is_spec: bool


def of_spec(spec: Spec) -> Subject:
    """Return the units of a spec.

    Raises:
        ActivatorError: They cannot be run here.
    """
    texts = render(spec)
    named = {name: (text, f"{spec.source}: {name}") for name, text in texts.items()}
    files = {name: (UnitFile.parse(*given),) for name, given in named.items()}
    sockets = tuple(name for name in texts if name.endswith(".socket"))
    places = tuple(_directories(load((), named)))
    return Subject(spec, sockets, files, _services(files), places, is_spec=True)


def of_units(paths: Sequence[str]) -> Subject:
    """Return the units that are named, and those that belong to them, as `activator run` does.

    Raises:
        ActivatorError: A unit is missing, wrong, or cannot be run here.
    """
    plan = load(paths)
    units = Units({})
    for path in map(Path, paths):
        units.add(path if path.is_dir() else path.parent)
        if path.is_symlink():
            units.add(path.resolve().parent)
    sockets = tuple(unit.name for unit in plan.sockets)
    names = (*sockets, *plan.services, *plan.templates)
    if any(units.find(name) is None for name in names):
        units.add_system()
    found = {name: units.find(name) for name in names}
    files = {name: tuple(each.files) for name, each in found.items() if each is not None}
    services = _services(files)
    addresses = [listen.address.path for unit in plan.sockets for listen in unit.listens]
    spec = stand_in(sockets, services, addresses)
    return Subject(spec, sockets, files, services, tuple(_directories(plan)), is_spec=False)


def _services(files: Mapping[str, tuple[UnitFile, ...]]) -> tuple[Service, ...]:
    services = (name for name in files if name.endswith(".service"))
    return tuple(from_files(name, files[name]) for name in services)


def _directories(plan: Plan) -> Iterator[Path]:
    """Yield where the data of services is, and where systemd has that of users it makes up."""
    samples = [template.sample for template in plan.templates.values()]
    for unit in (*plan.services.values(), *samples):
        for variable, named in unit.execution.directories.items():
            if variable in ("STATE_DIRECTORY", "CACHE_DIRECTORY", "LOGS_DIRECTORY"):
                for path in map(Path, named.paths):
                    yield path
                    yield Path(named.root, "private", path.relative_to(named.root))
