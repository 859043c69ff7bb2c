"""The steps of an installation, in the order that loses no client, or as few as can be.

1. Files are written, and new units enabled, before anything is stopped.
2. A first installation starts the sockets alone; clients start the service.
3. A changed service is restarted while its socket stays open: clients wait in its queue.
4. A changed socket is made anew by one command with its service, since systemd does not
   start the socket of a service that runs. Where the old unit is needed to close the socket
   without a trace (a path that is given up, another mode), it is stopped before the
   daemon-reload.
5. Units that the spec makes no more are stopped, disabled and removed first: the new ones
   may want their addresses. Running instances of templates end with their connections.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from activator.deploy.install.changes import Effect
from activator.deploy.install.situation import Unit
from activator.deploy.install.step import Step, Verb
from activator.output.plan import Status

_QUEUE = "its socket stays open, clients wait in the queue"
_GAP = "clients are refused until the socket is back"
_ANEW = "the socket is closed and opened again at once, clients in its queue are lost"
_GONE = "the spec makes it no more"
_HANDED_OVER = "as it was asked for, by the service's own reload"


class Again(Enum):
    """What is done to services that run, though nothing of their units asks for it."""

    NOTHING = auto()
    RESTART = auto()
    RELOAD = auto()  # a restart for those that cannot reload


@dataclass(frozen=True, slots=True)
class Moves:
    """What becomes of the units that run or are to run.

    Attributes:
        stop: What to stop before the daemon-reload.
        opening: The sockets to open, closed first if they are open.
        resume: The services that are in the way of that, to be started again.
        restart: The services to restart while their sockets stay open.
        reload: The services to reload.
    """

    stop: list[Unit]
    opening: list[Unit]
    resume: list[Unit]
    restart: list[Unit]
    reload: list[Unit]


def moves(units: list[Unit], again: Again = Again.NOTHING) -> Moves:
    """Return what becomes of the units that run or are to run."""
    kept = [unit for unit in units if not unit.stale and not unit.template]
    sockets = [unit for unit in kept if unit.socket]
    anew = [unit for unit in sockets if unit.effect is Effect.SOCKET]
    opening = anew + [unit for unit in sockets if not unit.state.up]
    running = [unit for unit in kept if not unit.socket and unit.state.up]
    # systemd.socket(5): a socket does not start while its service runs.
    behind = {unit.triggers for unit in opening}
    resume = [unit for unit in running if unit.name in behind]
    stop = [unit for unit in units if unit.stale and unit.state.up]
    if stop or len(anew) > 1 or not all(unit.in_place for unit in anew):
        stop = [*anew, *resume, *stop]
    renamed = {unit.triggers for unit in sockets if unit.effect is Effect.SERVICE}
    restart, reload = [], []
    for unit in running:
        if unit in resume:
            continue
        if unit.effect or unit.name in renamed:
            restart.append(unit)
        elif again is Again.RELOAD and unit.reloads:
            reload.append(unit)
        elif again is not Again.NOTHING:
            restart.append(unit)
    return Moves(stop, opening, resume, restart, reload)


def steps(units: list[Unit], *, live: bool, now: bool, again: Again = Again.NOTHING) -> list[Step]:
    """Return the steps that bring units to what they should be.

    Args:
        units: The situation.
        live: Whether a manager runs.
        now: Whether units may be started, stopped and restarted.
        again: What is done besides to services that run.
    """
    found = [_write(unit) for unit in due(units)]
    found += _enabling(units)
    if not live:
        return found + list(_removing(units))
    made = moves(units, again)
    if not now:
        # A reload would close what the new files name no more, and open nothing.
        harmless = not made.stop and not any(unit.state.up for unit in made.opening)
        return [*found, Step(Verb.RELOAD)] if (found or _unread(units)) and harmless else found
    found += _command(Verb.STOP, made.stop, _GAP if made.opening else _GONE)
    found += _removing(units)
    if found or _unread(units):
        found.append(Step(Verb.RELOAD))
    found += _command(Verb.RESET_FAILED, (unit for unit in units if unit.state.active == "failed"))
    if made.stop:
        found += _command(Verb.START, made.opening)
        found += _command(Verb.START, made.resume, "it ran before")
    elif made.resume or any(unit.state.up for unit in made.opening):
        found += _command(Verb.RESTART, [*made.opening, *made.resume], _ANEW)
    else:
        found += _command(Verb.START, made.opening)
    found += _command(Verb.TRY_RESTART, made.restart, _QUEUE)
    found += _command(Verb.TRY_RELOAD, made.reload, _HANDED_OVER)
    return found


def due(units: list[Unit]) -> list[Unit]:
    """Return the units whose files must be written."""
    return [unit for unit in units if unit.file.status in (Status.NEW, Status.CHANGED)]


def resumed(units: list[Unit], ran: Iterable[str]) -> Iterator[Step]:
    """Yield what starts those services again that an earlier installation has stopped.

    Args:
        units: The situation.
        ran: The units that were up before it.
    """
    names = frozenset(ran)
    kept = (unit for unit in units if not (unit.stale or unit.template or unit.socket))
    down = (unit for unit in kept if unit.name in names and not unit.state.up)
    yield from _command(Verb.START, down, "it ran before")


def _unread(units: list[Unit]) -> bool:
    """Tell whether the manager has not read the files that are there."""
    return any(unit.outdated or unit.state.unread for unit in units)


def left(units: list[Unit]) -> list[str]:
    """Return what ``--no-now`` leaves for later, one line each."""
    made = moves(units)
    later = [*made.stop, *made.opening, *made.resume, *made.restart]
    running = dict.fromkeys(unit.name for unit in later if unit.state.up)
    gone = [unit.name for unit in units if unit.stale and unit.name not in running]
    return [
        *(f"{name} runs as before until you install with --now" for name in running),
        *(f"{name} is left until you install with --now" for name in gone),
    ]


def _write(unit: Unit) -> Step:
    """Return the step that writes a unit's file."""
    why = "new" if unit.file.status is Status.NEW else unit.change.why
    return Step(Verb.WRITE, (str(unit.file.path),), why)


def _enabling(units: list[Unit]) -> Iterator[Step]:
    """Yield the steps that make the links of [Install]."""
    for unit in units:
        if unit.stale or unit.template or not unit.installs:
            continue
        if unit.state.file != "enabled":
            yield Step(Verb.ENABLE, (unit.name,))
        elif unit.change.installs:
            yield Step(Verb.REENABLE, (unit.name,), "[Install] changed")


def _removing(units: list[Unit]) -> Iterator[Step]:
    """Yield the steps that remove what is no longer made."""
    stale = [unit for unit in units if unit.stale]
    linked = (unit for unit in stale if not (unit.template or unit.container))
    yield from _command(Verb.DISABLE, linked, _GONE)
    for unit in stale:
        yield Step(Verb.REMOVE, (str(unit.file.path),), _GONE)


def _command(verb: Verb, units: Iterable[Unit], why: str = "") -> Iterator[Step]:
    """Yield one step for some units, sockets first, or none."""
    names = dict.fromkeys(unit.name for unit in sorted(units, key=lambda unit: not unit.socket))
    if names:
        yield Step(verb, tuple(names), why)
