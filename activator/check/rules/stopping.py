"""Rules about how a service ends."""

from collections.abc import Iterator

from activator.check.known import Known, drains, names
from activator.check.units import Problem, Unit, World

_SECOND = 1_000_000
_STOP_DEFAULT_S = 90.0


def killed_too_early(unit: Unit, _: World) -> Iterator[Problem]:
    """Find a TimeoutStopSec= that is shorter than the time the program needs to drain.

    systemd kills the program while it still lets connections end. How long it lets them is set
    by its own option, or is its default: 30 seconds for gunicorn.

    Bad::

        # web.service
        [Service]
        ExecStart=/usr/bin/gunicorn web:app
        TimeoutStopSec=5

    Good::

        # web.service
        [Service]
        ExecStart=/usr/bin/gunicorn --graceful-timeout 30 web:app
        TimeoutStopSec=35
    """
    if unit.type != "service":
        return
    settings = unit.settings
    starts = [
        entry
        for entry in settings.all("ExecStart")
        if any(name in entry.value for name in names(Known.DRAIN))
    ]
    if not starts:
        return
    from activator.check.commands import run_by  # noqa: PLC0415 - few units get here

    entry = settings.get("TimeoutStopSec") or settings.get("TimeoutSec")
    patience = _seconds(entry.value) if entry is not None else _STOP_DEFAULT_S
    if patience is None:
        return
    for line in starts:
        for program, arguments in run_by(line.value):
            told = [_option(arguments, known.option, known.default) for known in drains(program)]
            needs = sum(seconds for seconds in told if seconds is not None)
            if needs and patience <= needs:
                message = f"{program} drains for {needs:g} s, and is killed after {patience:g} s"
                hint = f"write TimeoutStopSec={needs + 5:g}"
                yield Problem(message, hint, entry or line)


def _option(arguments: list[str], option: str, default: float | None) -> float | None:
    """Return the seconds that an option of a program says."""
    for position, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        if name == option:
            text = value if equals else " ".join(arguments[position + 1 : position + 2])
            try:
                return float(text)
            except ValueError:
                return None
    return default


def _seconds(value: str) -> float | None:
    """Return a time span in seconds; None if it never ends."""
    from activator.unitfile.values.times import to_microseconds  # noqa: PLC0415 - the same

    span = to_microseconds(value)
    # 0 means no limit here.
    return span / _SECOND if span and value.strip() != "infinity" else None
