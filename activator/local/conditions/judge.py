"""Judge a unit's conditions as a whole.

All must hold; of those that begin with ``|`` one is enough. What cannot be found out does not
hold, also with ``!``, as with systemd.

Source: systemd.unit(5), "Conditions and Asserts".
"""

from collections.abc import Sequence

from activator.errors import ActivatorError
from activator.local.units.service_model import Condition, Conditions


class Skipped(ActivatorError):  # noqa: N818 - what happened: it is not to be raised
    """A condition does not hold, which is no failure."""


def holds(condition: Condition) -> bool:
    """Tell whether one condition holds."""
    from activator.local.conditions.kinds import KINDS  # noqa: PLC0415 - few units have any

    kind = condition.directive.removeprefix("Condition").removeprefix("Assert")
    try:
        return KINDS[kind](condition.value) is not condition.negate
    except (ActivatorError, OSError, ValueError):
        return False


def broken(conditions: Sequence[Condition]) -> Condition | None:
    """Return a condition for whose sake the whole does not hold, None if it does."""
    unmet = [each for each in conditions if not each.trigger and not holds(each)]
    if unmet:
        return unmet[0]
    triggers = [each for each in conditions if each.trigger]
    return None if any(map(holds, triggers)) or not triggers else triggers[-1]


def refusal(conditions: Conditions) -> ActivatorError | None:
    """Return why a unit is not to start, None if it is."""
    if unmet := broken(conditions.conditions):
        what = f"skipped, as {unmet.text} does not hold"
        return Skipped(what, "make it so if it is to start", place=unmet.place)
    if unmet := broken(conditions.asserts):
        what = f"not started, as {unmet.text} does not hold"
        return ActivatorError(what, "make it so, or remove the line", place=unmet.place)
    return None
