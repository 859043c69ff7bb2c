"""What would make systemd refuse a unit as a whole never gets out of the generator."""

from collections.abc import Iterable

from activator.errors import ActivatorError, combine
from activator.generate.render.lines import Unit
from activator.generate.specfile.spec import Mode, Setting, Spec
from activator.unitfile.values.verdict import REFUSED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from activator.unitfile.refusals import Refusal

# Beginnings of directives that are part of no reason: addresses, and options of the socket.
_HARMLESS = (
    *("ListenStream", "ListenDatagram", "ListenSequentialPacket", "ListenFIFO"),
    *("ReceiveBuffer", "SendBuffer", "Backlog", "SocketMode", "SocketUser", "SocketGroup"),
    *("NoDelay", "KeepAlive", "FreeBind", "ReusePort", "Description", "Documentation"),
)


def check(spec: Spec, units: Iterable[Unit]) -> None:
    """Check the units of a spec together with all that was added to them.

    Raises:
        ActivatorError: systemd would refuse a unit; each reason has its place in the spec.
    """
    if not _may_be(spec):
        return
    from activator.unitfile import refusals  # noqa: PLC0415 - most specs give no reason
    from activator.unitfile.parse import Entry  # noqa: PLC0415 - the same

    problems = []
    for unit in units:
        if not unit.name.endswith((".socket", ".service")):
            continue  # of which Quadlet makes a service, and checks it
        rule = refusals.socket if unit.name.endswith(".socket") else refusals.service
        entries = [Entry(*entry) for entry in unit.entries]
        found = (refusal for refusal in rule(entries, spec.systemd) if refusal.outcome == REFUSED)
        problems += [_error(spec, unit, refusal) for refusal in found]
    if problems:
        raise combine(problems)


def _may_be(spec: Spec) -> bool:
    """Tell whether a spec gives any reason: what the generator adds by itself gives none."""
    if ";" in spec.command or any(socket.mode is not Mode.SHARED for socket in spec.sockets):
        return True
    return any(
        not setting.value or not setting.name.startswith(_HARMLESS) for setting in _settings(spec)
    )


def _error(spec: Spec, unit: Unit, refusal: "Refusal") -> ActivatorError:
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
