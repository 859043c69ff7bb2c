"""From [Unit] to what a unit has to do with others.

Source: systemd.unit(5).
"""

from activator.local.units import values
from activator.local.units.reader import Reader
from activator.local.units.service_model import Relations

_REQUIRED = ("Requires", "BindsTo", "Requisite")


def read_relations(reader: Reader) -> Relations:
    """Make the model of a unit's relations.

    Raises:
        ActivatorError: A line is wrong.
    """
    return Relations(
        requires=_names(reader, *_REQUIRED),
        wants=_names(reader, "Wants"),
        binds_to=_names(reader, "BindsTo"),
        part_of=_names(reader, "PartOf"),
        after=_names(reader, "After"),
        before=_names(reader, "Before"),
        conflicts=_names(reader, "Conflicts"),
        upholds=_names(reader, "Upholds"),
        on_failure=_names(reader, "OnFailure"),
        on_success=_names(reader, "OnSuccess"),
        stop_when_unneeded=reader.value("Unit", "StopWhenUnneeded", values.boolean, default=False),
    )


def _names(reader: Reader, *directives: str) -> tuple[str, ...]:
    """Return the units that directives name, each once."""
    found = [word for name in directives for word, _ in reader.words("Unit", name)]
    return tuple(dict.fromkeys(found))
