"""From [Unit] to what a unit has to do with others.

Source: systemd.unit(5).
"""

from activator.local.units.reader import Reader
from activator.local.units.service_model import Relations
from activator.unitfile import read

_REQUIRED = ("Requires", "BindsTo", "Requisite")


def read_relations(reader: Reader) -> Relations:
    """Make the model of a unit's relations."""
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
        stop_when_unneeded=reader.value("Unit", "StopWhenUnneeded", read.boolean, default=False),
    )


def _names(reader: Reader, *directives: str) -> tuple[str, ...]:
    """Return the units that directives name, each once; a unit has nothing to do with itself."""
    found = (word for name in directives for word, _ in reader.words("Unit", name))
    others = dict.fromkeys(map(reader.other, found))
    others.pop(reader.name, None)
    return tuple(others)
