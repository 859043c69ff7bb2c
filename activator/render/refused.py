"""What would make systemd refuse a unit as a whole never gets out of the generator."""

from collections.abc import Iterable

from activator import refusals
from activator.errors import ActivatorError, combine
from activator.render.model import Unit
from activator.spec.model import Setting, Spec
from activator.unit import Entry
from activator.values.verdict import REFUSED


def check(spec: Spec, units: Iterable[Unit]) -> None:
    """Check the units of a spec together with all that was added to them.

    Raises:
        ActivatorError: systemd would refuse a unit; each reason has its place in the spec.
    """
    problems = []
    for unit in units:
        rule = refusals.socket if unit.name.endswith(".socket") else refusals.service
        entries = [Entry(*entry) for entry in unit.entries if _matters(entry[1])]
        found = (refusal for refusal in rule(entries, spec.systemd) if refusal.outcome == REFUSED)
        problems += [_error(spec, unit, refusal) for refusal in found]
    if problems:
        raise combine(problems)


def _matters(name: str) -> bool:
    """Tell whether a directive can be part of a reason; each line alone was checked before."""
    return name in refusals.CONCERNED or name.startswith("Listen")


def _error(spec: Spec, unit: Unit, refusal: refusals.Refusal) -> ActivatorError:
    """Return a refusal as an error, at the line of the spec that asked for it."""
    message = f"systemd would refuse {unit.name}: {refusal.message}"
    for setting in _settings(spec):
        entry = refusal.entry
        if entry and entry[:3] == (setting.section, setting.name, setting.value):
            return ActivatorError(message, refusal.hint, place=spec.place(setting.path))
    return ActivatorError(message, refusal.hint, place=spec.place(()))


def _settings(spec: Spec) -> Iterable[Setting]:
    """Yield every directive that the spec itself gives."""
    yield from spec.settings
    for socket in spec.sockets:
        yield from socket.settings
