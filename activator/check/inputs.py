"""From what was named on the command line to the units to look at."""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from activator.check import containers
from activator.check.units import World
from activator.check.world import Files, version_in
from activator.common.regular_file import contents
from activator.errors import UsageError
from activator.unitfile import quadlet
from activator.unitfile.quadlet.versions import Version
from activator.unitfile.search import UNIT_TYPES, Search, system_path, user_path

_SUFFIXES = tuple(f".{kind}" for kind in UNIT_TYPES)
# Directories whose files are found through the unit that they belong to.
_PARTS = (".d", ".wants", ".requires", ".upholds")
# A table that no other TOML file is likely to have.
_SPEC_MARK = "\n[sockets."


class Scope(NamedTuple):
    """What is looked at, and for whom.

    Attributes:
        paths: Unit files, drop-ins, specs and folders.
        root: The root directory of the system the units are for; None if nothing is known.
        whole: Whether all units of that system are looked at.
        user: Whether they are for a user's manager.
        version: The version of systemd; 0 for that of the root directory or this machine.
        texts: What files should hold instead of what they do, by path.
        podman: The version of podman; None for the usual one.
    """

    paths: Sequence[str] = ()
    root: str | None = None
    whole: bool = False
    user: bool = False
    version: int = 0
    texts: Mapping[str, str] = {}
    podman: Version | None = None


def worlds(scope: Scope) -> Iterator[World]:
    """Yield the units to look at, together with those that they may refer to.

    Raises:
        UsageError: A path is none of a unit, a spec or a folder.
        ActivatorError: A file cannot be read.
    """
    if scope.whole:
        world = _files(scope, [])
        world.check_all()
        for home in containers.homes(scope.root or "", user=scope.user):
            for path in containers.below(home):
                world.check_quadlet(path)
        yield world
    folders: dict[str, list[tuple[str, str]]] = {}
    for path in scope.paths:
        if os.path.isdir(path) and not path.endswith(_PARTS):
            yield from _folder(path, scope)
        elif path.endswith(".toml"):
            yield _spec(path, scope)
        else:
            folder, name = _unit(path)
            folders.setdefault(folder, []).append((name, path))
    for folder, named in folders.items():
        world = _files(scope, [folder])
        for name, path in named:
            if quadlet.kind_of(name):
                world.check_quadlet(path)
            else:
                world.check_one(name, path)
        yield world


def named(name: str, scope: Scope) -> list[World]:
    """Return the units of a root directory, one of them to look at, by its name.

    Nothing is returned for what is no unit's name, or rather that of a file here.

    Raises:
        UsageError: There is no such unit.
    """
    if "/" in name or not name.endswith(_SUFFIXES) or os.path.lexists(name):
        return []
    world = _files(scope, [])
    if world.find(name) is not None:
        world.check_one(name, name)
    elif made := world.made(name):
        world.quadlets.append(made)
    else:
        raise UsageError(f"there is no unit {name}", "check the name, or give the path of a file")
    return [world]


def _files(scope: Scope, folders: list[str]) -> Files:
    """Return the world of some folders, in front of those of a root directory if there is one."""
    user = scope.user or any("/systemd/user" in os.path.abspath(folder) for folder in folders)
    version = scope.version or version_in(scope.root or "")
    directories = [*folders, *(other for one in folders for other in containers.beside(one))]
    if scope.root is not None:
        own = user_path(scope.root) if user else system_path(scope.root)
        if not folders and not own:
            place = scope.root or "this machine"
            raise UsageError(f"there are no units in {place}", "name its root directory")
        directories += own
    search = Search(directories, scope.root or "")
    complete = scope.root is not None
    return Files(
        search,
        version,
        root=scope.root,
        user=user,
        complete=complete,
        texts=scope.texts,
        podman=scope.podman,
    )


def _folder(path: str, scope: Scope) -> Iterator[World]:
    """Yield the units of a folder and of those below it, each folder by itself."""
    found = False
    for directory, below, names in os.walk(path):
        below[:] = sorted(
            name for name in below if not name.startswith(".") and not name.endswith(_PARTS)
        )
        entries = [*names, *(name for name in os.listdir(directory) if name.endswith(_PARTS))]
        here = "" if directory == "." else directory
        made = containers.names(here)
        if made or any(name.endswith((*_SUFFIXES, *_PARTS)) for name in entries):
            world = _files(scope, [here])
            world.check_all()
            for file in made:
                world.check_quadlet(file)
            found = True
            yield world
        for name in sorted(names):
            file = os.path.join(directory, name)
            if name.endswith(".toml") and _is_spec(file):
                found = True
                yield _spec(file, scope)
    if not found:
        raise UsageError(f"there are no units in {path}", "name a folder of units or specs")


def _unit(path: str) -> tuple[str, str]:
    """Return the folder and the name of the unit that a path stands for."""
    folder, name = os.path.split(path)
    if name.endswith(".conf") and folder.endswith(".d"):
        folder, name = os.path.split(folder.removesuffix(".d"))
    elif name.endswith(".d"):
        name = name.removesuffix(".d")
    if not name.endswith(_SUFFIXES) and not quadlet.kind_of(name):
        hint = "give a unit such as echo.socket, a spec (.toml) or a folder"
        raise UsageError(f"{path} is not a unit", hint)
    if not os.path.lexists(path) and ("@" not in name or quadlet.kind_of(name)):
        raise UsageError(f"there is no file {path}", "check the path")
    if os.path.exists(path) and not _readable(path):
        raise UsageError(f"{path} is not a file", "give a unit file")
    return folder, name


def _readable(path: str) -> bool:
    """Return whether a path can be read without waiting, as a FIFO cannot."""
    mode = os.stat(path).st_mode
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode) or path == os.devnull or stat.S_ISCHR(mode)


def _is_spec(path: str) -> bool:
    """Return whether a TOML file is a spec."""
    try:
        return _SPEC_MARK in f"\n{contents(path)[0].decode()}"
    except (OSError, UnicodeDecodeError):
        return False


def _spec(path: str, scope: Scope) -> World:
    """Return the units that a spec makes."""
    from activator.check.rules.specs import Made  # noqa: PLC0415 - units alone need no templates

    return Made(path, scope.version)
