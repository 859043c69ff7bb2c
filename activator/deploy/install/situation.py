"""What is there before an installation: files, units that run, and what is to become of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from activator.common import origin
from activator.deploy.install.changes import Change, Effect, compare
from activator.deploy.install.place import Place
from activator.errors import ActivatorError, combine
from activator.live.unfinished import Unfinished
from activator.live.unit_state import UnitState
from activator.output.plan import File, Status, plan, written
from activator.unitfile import quadlet
from activator.unitfile.parse import UnitFile

_UNKNOWN = UnitState("", "not-found", "inactive", "", "", "", (), 0.0, unread=False)
_ANEW = Change(Effect.SOCKET, in_place=False)


@dataclass(frozen=True)
class Unit:
    """A unit as it is and as it should be.

    Attributes:
        file: Its file.
        state: What the manager says of it; a made-up one if there is no manager.
    """

    file: File
    state: UnitState

    @property
    def name(self) -> str:
        """Return its name; a container's is that of the service that Quadlet makes of it."""
        return _unit(self.file)

    @property
    def container(self) -> bool:
        """Tell whether Quadlet makes the unit, and systemd does not read the file itself."""
        return quadlet.kind_of(self.file.name) is not None

    @property
    def socket(self) -> bool:
        """Tell whether it is a socket, and not a service."""
        return self.name.endswith(".socket")

    @property
    def template(self) -> bool:
        """Tell whether it is a template, which never runs itself."""
        return "@." in self.name

    @property
    def stale(self) -> bool:
        """Tell whether an earlier version of the spec made it and this one does not."""
        return self.file.status is Status.STALE

    @property
    def triggers(self) -> str:
        """Return the one service that a socket starts; empty for one an instance each."""
        parsed = UnitFile.parse(self.file.after or "")
        if not self.socket or parsed.get("Socket", "Accept", "no") != "no":
            return ""
        return parsed.get("Socket", "Service") or f"{self.name.removesuffix('.socket')}.service"

    @property
    def installs(self) -> bool:
        """Tell whether it says by [Install] what it is to be enabled for.

        Quadlet makes the links of its own by itself.
        """
        if self.container:
            return False
        entries = UnitFile.parse(self.file.after or "").entries
        return any(entry.section == "Install" for entry in entries)

    @property
    def reloads(self) -> bool:
        """Tell whether the service says how it reads its configuration anew."""
        parsed = UnitFile.parse(self.file.after or "")
        named = parsed.get("Service", "ExecReload") or parsed.get("Container", "ReloadCmd")
        named = named or parsed.get("Container", "ReloadSignal")
        return bool(named) or parsed.get("Service", "Type") == "notify-reload"

    @cached_property
    def change(self) -> Change:
        """Return how the file changes."""
        if self.file.before is None or self.file.after is None:
            return _ANEW
        return compare(self.file.name, self.file.before, self.file.after)

    @property
    def outdated(self) -> bool:
        """Tell whether it runs by an older file than the one that is there."""
        return self.state.up and self.file.modified > self.state.since * 1e9

    @cached_property
    def effect(self) -> Effect:
        """Return what is to be done to the unit that runs; nothing if none does."""
        if not self.state.up or self.stale:
            return Effect.NONE
        effect = Effect.SOCKET if self.outdated else self.change.effect
        return effect if self.socket else min(effect, Effect.SERVICE)

    @property
    def in_place(self) -> bool:
        """Tell whether the old socket can be closed with the new unit loaded already."""
        return self.change.in_place and not self.outdated


def look(where: Place, texts: Mapping[str, str]) -> list[Unit]:
    """Return the units of a spec, and those that its earlier versions left.

    Args:
        where: Where they are installed.
        texts: File name → text, as rendered.

    Raises:
        ActivatorError: Files cannot be read, or the manager cannot be asked.
    """
    return describe(where, files(where, texts))


def files(where: Place, texts: Mapping[str, str]) -> list[File]:
    """Return the files of a spec as they are and as they should be, each where it belongs.

    Args:
        where: Where they are installed.
        texts: File name → text, as rendered.

    Raises:
        ActivatorError: Files cannot be read.
    """
    made = {name: text for name, text in texts.items() if quadlet.kind_of(name)}
    units = {name: text for name, text in texts.items() if name not in made}
    names = {name for text in texts.values() if (name := origin.name_of(text))}
    found = plan(where.directory, units)
    return found + (plan(where.containers, made) if made else written(where.containers, names))


def installed(where: Place, name: str) -> list[File]:
    """Return the files that were made from a spec of some name.

    Raises:
        ActivatorError: Files cannot be read.
    """
    return written(where.directory, {name}) + written(where.containers, {name})


def _unit(file: File) -> str:
    """Return the name of the unit that a file is for."""
    return quadlet.service(file.name) if quadlet.kind_of(file.name) else file.name


def describe(where: Place, files: Iterable[File]) -> list[Unit]:
    """Return the units of some files, with their states.

    Raises:
        ActivatorError: The manager cannot be asked.
    """
    files = list(files)
    if not where.live:
        return [Unit(file, _lying(where, file)) for file in files]
    # The state of a template is that of no unit; only its file can be asked for.
    asked = [_unit(file) for file in files if "@." not in file.name]
    states = dict(zip(asked, where.manager.show(asked), strict=True))
    return [Unit(file, states.get(_unit(file), _UNKNOWN)) for file in files]


def _lying(where: Place, file: File) -> UnitState:
    """Return the state of a unit of a system that does not run: whether it is enabled."""
    if file.kind == "missing" or "@." in file.name or quadlet.kind_of(file.name):
        return _UNKNOWN
    return replace(_UNKNOWN, file=where.manager.file_state(file.name))


def after(units: Iterable[Unit], left: Unfinished) -> list[Unit]:
    """Return units as they are to be taken after an installation that did not come to its end.

    What they run by is not known then: the files must be read again, and what may be older than
    they, or newer, is to be made anew.
    """
    found = []
    for unit in units:
        later = unit.state.since >= left.begun
        known = not left.back or not later
        # The restart of a service alone costs no client.
        known &= unit.socket or left.back or later
        since = unit.state.since if known else 0.0
        state = replace(unit.state, since=since, unread=True)
        found.append(replace(unit, state=state))
    return found


def refuse(units: Iterable[Unit], *, force: bool) -> None:
    """Raise if units are not ours to replace or remove.

    Args:
        units: What is there.
        force: Whether files that we did not write, or that were edited since, are ours too.

    Raises:
        ActivatorError: One line for each such unit.
    """
    problems = []
    units = list(units)
    ours = {unit.name for unit in units if unit.file.kind == "file"}
    for unit in units:
        place = str(unit.file.path)
        if unit.file.kind in ("link", "other"):
            hint = "remove it, or unmask the unit"
            problems.append(ActivatorError("it is not a regular file", hint, place=place))
        elif force:
            continue
        elif refusal := unit.file.refusal:
            problems.append(refusal)
        elif unit.name in ours:
            continue  # a service that becomes a container, or the reverse
        elif unit.file.kind == "missing" and Path(unit.state.path or "/nowhere").exists():
            message = f"{unit.name} is there already, and not from activator"
            hint = "choose another name, or use --force to override it"
            problems.append(ActivatorError(message, hint, place=unit.state.path))
    if problems:
        raise combine(problems)
