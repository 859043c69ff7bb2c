"""The steps that take an installation back."""

from activator.deploy.install.situation import Unit
from activator.deploy.install.step import Step, Verb

_MOVING = frozenset({Verb.START, Verb.STOP, Verb.RESTART, Verb.TRY_RESTART})


def steps(units: list[Unit], done: list[Step], *, live: bool) -> list[Step]:
    """Return the steps that bring back the files, the links and the units of before.

    Args:
        units: The situation before.
        done: The steps that were done, with the one that failed.
        live: Whether a manager runs.
    """
    if not done:
        return []
    touched = _named(units, done, _MOVING)
    opened = any(unit.socket for unit in touched)
    ran = [unit.name for unit in touched if unit.state.up and not unit.socket]
    written = _named(units, done, {Verb.WRITE})
    removed = _named(units, done, {Verb.REMOVE})
    enabled = _named(units, done, {Verb.ENABLE})
    disabled = _named(units, done, {Verb.DISABLE})
    again = [unit.name for unit in disabled if unit.state.file == "enabled"]
    reenabled = [unit.name for unit in _named(units, done, {Verb.REENABLE})]
    found: list[Step] = []

    def add(verb: Verb, names: list[str]) -> None:
        if names:
            found.append(Step(verb, tuple(names), back=True))

    add(Verb.STOP, [unit.name for unit in touched] if opened else [])
    add(Verb.DISABLE, [unit.name for unit in enabled])
    for unit in [*written, *removed]:
        add(Verb.REMOVE if unit.file.before is None else Verb.WRITE, [str(unit.file.path)])
    add(Verb.ENABLE, again)
    add(Verb.REENABLE, reenabled)
    if live:
        found.append(Step(Verb.RELOAD, back=True))
    add(Verb.RESET_FAILED, [unit.name for unit in touched])
    add(Verb.START, [unit.name for unit in touched if unit.state.up and unit.socket])
    add(Verb.START if opened else Verb.RESTART, ran)
    return found


def _named(units: list[Unit], done: list[Step], verbs: "set[Verb] | frozenset[Verb]") -> list[Unit]:
    """Return the units that some of the steps named, sockets first."""
    names = {name.rpartition("/")[2] for step in done if step.verb in verbs for name in step.names}
    found = [unit for unit in units if names & {unit.name, unit.file.name}]
    return sorted(found, key=lambda unit: not unit.socket)
